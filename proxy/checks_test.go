package proxy

import (
	"io"
	"strings"
)

// refused expects an answer to what was sent with one of the codes, that the
// connection ends and that the function sees nothing.
func refused(send string, codes ...string) func(*stage) {
	return func(s *stage) {
		go io.WriteString(s.client.Conn, send)
		line, _ := s.client.ReadString('\n')
		ok := false
		for _, code := range codes {
			ok = ok || strings.HasPrefix(line, "HTTP/1.1 "+code+" ")
		}
		if !ok {
			s.Errorf("answered %q, want %v", line, codes)
		}
		s.client.rest()
		s.untouched()
	}
}

// forwards sends a request and checks what of it the function sees.
func forwards(send string, has, hasNot []string) func(*stage) {
	return func(s *stage) {
		s.client.say("%s", send)
		f := s.function()
		head := f.head()
		s.has(head, has...)
		s.hasNot(head, hasNot...)
		f.say("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
		s.has(s.client.head(), "HTTP/1.1 200 OK\r\n", "Content-Length: 2\r\n")
		if body := s.client.bytes(2); body != "ok" {
			s.Errorf("body %q", body)
		}
	}
}

// isBadGateway lets the function answer with bytes that must not be passed on.
func isBadGateway(answer string) func(*stage) {
	return func(s *stage) {
		f := s.get()
		io.WriteString(f.Conn, answer)
		head := s.client.head()
		s.has(head, "HTTP/1.1 502 ", "X-Openfaas-Internal: proxy\r\n")
		if code := <-s.seen.finished; code != 502 {
			s.Errorf("observed %d", code)
		}
		if rest := f.rest(); rest != "" {
			s.Errorf("the connection was used again: %q", rest)
		}
	}
}

// isCut lets the function begin an answer and break it off: the client must not
// see a clean end. What breaks it off is the end of the connection, or bytes.
func isCut(answer, arrives string, breaks ...string) func(*stage) {
	return func(s *stage) {
		f := s.get()
		f.say("%s", answer)
		s.client.head()
		if got := s.client.bytes(len(arrives)); got != arrives {
			s.Errorf("got %q, want %q", got, arrives)
		}
		for _, bytes := range breaks {
			f.say("%s", bytes)
		}
		if len(breaks) == 0 {
			f.Close()
		}
		if rest := s.client.rest(); rest != "" {
			s.Errorf("after the function died came %q", rest)
		}
		if code := <-s.seen.finished; code != 502 {
			s.Errorf("observed %d, want 502", code)
		}
	}
}

// answers lets the function answer and checks what of it the client sees; the
// connections on both sides must serve another request after it.
func answers(request, answer string, has, hasNot []string, body string) func(*stage) {
	return func(s *stage) {
		s.client.say("%s", request)
		f := s.function()
		f.head()
		f.say("%s", answer)
		head := s.client.head()
		s.has(head, has...)
		s.hasNot(head, hasNot...)
		if got := s.client.bytes(len(body)); got != body {
			s.Errorf("body %q, want %q", got, body)
		}
		s.again(f)
	}
}

// again checks that client and function are still connected.
func (s *stage) again(f *peerConn) {
	s.Helper()
	<-s.seen.finished
	s.client.say("GET /function/f/again HTTP/1.1\r\nHost: x\r\n\r\n")
	s.has(f.head(), "GET /again HTTP/1.1\r\n")
	f.say("HTTP/1.1 204 No Content\r\n\r\n")
	s.has(s.client.head(), "HTTP/1.1 204 No Content\r\n")
}

func none() []string { return nil }

// sendsBody checks how a body reaches the function.
func sendsBody(send, field, body string) func(*stage) {
	return func(s *stage) {
		s.client.say("%s", send)
		f := s.function()
		s.has(f.head(), field)
		if got := f.bytes(len(body)); got != body {
			s.Errorf("the function read %q, want %q", got, body)
		}
		f.say("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
		s.has(s.client.head(), "HTTP/1.1 200 OK\r\n")
		s.client.bytes(2)
		s.again(f)
	}
}

// badBody expects 400, not 502, and the end of both connections.
func badBody(body string) func(*stage) {
	return func(s *stage) {
		s.client.say("POST /function/f HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n%s", body)
		s.has(s.client.head(), "HTTP/1.1 400 ", "Connection: close\r\n")
		s.hasNot(s.client.rest(), "HTTP/1.1")
		f := s.function()
		s.hasNot(f.rest(), "\r\n0\r\n\r\n")
	}
}
