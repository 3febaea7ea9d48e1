// Command probe is the function that the engine's own tests deploy: over HTTP it
// tells what it sees of its container, and does what it is told.
package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
)

func main() {
	if lines, found := os.LookupEnv("crash_after_lines"); found {
		crash(lines)
	}
	if os.Getenv("grow") != "" {
		grow()
	}
	if os.Getenv("ignore_sigterm") != "" {
		signal.Ignore(syscall.SIGTERM)
	}
	http.HandleFunc("/env", func(w http.ResponseWriter, _ *http.Request) { _ = json.NewEncoder(w).Encode(os.Environ()) })
	http.HandleFunc("/read", read)
	http.HandleFunc("/watch", watch)
	http.HandleFunc("/write", write)
	http.HandleFunc("/list", list)
	http.HandleFunc("/print", print)
	http.HandleFunc("/burn", burn)
	kept := &hoard{}
	http.HandleFunc("/hold", kept.hold)
	http.HandleFunc("/held", kept.held)
	if err := http.ListenAndServe(":8080", nil); err != nil {
		panic(err)
	}
}

func crash(lines string) {
	count, _ := strconv.Atoi(lines)
	for i := range count {
		fmt.Printf("line %d %s\n", i, strings.Repeat("x", 2000))
	}
	os.Exit(3)
}

func grow() {
	var kept [][]byte
	for {
		block := make([]byte, 1<<20)
		for i := range block {
			block[i] = 1
		}
		kept = append(kept, block)
		_ = kept
	}
}

func read(w http.ResponseWriter, r *http.Request) {
	path := r.FormValue("path")
	content, err := os.ReadFile(path)
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	if info, err := os.Stat(path); err == nil {
		w.Header().Set("X-Mode", info.Mode().String())
	}
	_, _ = w.Write(content)
}

// watch reads a file over and over until its first byte is the one asked for,
// and counts what it saw: "whole", "torn" (bytes that differ) and "absent".
func watch(w http.ResponseWriter, r *http.Request) {
	seen := map[string]int{}
	until := r.FormValue("until")
	size, _ := strconv.Atoi(r.FormValue("size"))
	w.WriteHeader(http.StatusOK)
	w.(http.Flusher).Flush()
	for r.Context().Err() == nil {
		content, err := os.ReadFile(r.FormValue("path"))
		switch {
		case err != nil:
			seen["absent"]++
		case len(content) != size || strings.Trim(string(content), string(content[:1])) != "":
			seen["torn"]++
		default:
			seen["whole"]++
			if string(content[:1]) == until {
				_ = json.NewEncoder(w).Encode(seen)
				return
			}
		}
	}
}

func write(w http.ResponseWriter, r *http.Request) {
	if err := os.WriteFile(r.FormValue("path"), []byte("x"), 0o600); err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
	}
}

func list(w http.ResponseWriter, r *http.Request) {
	entries, err := os.ReadDir(r.FormValue("path"))
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	for _, entry := range entries {
		_, _ = fmt.Fprintln(w, entry.Name())
	}
}

// print writes the request's body to its output, as it is.
func print(_ http.ResponseWriter, r *http.Request) {
	out := os.Stdout
	if r.FormValue("stream") == "stderr" {
		out = os.Stderr
	}
	text, _ := io.ReadAll(r.Body)
	_, _ = out.Write(text)
}

// hoard is memory that is held.
type hoard struct {
	mu    sync.Mutex
	bytes []byte
}

// hold fills so many MiB of memory, no two pages alike.
func (h *hoard) hold(_ http.ResponseWriter, r *http.Request) {
	mib, _ := strconv.Atoi(r.FormValue("mib"))
	h.mu.Lock()
	defer h.mu.Unlock()
	h.bytes = make([]byte, mib<<20)
	for i := range h.bytes {
		h.bytes[i] = byte(i ^ i>>12)
	}
}

// held reads it all and tells how many bytes are as they were.
func (h *hoard) held(w http.ResponseWriter, _ *http.Request) {
	h.mu.Lock()
	defer h.mu.Unlock()
	whole := 0
	for i, b := range h.bytes {
		if b == byte(i^i>>12) {
			whole++
		}
	}
	_, _ = fmt.Fprint(w, whole)
}

func burn(_ http.ResponseWriter, r *http.Request) {
	span, _ := time.ParseDuration(r.FormValue("for"))
	for end := time.Now().Add(span); time.Now().Before(end); {
	}
}
