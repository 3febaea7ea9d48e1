// Command sse is a sample function that streams server-sent events: ?n=5 of
// them, ?d=100ms apart, each sent off as soon as it is written. ?n=0 goes on
// until the caller goes away.
package main

import (
	"fmt"
	"log"
	"net/http"
	"os"
	"os/signal"
	"strconv"
	"syscall"
	"time"
)

func main() {
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, syscall.SIGTERM, os.Interrupt)
	go func() { log.Fatal(http.ListenAndServe(address(), handler())) }()
	<-stop
}

// address is where the function listens: port 8080, unless the variable "port"
// names another.
func address() string {
	if port := os.Getenv("port"); port != "" {
		return ":" + port
	}
	return ":8080"
}

func handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("/", serve)
	mux.HandleFunc("/_/health", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "OK") })
	return mux
}

func serve(w http.ResponseWriter, r *http.Request) {
	count, err := strconv.Atoi(valueOr(r, "n", "5"))
	if err != nil || count < 0 {
		http.Error(w, "n: want a number of events, or 0 for no end", http.StatusBadRequest)
		return
	}
	interval, err := time.ParseDuration(valueOr(r, "d", "100ms"))
	if err != nil || interval <= 0 {
		http.Error(w, "d: want a duration such as 100ms", http.StatusBadRequest)
		return
	}
	w.Header().Set("Content-Type", "text/event-stream")
	w.Header().Set("Cache-Control", "no-cache")
	send(w, r, count, interval)
}

func send(w http.ResponseWriter, r *http.Request, count int, interval time.Duration) {
	control := http.NewResponseController(w)
	ticker := time.NewTicker(interval)
	defer ticker.Stop()
	for i := 1; ; i++ {
		fmt.Fprintf(w, "id: %d\ndata: %s\n\n", i, time.Now().UTC().Format(time.RFC3339Nano))
		if err := control.Flush(); err != nil || i == count {
			return
		}
		select {
		case <-ticker.C:
		case <-r.Context().Done():
			log.Printf("the caller went away after %d events", i)
			return
		}
	}
}

func valueOr(r *http.Request, key, fallback string) string {
	if value := r.URL.Query().Get(key); value != "" {
		return value
	}
	return fallback
}
