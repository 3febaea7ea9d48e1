// Command crash is a sample function that fails in every way a function can. As
// it comes it is healthy.
//
//	/exit?code=3      ends the process, without an answer
//	/hang             answers this one, and from then on nothing
//	/cut              announces an answer, sends half of it and hangs up
//	crash_on_start=1  (variable) writes two lines and exits with 7 at once
//	deaf=1            (variable) runs, but never listens
package main

import (
	"fmt"
	"log"
	"net/http"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
)

func main() {
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, syscall.SIGTERM, os.Interrupt)
	if os.Getenv("crash_on_start") == "1" {
		fmt.Fprintln(os.Stderr, "crash: reading the configuration")
		fmt.Fprintln(os.Stderr, "crash: crash_on_start=1, so this is the end")
		os.Exit(7)
	}
	if os.Getenv("deaf") == "1" {
		fmt.Fprintln(os.Stderr, "crash: deaf=1, so signals are not heard")
	} else {
		go func() { log.Fatal(http.ListenAndServe(address(), handler(os.Exit))) }()
	}
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

func handler(exit func(code int)) http.Handler {
	mux, hung := http.NewServeMux(), new(atomic.Bool)
	mux.HandleFunc("/hang", func(w http.ResponseWriter, _ *http.Request) {
		hung.Store(true)
		fmt.Fprintln(w, "crash: nothing more will be heard")
	})
	mux.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "still alive") })
	mux.HandleFunc("/cut", cut)
	mux.HandleFunc("/exit", func(w http.ResponseWriter, r *http.Request) {
		code, err := exitCode(r)
		if err != nil {
			http.Error(w, "code: want a number from 0 to 255", http.StatusBadRequest)
			return
		}
		fmt.Fprintf(os.Stderr, "crash: asked to exit with %d\n", code)
		exit(code)
	})
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if hung.Load() {
			<-r.Context().Done()
			return
		}
		mux.ServeHTTP(w, r)
	})
}

// exitCode is 1 unless the request names another.
func exitCode(r *http.Request) (int, error) {
	text := r.URL.Query().Get("code")
	if text == "" {
		return 1, nil
	}
	code, err := strconv.ParseUint(text, 10, 8)
	return int(code), err
}

// cut sends half of the thousand bytes it announced.
func cut(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Length", "1000")
	fmt.Fprint(w, strings.Repeat("x", 500))
	http.NewResponseController(w).Flush()
	panic(http.ErrAbortHandler)
}
