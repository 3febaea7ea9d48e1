// Command sleep is a sample function that takes the time it is told to: ?d=100ms,
// or the same as the request's body, in the notation of Go's time.ParseDuration.
// It gives up when the caller goes away, and says so in its log.
package main

import (
	"fmt"
	"io"
	"log"
	"net/http"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"
)

func main() {
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, syscall.SIGTERM, os.Interrupt)
	go func() { log.Fatal(http.ListenAndServe(address(), http.HandlerFunc(serve))) }()
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

func serve(w http.ResponseWriter, r *http.Request) {
	duration, err := wanted(r)
	if err != nil {
		http.Error(w, err.Error()+": want a duration such as 100ms or 2s", http.StatusBadRequest)
		return
	}
	began := time.Now()
	select {
	case <-time.After(duration):
		fmt.Fprintf(w, "slept %s\n", duration)
	case <-r.Context().Done():
		log.Printf("the caller went away after %s of %s", time.Since(began).Round(time.Millisecond), duration)
	}
}

// wanted is how long to sleep; a request that does not say is answered at once.
func wanted(r *http.Request) (time.Duration, error) {
	text := r.URL.Query().Get("d")
	// The body is read even when it is not needed: only then does the server
	// watch the connection and notice that the caller has gone.
	body, err := io.ReadAll(io.LimitReader(r.Body, 1<<10))
	if err != nil {
		return 0, fmt.Errorf("read body: %w", err)
	}
	if text == "" {
		text = strings.TrimSpace(string(body))
	}
	if text == "" {
		return 0, nil
	}
	return time.ParseDuration(text)
}
