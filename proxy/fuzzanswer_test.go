package proxy

import (
	"bufio"
	"bytes"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"
)

// FuzzAnswer lets a function answer with any bytes: the client must read what a
// client of net/http reads from the function itself, or see a failure.
func FuzzAnswer(f *testing.F) {
	for _, seed := range []string{
		"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello",
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nX-Sum: 1\r\n\r\n",
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n05;a=b\r\nhello\r\n00\r\n\r\n",
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\n",
		"HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.0 200 OK\r\n\r\nto the end",
		"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 204 No Content\r\n\r\nsurplus",
		"HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\nshort",
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nContent-Length : 1\r\n\r\n",
		"HTTP/1.1 200 OK\r\nTrailer: Set-Cookie\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nSet-Cookie: a=b\r\n\r\n",
		"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\nPRI * HTTP/2.0",
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: chun\u212aed\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
	} {
		f.Add([]byte(seed))
	}
	var answer []byte
	address := rawFunction(f, func(conn net.Conn) {
		_, _ = http.ReadRequest(bufio.NewReader(conn))
		conn.Write(answer)
	})
	h := newHandler(f)
	h.Timeout = time.Second
	deploy(f, h, "figlet", address)
	f.Fuzz(func(t *testing.T, bytes []byte) {
		answer = bytes
		recorder := httptest.NewRecorder()
		ours, failed := serveQuietly(h, recorder)
		if failed || ours.StatusCode == http.StatusBadGateway || ours.StatusCode < 200 {
			return
		}
		theirs, body := readDirectly(bytes)
		if theirs == nil {
			t.Fatalf("net/http reads no whole answer in %q, we answered %d %q", bytes, ours.StatusCode, recorder.Body)
		}
		if ours.StatusCode != theirs.StatusCode || recorder.Body.String() != body {
			t.Errorf("we answered %d %q, net/http reads %d %q", ours.StatusCode, recorder.Body, theirs.StatusCode, body)
		}
	})
}

func serveQuietly(h *Handler, w *httptest.ResponseRecorder) (answer *http.Response, failed bool) {
	defer func() { failed = recover() != nil }()
	r := httptest.NewRequest("GET", "/function/figlet", nil)
	h.ServeHTTP(w, r)
	return w.Result(), false
}

// readDirectly reads what a function sent as a client would that stands in the
// proxy's place; nil when it is no whole answer.
func readDirectly(sent []byte) (*http.Response, string) {
	reader := bufio.NewReader(bytes.NewReader(sent))
	for {
		answer, err := http.ReadResponse(reader, &http.Request{Method: "GET"})
		if err != nil {
			return nil, ""
		}
		if answer.StatusCode < 200 && answer.StatusCode != 101 {
			continue
		}
		body, err := io.ReadAll(answer.Body)
		if err != nil {
			return nil, ""
		}
		return answer, string(body)
	}
}
