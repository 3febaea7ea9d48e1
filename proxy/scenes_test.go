package proxy

import (
	"io"
	"net"
	"strings"
	"time"

	"faas-docker/proxy/upstream"
)

func pipelined(s *stage) {
	s.client.say("POST /function/f/1 HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n\r\naGET /function/f/2 HTTP/1.1\r\nHost: x\r\n\r\n")
	f := s.function()
	for _, path := range []string{"/1", "/2"} {
		s.has(f.head(), " "+path+" HTTP/1.1\r\n")
		if path == "/1" {
			f.bytes(1)
		}
		f.say("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n%s", path)
		s.client.head()
		if got := s.client.bytes(2); got != path {
			s.Errorf("answer %q, want %q", got, path)
		}
	}
}

func lengthAndChunked(s *stage) {
	s.client.say("POST /function/f/1 HTTP/1.1\r\nHost: x\r\nContent-Length: 60\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET /function/f/2 HTTP/1.1\r\nHost: x\r\n\r\n")
	f := s.function()
	first := f.head()
	s.has(first, "POST /1 HTTP/1.1\r\n", "Transfer-Encoding: chunked\r\n")
	s.hasNot(first, "Content-Length")
	if got := f.bytes(5); got != "0\r\n\r\n" {
		s.Errorf("the function read %q", got)
	}
	f.say("HTTP/1.1 204 No Content\r\n\r\n")
	s.has(s.client.head(), " 204 ")
	s.has(f.head(), "GET /2 HTTP/1.1\r\n")
	f.say("HTTP/1.1 204 No Content\r\n\r\n")
	s.has(s.client.head(), " 204 ")
}

func endlessInterim(s *stage) {
	f := s.get()
	go io.WriteString(f.Conn, strings.Repeat("HTTP/1.1 102 Processing\r\n\r\n", 1000))
	for range upstream.MaxInformational {
		s.has(s.client.head(), " 102 ")
	}
	s.has(s.client.head(), "HTTP/1.1 502 ")
}

func earlyHints(s *stage) {
	f := s.get()
	f.say("HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n")
	hints := s.client.head()
	s.has(hints, "HTTP/1.1 103 Early Hints\r\n", "Link: </a>\r\n")
	s.hasNot(hints, "X-Call-Id")
	f.say("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
	final := s.client.head()
	s.has(final, "HTTP/1.1 200 OK\r\n", "X-Call-Id: ")
	s.hasNot(final, "Link")
	s.again(f)
}

func earlyHintsHTTP10(s *stage) {
	s.client.say("GET /function/f HTTP/1.0\r\nHost: x\r\n\r\n")
	f := s.function()
	f.head()
	f.say("HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
	s.has(s.client.head(), " 200 OK\r\n")
}

const expectF = "POST /function/f HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n"

func expectRefused(s *stage) {
	s.client.say(expectF)
	f := s.function()
	s.has(f.head(), "Expect: 100-continue\r\n", "Content-Length: 5\r\n")
	f.say("HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\r\n")
	s.has(s.client.head(), "HTTP/1.1 401 ")
	s.hasNot(s.client.rest(), "100")
	if sent := f.rest(); sent != "" {
		s.Errorf("the function was sent %q", sent)
	}
}

func expectAsked(s *stage) {
	s.client.say(expectF)
	f := s.function()
	f.head()
	f.say("HTTP/1.1 100 Continue\r\n\r\n")
	s.has(s.client.head(), "HTTP/1.1 100 Continue\r\n")
	s.client.say("hello")
	if got := f.bytes(5); got != "hello" {
		s.Errorf("body %q", got)
	}
	f.say("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
	s.has(s.client.head(), "HTTP/1.1 200 OK\r\n")
	s.again(f)
}

func expectIgnored(s *stage) {
	s.client.say(expectF)
	f := s.function()
	f.head()
	s.has(s.client.head(), "HTTP/1.1 100 Continue\r\n")
	s.client.say("hello")
	f.bytes(5)
	f.say("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
	s.has(s.client.head(), "HTTP/1.1 200 OK\r\n")
}

func earlyRefusal(s *stage) {
	s.client.say("POST /function/f HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\nbegin")
	f := s.function()
	f.head()
	f.bytes(5)
	f.say("HTTP/1.1 413 Too Large\r\nContent-Length: 3\r\n\r\nbig")
	began := time.Now()
	s.has(s.client.head(), "HTTP/1.1 413 ", "Connection: close\r\n")
	if body := s.client.bytes(3); body != "big" || time.Since(began) > time.Second/2 {
		s.Errorf("got %q after %s", body, time.Since(began))
	}
	s.client.rest()
	f.rest()
}

func upgrade(s *stage) {
	s.client.say("GET /function/f/ws HTTP/1.1\r\nHost: x\r\nConnection: keep-alive, Upgrade\r\nUpgrade: WebSocket\r\n\r\nfrom client")
	f := s.function()
	s.has(f.head(), "Connection: Upgrade\r\n", "Upgrade: WebSocket\r\n")
	f.say("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nX-A: 1\r\n\r\nfrom function")
	s.has(s.client.head(), "HTTP/1.1 101 Switching Protocols\r\n", "Connection: Upgrade\r\n", "Upgrade: websocket\r\n", "X-A: 1\r\n")
	if got := s.client.bytes(13); got != "from function" {
		s.Errorf("the client got %q", got)
	}
	if got := f.bytes(11); got != "from client" {
		s.Errorf("the function got %q", got)
	}
	s.client.say("bye")
	s.client.Conn.(*net.TCPConn).CloseWrite()
	if got := f.rest(); got != "bye" {
		s.Errorf("the function got %q to the end", got)
	}
	f.say("still here")
	f.Close()
	if got := s.client.rest(); got != "still here" {
		s.Errorf("after its own end the client got %q", got)
	}
	if code := <-s.seen.finished; code != 101 {
		s.Errorf("observed %d", code)
	}
}

func upgradeRequired(s *stage) {
	f := s.get()
	f.say("HTTP/1.1 426 Upgrade Required\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nContent-Length: 0\r\n\r\n")
	s.has(s.client.head(), "HTTP/1.1 426 ", "Connection: Upgrade\r\n", "Upgrade: websocket\r\n")
}

// ends checks that the function's connection ends. TestAbort measures how soon.
func (s *stage) ends(f *peerConn, code int) {
	s.Helper()
	f.rest()
	if got := <-s.seen.finished; got != code {
		s.Errorf("observed %d, want %d", got, code)
	}
}

func abortWaiting(s *stage) {
	f := s.get()
	s.client.Close()
	s.ends(f, 499)
}

func abortUploading(s *stage) {
	s.client.say("POST /function/f HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\nbegin")
	f := s.function()
	f.head()
	f.bytes(5)
	s.client.Conn.(*net.TCPConn).SetLinger(0)
	s.client.Close()
	s.ends(f, 499)
}

func abortDownloading(s *stage) {
	f := s.get()
	f.say("HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nbegin")
	s.client.head()
	s.client.bytes(5)
	s.client.Close()
	s.ends(f, 499)
}
