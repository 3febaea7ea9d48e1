// Command caller is a function that calls somebody else, as a function that was
// broken into would. The headers X-Method, X-Url and X-Host of the request say
// whom and how; the answer is "<status> <body>", or "none <error>".
package main

import (
	"fmt"
	"io"
	"log"
	"net/http"
	"time"
)

func main() {
	http.HandleFunc("/_/health", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "OK") })
	http.HandleFunc("/", call)
	log.Fatal(http.ListenAndServe(":8080", nil))
}

func call(w http.ResponseWriter, r *http.Request) {
	request, err := http.NewRequestWithContext(r.Context(), r.Header.Get("X-Method"), r.Header.Get("X-Url"), r.Body)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	request.Host = r.Header.Get("X-Host")
	client := http.Client{Timeout: 5 * time.Second}
	response, err := client.Do(request)
	if err != nil {
		fmt.Fprintf(w, "none %v", err)
		return
	}
	defer response.Body.Close()
	body, _ := io.ReadAll(response.Body)
	fmt.Fprintf(w, "%d %s", response.StatusCode, body)
}
