// Command echo is a sample function that answers with the request it was sent. It serves to
// test how a proxy changes requests and answers on their way.
//
// The answer is the request's body under the request's content type. With
// ?describe=1, or the header "X-Describe: 1", it is a JSON description of the
// request instead; with ?stream=1 each piece of the body is answered as soon as
// it arrives.
package main

import (
	"encoding/json"
	"io"
	"log"
	"net/http"
	"os"
	"os/signal"
	"syscall"
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
	switch {
	case r.URL.Query().Get("describe") == "1" || r.Header.Get("X-Describe") == "1":
		describe(w, r)
	case r.URL.Query().Get("stream") == "1":
		stream(w, r)
	default:
		echo(w, r)
	}
}

// echo reads the whole body before it answers: a client that sends all before
// it reads anything would otherwise block, and so would we.
func echo(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		http.Error(w, "read body: "+err.Error(), http.StatusBadRequest)
		return
	}
	w.Header().Set("Content-Type", contentType(r))
	w.Write(body)
}

// stream answers while the request is still being sent.
func stream(w http.ResponseWriter, r *http.Request) {
	control := http.NewResponseController(w)
	if err := control.EnableFullDuplex(); err != nil {
		http.Error(w, "answer while reading: "+err.Error(), http.StatusHTTPVersionNotSupported)
		return
	}
	w.Header().Set("Content-Type", contentType(r))
	control.Flush()
	buffer := make([]byte, 32<<10)
	for {
		n, err := r.Body.Read(buffer)
		w.Write(buffer[:n])
		control.Flush()
		if err == io.EOF {
			return
		}
		if err != nil {
			// The answer has begun: breaking it off is the only way left to say
			// that it is not whole.
			panic(http.ErrAbortHandler)
		}
	}
}

func contentType(r *http.Request) string {
	if given := r.Header.Get("Content-Type"); given != "" {
		return given
	}
	return "application/octet-stream"
}

// Description is a request as it arrived here.
type Description struct {
	// Instance is the host name of the container that answered.
	Instance string `json:"instance"`
	Method   string `json:"method"`
	// URI is the request's target exactly as it stood in the request line.
	URI      string `json:"uri"`
	Path     string `json:"path"`
	Query    string `json:"query"`
	Protocol string `json:"protocol"`
	Host     string `json:"host"`
	// Remote is the address of the peer that connected.
	Remote  string      `json:"remote"`
	Headers http.Header `json:"headers"`
	// ContentLength is the announced length of the body; -1 when none was.
	ContentLength    int64    `json:"contentLength"`
	TransferEncoding []string `json:"transferEncoding,omitempty"`
	// BodyBytes is how much of the body arrived.
	BodyBytes int64       `json:"bodyBytes"`
	Trailers  http.Header `json:"trailers,omitempty"`
}

func describe(w http.ResponseWriter, r *http.Request) {
	size, err := io.Copy(io.Discard, r.Body)
	if err != nil {
		http.Error(w, "read body: "+err.Error(), http.StatusBadRequest)
		return
	}
	instance, _ := os.Hostname()
	w.Header().Set("Content-Type", "application/json")
	encoder := json.NewEncoder(w)
	encoder.SetIndent("", "  ")
	encoder.SetEscapeHTML(false)
	encoder.Encode(Description{
		Instance:         instance,
		Method:           r.Method,
		URI:              r.RequestURI,
		Path:             r.URL.Path,
		Query:            r.URL.RawQuery,
		Protocol:         r.Proto,
		Host:             r.Host,
		Remote:           r.RemoteAddr,
		Headers:          r.Header,
		ContentLength:    r.ContentLength,
		TransferEncoding: r.TransferEncoding,
		BodyBytes:        size,
		Trailers:         r.Trailer,
	})
}
