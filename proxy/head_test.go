package proxy

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

func FuzzParseHead(f *testing.F) {
	for _, seed := range []string{
		"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n",
		"HTTP/1.1 200\r\nTransfer-Encoding: Chunked\r\nTrailer: X-A, x-b\r\n\r\n",
		"HTTP/1.0 304 Not Modified\nConnection: keep-alive\n\n",
		"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n",
		"HTTP/1.1 204 No Content\r\nConnection: close, X-A\r\nX-A: \t1 \r\n\r\n",
		"HTTP/1.1 200 OK\r\nSet-Cookie: a\r\nset-cookie: b\r\nContent-Length: 007\r\n\r\n",
		"HTTP/1.1 200 OK\r\nContent-Length: 5, 5\r\n\r\n",
		"HTTP/1.1 200 OK\r\nA: b\r\n c\r\nX A: 1\r\n\r\n",
	} {
		f.Add(seed, "GET")
		f.Add(seed, "HEAD")
	}
	f.Fuzz(func(t *testing.T, text, method string) {
		if method != "HEAD" {
			method = "GET"
		}
		raw, err := readRaw(bufio.NewReader(strings.NewReader(text)), nil)
		if err != nil {
			return
		}
		ours, err := parseHead(string(raw), nil)
		if err != nil {
			if !errors.Is(err, errBadAnswer) {
				t.Errorf("refused with %v", err)
			}
			return
		}
		theirs, err := http.ReadResponse(bufio.NewReader(bytes.NewReader(raw)), &http.Request{Method: method})
		if err != nil {
			t.Fatalf("net/http refuses what we accept: %v", err)
		}
		compareHeads(t, ours, theirs, method)
	})
}

// compareHeads checks that two readings of one head mean the same.
func compareHeads(t *testing.T, ours head, theirs *http.Response, method string) {
	t.Helper()
	if ours.code != theirs.StatusCode {
		t.Errorf("status %d, net/http reads %d", ours.code, theirs.StatusCode)
	}
	if chunked := len(theirs.TransferEncoding) > 0; chunked != (ours.chunked && !ours.bodyless(method)) && !ours.bodyless(method) {
		t.Errorf("chunked %v, net/http reads %v", ours.chunked, theirs.TransferEncoding)
	}
	if !ours.bodyless(method) && !ours.chunked && ours.length != theirs.ContentLength {
		t.Errorf("length %d, net/http reads %d", ours.length, theirs.ContentLength)
	}
	if theirs.Close && !ours.closes && (ours.bodyless(method) || ours.chunked || ours.length >= 0) {
		t.Error("we would keep a connection that net/http closes")
	}
	// These net/http takes out, or adds, as it reads.
	special := []string{"Transfer-Encoding", "Trailer", "Content-Length", "Cache-Control", "Connection"}
	header := http.Header{}
	for _, f := range ours.fields {
		header[f.key] = append(header[f.key], f.value)
	}
	for _, key := range special {
		delete(header, key)
		delete(theirs.Header, key)
	}
	if !maps.EqualFunc(header, theirs.Header, func(a, b []string) bool { return strings.Join(a, "\n") == strings.Join(b, "\n") }) {
		t.Errorf("fields %q, net/http reads %q", header, theirs.Header)
	}
}

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
	} {
		f.Add([]byte(seed))
	}
	var answer []byte
	address := rawFunction(f, func(conn net.Conn) {
		readRaw(bufio.NewReader(conn), nil)
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

func TestHead_ListedAndToken(t *testing.T) {
	h, err := parseHead("HTTP/1.1 200 OK\r\nConnection: keep-alive, X-A\r\nConnection: close\r\nX-A: 1\r\n\r\n", nil)
	if err != nil {
		t.Fatal(err)
	}
	if !h.listed("X-A") || h.listed("X-B") || !h.closes {
		t.Errorf("got %+v", h)
	}
}
