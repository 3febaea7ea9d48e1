package front

import (
	"io"
	"net/http"
	"strings"
	"testing"
)

// BenchmarkServer is one client that asks and reads, again and again.
func BenchmarkServer(b *testing.B) {
	large := strings.Repeat("x", 32<<10)
	for name, c := range map[string]struct {
		request string
		handler http.HandlerFunc
	}{
		"Get": {get, func(w http.ResponseWriter, r *http.Request) {
			w.Header()["Content-Type"] = []string{"text/plain"}
			_, _ = io.WriteString(w, "hello")
		}},
		"Post": {"POST /f HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello", func(w http.ResponseWriter, r *http.Request) {
			_, _ = io.Copy(w, r.Body)
		}},
		"Large": {get, func(w http.ResponseWriter, r *http.Request) {
			_, _ = io.WriteString(w, large)
		}},
	} {
		b.Run(name, func(b *testing.B) {
			_, address := start(b, c.handler)
			client := dial(b, address)
			b.ReportAllocs()
			for b.Loop() {
				if _, err := io.WriteString(client.TCPConn, c.request); err != nil {
					b.Fatal(err)
				}
				answer, err := http.ReadResponse(client.Reader, nil)
				if err != nil {
					b.Fatal(err)
				}
				if _, err := io.Copy(io.Discard, answer.Body); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
