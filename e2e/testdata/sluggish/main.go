// Command sluggish is a function that the tests of readiness deploy: it needs a while
// before it listens. Variables say how:
//
//	delay     how long it needs
//	listens   where it listens then; without it on all addresses, on $port or 8080
//	mode      "http" for a watchdog in front of it, which is up at once, on $port or 8080,
//	          and calls it at $upstream_url; until it listens it answers with 500 itself.
//	          As "hidden_mode" and "hidden_url" the provider does not know of that
//	unlocked  the watchdog has no lock file, and says 503 on /_/health
//	fails     the process ends each connection without an answer
//	host      the only Host that /hosted is answered for
package main

import (
	"cmp"
	"fmt"
	"io"
	"log"
	"net/http"
	"os"
	"time"
)

func main() {
	front := ":" + cmp.Or(os.Getenv("port"), "8080")
	if cmp.Or(os.Getenv("mode"), os.Getenv("hidden_mode")) == "http" {
		upstream := cmp.Or(os.Getenv("upstream_url"), os.Getenv("hidden_url"))
		go func() { log.Fatal(http.ListenAndServe(front, watchdog(upstream))) }()
	}
	delay, _ := time.ParseDuration(os.Getenv("delay"))
	time.Sleep(delay)
	log.Fatal(http.ListenAndServe(cmp.Or(os.Getenv("listens"), front), http.HandlerFunc(process)))
}

func process(w http.ResponseWriter, r *http.Request) {
	switch {
	case os.Getenv("fails") != "":
		panic(http.ErrAbortHandler)
	case r.URL.Path == "/hosted" && r.Host != os.Getenv("host"):
		http.Error(w, "DisallowedHost", http.StatusBadRequest)
		return
	case r.URL.Path == "/late":
		time.Sleep(2 * time.Second)
	}
	n, err := io.Copy(io.Discard, r.Body)
	fmt.Fprintf(w, "version %s: %d bytes, %v", os.Getenv("version"), n, err)
}

// watchdog answers as of-watchdog does in its HTTP mode, as far as callers can tell.
func watchdog(upstream string) http.Handler {
	client := &http.Client{Transport: &http.Transport{IdleConnTimeout: 500 * time.Millisecond}}
	mux := http.NewServeMux()
	mux.HandleFunc("/_/health", func(w http.ResponseWriter, _ *http.Request) {
		if os.Getenv("suppress_lock") != "" || os.Getenv("unlocked") != "" {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
	})
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		sent, err := http.NewRequestWithContext(r.Context(), r.Method, upstream+r.RequestURI, r.Body)
		if err != nil {
			panic(err)
		}
		answer, err := client.Do(sent)
		if err != nil {
			w.Header().Set("X-OpenFaaS-Internal", "of-watchdog")
			w.WriteHeader(http.StatusInternalServerError)
			return
		}
		defer answer.Body.Close()
		w.WriteHeader(answer.StatusCode)
		_, _ = io.Copy(w, answer.Body)
	})
	return mux
}
