// Command hello is the function that the benchmark calls: it answers 13 bytes, 64 KiB
// under /64k, or a stream of events under /events, and reads whatever body it is sent.
package main

import (
	"bytes"
	"io"
	"log"
	"net/http"
	"strconv"
	"time"
)

const (
	greeting = "Hello, World!"
	large    = 64 << 10
)

func main() {
	mux := http.NewServeMux()
	mux.HandleFunc("/", answer([]byte(greeting)))
	mux.HandleFunc("/64k", answer(bytes.Repeat([]byte("x"), large)))
	mux.HandleFunc("/events", sendEvents)
	log.Fatal(http.ListenAndServe(":8080", mux))
}

func answer(body []byte) http.HandlerFunc {
	length := strconv.Itoa(len(body))
	return func(w http.ResponseWriter, r *http.Request) {
		if r.ContentLength != 0 {
			if _, err := io.Copy(io.Discard, r.Body); err != nil {
				http.Error(w, "read body: "+err.Error(), http.StatusBadRequest)
				return
			}
		}
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		w.Header().Set("Content-Length", length)
		_, _ = w.Write(body)
	}
}

// sendEvents sends one event at once, and then one each second until the client has gone.
func sendEvents(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "text/event-stream")
	w.Header().Set("X-Accel-Buffering", "no") // nginx would collect them
	every := time.NewTicker(time.Second)
	defer every.Stop()
	for {
		if _, err := io.WriteString(w, "data: "+greeting+"\n\n"); err != nil {
			return
		}
		if err := http.NewResponseController(w).Flush(); err != nil {
			return
		}
		select {
		case <-r.Context().Done():
			return
		case <-every.C:
		}
	}
}
