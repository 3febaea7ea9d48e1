package front

import (
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"
)

// FuzzServer sends the same bytes to this server and to one of net/http alone: the
// handler sees the same request, and the client the same answer to it.
func FuzzServer(f *testing.F) {
	for _, ask := range asks() {
		f.Add([]byte(ask))
		f.Add([]byte(strings.ReplaceAll(ask, "Connection: close\r\n", "")))
	}
	_, ours := start(f, describe)
	full := fullServer(f, describe)
	theirs := serve(f, full.Serve, full.Close)
	f.Fuzz(func(t *testing.T, raw []byte) {
		lower := strings.ToLower(string(raw))
		if strings.Contains(lower, "content-length") && strings.Contains(lower, "transfer-encoding") {
			// That is where they are meant to differ.
			return
		}
		method, _, _ := strings.Cut(string(raw), " ")
		got, want := firstAnswer(t, ours, raw, method), firstAnswer(t, theirs, raw, method)
		if got != want {
			t.Errorf("to %.500q\n%.800s\nwant\n%.800s", raw, got, want)
		}
	})
}

// describe answers with what it was asked.
func describe(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	fmt.Fprintf(w, "%q %q %q %q %d %v %q\n%q %v\n", r.Method, r.URL, r.RequestURI, r.Host, r.ContentLength, r.TransferEncoding, r.Proto, body, err != nil)
	for _, fields := range []http.Header{r.Header, r.Trailer} {
		for _, key := range slices.Sorted(maps.Keys(fields)) {
			fmt.Fprintf(w, "%q %q\n", key, fields[key])
		}
	}
}

// firstAnswer sends bytes, and that no more will come.
func firstAnswer(t *testing.T, address string, raw []byte, method string) string {
	conn, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(20 * time.Second))
	_, _ = conn.Write(raw)
	_ = conn.(*net.TCPConn).CloseWrite()
	text, err := io.ReadAll(conn)
	if timeout, ok := err.(net.Error); ok && timeout.Timeout() {
		t.Fatalf("no end after %.500q: %.500q", raw, text)
	}
	return normal(string(text), method, 1)
}
