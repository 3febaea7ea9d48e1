package proxy

import (
	"fmt"
	"io"
	"strings"
	"time"

	"faas-docker/proxy/upstream"
)

func http10(s *stage) {
	s.client.say("GET /function/f HTTP/1.0\r\nHost: x\r\n\r\n")
	f := s.function()
	f.head()
	f.say("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n")
	head := s.client.head()
	s.hasNot(head, "chunked", "Content-Length")
	s.client.bytes(5)
	f.say("6\r\n world\r\n0\r\n\r\n")
	if got := s.client.rest(); got != " world" {
		s.Errorf("body ended with %q", got)
	}
}

func http10Cut(s *stage) {
	s.client.say("GET /function/f HTTP/1.0\r\nHost: x\r\n\r\n")
	f := s.function()
	f.head()
	f.say("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n")
	s.client.head()
	s.client.bytes(5)
	f.Close()
	if rest, err := io.ReadAll(s.client.Reader); err == nil {
		s.Errorf("a clean end after %q", rest)
	}
}

func closeFromClient(s *stage) {
	s.client.say("GET /function/f HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
	f := s.function()
	s.hasNot(f.head(), "close")
	f.say("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
	s.has(s.client.head(), "Connection: close\r\n")
	if rest := s.client.rest(); rest != "ok" {
		s.Errorf("body %q", rest)
	}
	s.client = s.dial()
	s.again(f)
}

func closeFromFunction(s *stage) {
	f := s.get()
	f.say("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok")
	s.hasNot(s.client.head(), "Connection")
	s.client.bytes(2)
	f.rest()
	<-s.seen.finished
	s.get().say("HTTP/1.1 204 No Content\r\n\r\n")
	s.has(s.client.head(), " 204 ")
}

func http10Function(s *stage) {
	f := s.get()
	f.say("HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok")
	s.has(s.client.head(), "HTTP/1.1 200 OK\r\n")
	s.client.bytes(2)
	f.rest()
	<-s.seen.finished
	f = s.get()
	f.say("HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 2\r\n\r\nok")
	s.client.head()
	s.client.bytes(2)
	s.again(f)
}

func endless(s *stage) {
	f := s.get()
	f.say("HTTP/1.1 200 OK\r\n\r\nhello")
	s.has(s.client.head(), "Transfer-Encoding: chunked\r\n")
	s.client.bytes(len("5\r\nhello\r\n"))
	f.Close()
	if got := s.client.bytes(5); got != "0\r\n\r\n" {
		s.Errorf("ended with %q", got)
	}
	<-s.seen.finished
	s.get().say("HTTP/1.1 204 No Content\r\n\r\n")
	s.has(s.client.head(), " 204 ")
}

// warm exchanges one request, so that the connection is reused by the next.
func (s *stage) warm() *peerConn {
	s.Helper()
	f := s.get()
	f.say("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
	s.client.head()
	<-s.seen.finished
	return f
}

const postF = "POST /function/f HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello"

func idleClosed(s *stage) {
	s.warm().Close()
	s.client.say(postF)
	f := s.function()
	f.head()
	f.bytes(5)
	f.say("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
	s.has(s.client.head(), "HTTP/1.1 200 OK\r\n")
}

func neverTwice(s *stage) {
	f := s.warm()
	s.client.say(postF)
	f.head()
	f.bytes(5)
	f.Close()
	s.has(s.client.head(), "HTTP/1.1 502 ")
	s.untouched()
}

func sentAgain(s *stage) {
	stale := s.warm()
	s.client.say(getF)
	stale.head()
	stale.Close()
	f := s.function()
	f.head()
	f.say("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
	s.has(s.client.head(), "HTTP/1.1 200 OK\r\n")
}

func unsolicited(s *stage) {
	f := s.warm()
	f.say("HTTP/1.1 408 Request Timeout\r\nContent-Length: 0\r\n\r\n")
	fresh := s.get()
	fresh.say("HTTP/1.1 204 No Content\r\n\r\n")
	s.has(s.client.head(), " 204 ")
}

func surplus(s *stage) {
	f := s.get()
	f.say("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokHTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil")
	s.client.head()
	s.client.bytes(2)
	<-s.seen.finished
	s.get().say("HTTP/1.1 204 No Content\r\n\r\n")
	s.has(s.client.head(), " 204 ")
}

func streaming(s *stage) {
	f := s.get()
	f.say("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n")
	s.has(s.client.head(), "text/event-stream")
	for i := range 3 {
		event := fmt.Sprintf("data: %d\n\n", i)
		f.say("%x\r\n%s\r\n", len(event), event)
		if got := s.client.bytes(len("9\r\n\r\n") + len(event)); !strings.Contains(got, event) {
			s.Errorf("got %q, want %q", got, event)
		}
	}
	f.say("0\r\n\r\n")
	if got := s.client.bytes(5); got != "0\r\n\r\n" {
		s.Errorf("ended with %q", got)
	}
	s.again(f)
}

func fullDuplex(s *stage) {
	s.client.say("POST /function/f HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n")
	f := s.function()
	f.head()
	f.say("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
	// What a client sends too late could not be told from its next request.
	s.has(s.client.head(), "Connection: close\r\n")
	for range 3 {
		s.client.say("4\r\nping\r\n")
		if got := f.bytes(9); got != "4\r\nping\r\n" {
			s.Errorf("the function got %q", got)
		}
		f.say("4\r\npong\r\n")
		if got := s.client.bytes(9); got != "4\r\npong\r\n" {
			s.Errorf("the client got %q", got)
		}
	}
	s.client.say("0\r\n\r\n")
	f.bytes(5)
	f.say("0\r\n\r\n")
	s.client.bytes(5)
	if rest := s.client.rest(); rest != "" {
		s.Errorf("then came %q", rest)
	}
}

func slowReader(s *stage) {
	s.handler.StallTimeout = 100 * time.Millisecond
	f := s.get()
	f.say("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
	s.client.head()
	chunk := fmt.Sprintf("10000\r\n%s\r\n", strings.Repeat("x", 1<<16))
	for {
		if _, err := io.WriteString(f.Conn, chunk); err != nil {
			break
		}
	}
	if code := <-s.seen.finished; code != 499 {
		s.Errorf("observed %d", code)
	}
}

func slowUpload(s *stage) {
	s.handler.Timeout = 100 * time.Millisecond
	s.client.say("POST /function/f HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\nbegin")
	s.has(s.client.head(), "HTTP/1.1 408 ", "Connection: close\r\n")
	s.client.rest()
	s.function().rest()
}

func slowHead(s *stage) {
	s.handler.Timeout = 100 * time.Millisecond
	f := s.get()
	f.say("HTTP/1.1 200 OK\r\nX-A: ")
	s.has(s.client.head(), "HTTP/1.1 504 ")
	f.rest()
}

func headInParts(s *stage) {
	f := s.get()
	f.say("HTTP/1.1 200 OK\r\nX-A: ")
	<-time.After(2 * upstream.WatchAfter)
	f.say("1\r\nContent-Length: 0\r\n\r\n")
	s.has(s.client.head(), "HTTP/1.1 200 OK\r\n", "X-A: 1\r\n")
	s.again(f)
}
