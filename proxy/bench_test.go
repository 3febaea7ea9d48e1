package proxy

import (
	"bufio"
	"bytes"
	"io"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"strings"
	"testing"

	"faas-docker/function"
)

const (
	benchRequest = "GET /function/figlet/a?b=c HTTP/1.1\r\nHost: fns.example.com\r\nUser-Agent: wrk\r\nAccept: */*\r\n\r\n"
	benchAnswer  = "HTTP/1.1 200 OK\r\nContent-Type: text/plain; charset=utf-8\r\nDate: Fri, 20 Nov 2026 16:00:00 GMT\r\nContent-Length: 13\r\n\r\nHello, world!"
)

// benchFunction answers without allocating: what is counted is the proxy's.
func benchFunction(conn net.Conn) {
	buffer, answer := make([]byte, 4<<10), []byte(benchAnswer)
	for {
		n, err := conn.Read(buffer)
		if err != nil {
			return
		}
		if bytes.HasSuffix(buffer[:n], []byte("\r\n\r\n")) {
			conn.Write(answer)
		}
	}
}

// benchClient sends one request after the other over one connection.
func benchClient(b testing.TB, address string) func() {
	conn, err := net.Dial("tcp", address)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { conn.Close() })
	reader := bufio.NewReader(conn)
	request := []byte(benchRequest)
	return func() {
		if _, err := conn.Write(request); err != nil {
			b.Fatal(err)
		}
		for {
			line, err := reader.ReadSlice('\n')
			if err != nil {
				b.Fatal(err)
			}
			if len(line) == 2 {
				break
			}
		}
		if _, err := reader.Discard(len("Hello, world!")); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkHandler counts the whole of an invocation in this process: the
// server's share, too.
func BenchmarkHandler(b *testing.B) {
	h := newHandler(b)
	deploy(b, h, "figlet", rawFunction(b, benchFunction))
	address := serveFront(b, h)
	b.Run("sequential", func(b *testing.B) {
		call := benchClient(b, address)
		b.ReportAllocs()
		for b.Loop() {
			call()
		}
	})
	b.Run("parallel", func(b *testing.B) {
		b.ReportAllocs()
		b.SetParallelism(16)
		b.RunParallel(func(pb *testing.PB) {
			call := benchClient(b, address)
			for pb.Next() {
				call()
			}
		})
	})
}

// BenchmarkPost carries a small body through the whole handler.
func BenchmarkPost(b *testing.B) {
	_, base := figlet(b, func(w http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body)
		io.WriteString(w, "Hello, world!")
	})
	benchPost(b, base)
}

// BenchmarkPostHTTP2 carries a small body to a function that speaks HTTP/2.
func BenchmarkPostHTTP2(b *testing.B) {
	h := newHandler(b)
	h.Policy = speaks(function.ProtocolH2C)
	deploy(b, h, "figlet", serveBoth(b, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body)
		io.WriteString(w, "Hello, world!")
	})))
	benchPost(b, "http://"+serve(b, h)+"/function/figlet")
}

// BenchmarkPostReverseProxy is what the standard library's proxy costs for it.
func BenchmarkPostReverseProxy(b *testing.B) {
	target := &url.URL{Scheme: "http", Host: serve(b, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body)
		io.WriteString(w, "Hello, world!")
	}))}
	benchPost(b, "http://"+serve(b, &httputil.ReverseProxy{
		Rewrite:   func(r *httputil.ProxyRequest) { r.SetURL(target); r.SetXForwarded() },
		Transport: &http.Transport{MaxIdleConnsPerHost: 1024},
	}))
}

func benchPost(b *testing.B, url string) {
	b.ReportAllocs()
	for b.Loop() {
		fetch(b, "POST", url, strings.NewReader("hello, function"))
	}
}

// BenchmarkReverseProxy is what the standard library's proxy costs in its place.
func BenchmarkReverseProxy(b *testing.B) {
	target := &url.URL{Scheme: "http", Host: rawFunction(b, benchFunction)}
	address := serve(b, &httputil.ReverseProxy{
		Rewrite:   func(r *httputil.ProxyRequest) { r.SetURL(target); r.SetXForwarded() },
		Transport: &http.Transport{MaxIdleConnsPerHost: 1024},
	})
	call := benchClient(b, address)
	b.ReportAllocs()
	for b.Loop() {
		call()
	}
}

// BenchmarkServer is the server's share alone.
func BenchmarkServer(b *testing.B) {
	address := serve(b, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		io.WriteString(w, "Hello, world!")
	}))
	call := benchClient(b, address)
	b.ReportAllocs()
	for b.Loop() {
		call()
	}
}
