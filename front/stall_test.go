package front

import (
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"
)

// hasty serves a handler, for clients that read.
func hasty(t *testing.T, handler http.HandlerFunc) string {
	t.Helper()
	s := &Server{HTTP: fullServer(t, handler), StallTimeout: 200 * time.Millisecond}
	return serve(t, s.Serve, s.Close)
}

// Each answer is short; unread ones fill the way to the client.
func TestStall_AClientThatAsksAndDoesNotReadIsCut(t *testing.T) {
	t.Parallel()
	answer := strings.Repeat("x", 3900)
	address := hasty(t, func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, answer) })
	c := dial(t, address)
	for {
		_, err := io.WriteString(c.TCPConn, strings.Repeat(get, 100))
		if errors.Is(err, os.ErrDeadlineExceeded) {
			t.Fatal("the connection stays open")
		}
		if err != nil {
			return
		}
	}
}

func TestStall_AHandlerLearnsOfIt(t *testing.T) {
	t.Parallel()
	failed := make(chan error, 1)
	address := hasty(t, func(w http.ResponseWriter, r *http.Request) {
		_, err := w.Write(make([]byte, 64<<20))
		<-r.Context().Done()
		failed <- err
	})
	dial(t, address).say(get)
	if err := receive(t, failed, "the end of the write"); err == nil {
		t.Error("all of it was written")
	}
}

func TestStall_AClientThatDoesNotReadIsCutDuringAShutdown(t *testing.T) {
	t.Parallel()
	began, goOn, failed := make(chan struct{}), make(chan struct{}), make(chan error, 1)
	s := &Server{StallTimeout: 200 * time.Millisecond, HTTP: fullServer(t, func(w http.ResponseWriter, _ *http.Request) {
		close(began)
		<-goOn
		_, err := w.Write(make([]byte, 64<<20))
		failed <- err
	})}
	served := make(chan error, 1)
	address := serve(t, func(listener net.Listener) error {
		served <- s.Serve(listener)
		return nil
	}, s.Close)
	dial(t, address).say(get)
	receive(t, began, "the handler")
	ended := make(chan error, 1)
	go func() { ended <- s.Shutdown(t.Context()) }()
	receive(t, served, "the end of Serve")
	close(goOn)
	if err := receive(t, failed, "the end of the write"); err == nil {
		t.Error("all of it was written")
	}
	if err := receive(t, ended, "the shutdown"); err != nil {
		t.Error(err)
	}
}

// An answer may take as long as it likes, as long as its pieces do not.
func TestStall_IsOneWriteThatLasts(t *testing.T) {
	t.Parallel()
	var s stall
	now := time.Hour
	look := func(begin, end int, want bool) {
		t.Helper()
		s.count.Add(uint32(begin + end))
		now += 3 * time.Second
		if got := s.lasts(now, 3*time.Second); got != want {
			t.Errorf("after %s: %t", now, got)
		}
	}
	look(0, 0, false)
	look(1, 0, false) // found to be under way
	look(1, 1, false) // another one is
	look(0, 0, true)
	look(0, 1, false) // it has ended after all
	look(0, 0, false)
}
