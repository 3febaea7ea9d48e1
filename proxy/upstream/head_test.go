package upstream

import (
	"bufio"
	"bytes"
	"errors"
	"maps"
	"net/http"
	"strings"
	"testing"
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
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: chun\u212aed\r\n\r\n",
		"HTTP/1.1 200 OK\r\nConnection: clo\u017fe\r\nTransfer-Encoding: \u00a0chunked\r\n\r\n",
		"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: h2c\r\nUpgrade: websocket\r\n\r\n",
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: Content-Length , X-A\r\n\r\n",
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
			if !errors.Is(err, ErrBadAnswer) {
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
func compareHeads(t *testing.T, ours Head, theirs *http.Response, method string) {
	t.Helper()
	if ours.Code != theirs.StatusCode {
		t.Errorf("status %d, net/http reads %d", ours.Code, theirs.StatusCode)
	}
	if chunked := len(theirs.TransferEncoding) > 0; chunked != (ours.Chunked && !ours.Bodyless(method)) && !ours.Bodyless(method) {
		t.Errorf("chunked %v, net/http reads %v", ours.Chunked, theirs.TransferEncoding)
	}
	if !ours.Bodyless(method) && !ours.Chunked && ours.Length != theirs.ContentLength {
		t.Errorf("length %d, net/http reads %d", ours.Length, theirs.ContentLength)
	}
	if theirs.Close && !ours.closes && (ours.Bodyless(method) || ours.Chunked || ours.Length >= 0) {
		t.Error("we would keep a connection that net/http closes")
	}
	// These net/http takes out, or adds, as it reads.
	special := []string{"Transfer-Encoding", "Trailer", "Content-Length", "Cache-Control", "Connection"}
	header := http.Header{}
	for _, f := range ours.Fields {
		header[f.Key] = append(header[f.Key], f.Value)
	}
	for _, key := range special {
		delete(header, key)
		delete(theirs.Header, key)
	}
	if !maps.EqualFunc(header, theirs.Header, func(a, b []string) bool { return strings.Join(a, "\n") == strings.Join(b, "\n") }) {
		t.Errorf("fields %q, net/http reads %q", header, theirs.Header)
	}
}

func TestHead_ListedAndToken(t *testing.T) {
	h, err := parseHead("HTTP/1.1 200 OK\r\nConnection: keep-alive, X-A\r\nConnection: close\r\nX-A: 1\r\n\r\n", nil)
	if err != nil {
		t.Fatal(err)
	}
	if !h.Listed("X-A") || h.Listed("X-B") || !h.closes {
		t.Errorf("got %+v", h)
	}
}
