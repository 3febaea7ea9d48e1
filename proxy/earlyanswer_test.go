package proxy

import (
	"io"
	"net/http"
	"testing"

	"faas-docker/function"
)

// A function may answer before it was sent all of a request. What the client sends
// then is still the body of that request, never another one.
func TestEarlyAnswer_WhatFollowsIsNotARequest(t *testing.T) {
	t.Parallel()
	const smuggled = "GET /function/f/smuggled HTTP/1.1\r\nHost: x\r\n\r\n"
	for name, send := range map[string][2]string{
		"chunked": {"Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n", "2e\r\n" + smuggled + "\r\n0\r\n\r\n" + smuggled},
		"length":  {"Content-Length: 49\r\n\r\nabc", smuggled},
	} {
		t.Run(name, func(t *testing.T) {
			s := newStage(t)
			s.client.say("POST /function/f HTTP/1.1\r\nHost: x\r\n%s", send[0])
			f := s.function()
			f.head()
			f.say("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
			s.has(s.client.head(), "HTTP/1.1 200 OK\r\n", "Connection: close\r\n")
			s.client.bytes(2)
			s.client.Write([]byte(send[1]))
			if rest := s.client.rest(); rest != "" {
				s.Errorf("then came %q", rest)
			}
			s.hasNot(f.rest(), "smuggled")
			s.untouched()
		})
	}
}

func TestEarlyAnswer_OfAFunctionThatSpeaksHTTP2(t *testing.T) {
	t.Parallel()
	const smuggled = "GET /function/f/smuggled HTTP/1.1\r\nHost: x\r\n\r\n"
	s, paths := newStage(t), make(chan string, 10)
	s.handler.Policy = speaks(function.ProtocolH2C)
	deploy(t, s.handler, "g", serveBoth(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		paths <- r.URL.Path
		if r.URL.Path != "/early" {
			io.ReadAll(r.Body)
		}
		w.Header().Set("Content-Length", "2")
		w.Write([]byte("ok"))
	})))
	s.client.say("POST /function/g/early HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n")
	s.has(s.client.head(), "HTTP/1.1 200 OK\r\n", "Connection: close\r\n")
	s.client.bytes(2)
	s.client.Write([]byte("2e\r\n" + smuggled + "\r\n0\r\n\r\n"))
	if rest := s.client.rest(); rest != "" {
		s.Errorf("then came %q", rest)
	}
	if first := <-paths; first != "/early" || len(paths) > 0 {
		t.Errorf("the function saw %q and %d more", first, len(paths))
	}
	// A body that was read to its end costs nobody the connection.
	s.client = s.dial()
	for range 3 {
		s.client.say("POST /function/g HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc")
		s.has(s.client.head(), "HTTP/1.1 200 OK\r\n")
		s.client.bytes(2)
	}
}
