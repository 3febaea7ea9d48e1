package proxy

import (
	"bufio"
	"bytes"
	"context"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"faas-docker/function"
	"faas-docker/policy"
)

const (
	askUpgrade = "GET /function/f HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n"
	upgraded   = "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n"
)

// tunnelled upgrades the stage's connection and returns the function's end.
func (s *stage) tunnelled() *peerConn {
	s.Helper()
	s.client.say(askUpgrade)
	f := s.function()
	f.head()
	f.say(upgraded)
	s.client.head()
	return f
}

// chatter writes to a connection until it ends.
func chatter(conn net.Conn) {
	for {
		if _, err := conn.Write([]byte("x")); err != nil {
			return
		}
		time.Sleep(time.Millisecond)
	}
}

// TestTunnel_TimeEndsIt bounds upgraded connections in each way that a call can be bounded.
func TestTunnel_TimeEndsIt(t *testing.T) {
	t.Parallel()
	timeout := func(s *stage) {
		s.handler.Policy = func(function.Name) function.CallPolicy { return function.CallPolicy{Timeout: 3 * testPatience} }
	}
	around := func(bound func(context.Context) (context.Context, context.CancelFunc)) func(*stage) {
		return func(s *stage) {
			inner := s.handler
			s.address = serveFront(s.T, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				ctx, cancel := bound(r.Context())
				defer cancel()
				inner.ServeHTTP(w, r.WithContext(ctx))
			}))
			s.client = s.dial()
		}
	}
	deadline := around(func(ctx context.Context) (context.Context, context.CancelFunc) {
		return context.WithTimeout(ctx, 3*testPatience)
	})
	cancel := around(func(ctx context.Context) (context.Context, context.CancelFunc) {
		ctx, cancel := context.WithCancel(ctx)
		time.AfterFunc(3*testPatience, cancel)
		return ctx, cancel
	})
	policed := func(s *stage) {
		timeout(s)
		s.handler.CallPolicy = func(function.Name, *http.Request) policy.Policy {
			return policy.Func(func(ctx context.Context, r *policy.Request, next policy.Sender) (policy.Answer, error) {
				return next(ctx, r)
			})
		}
	}
	silent := func(client, function *peerConn) {}
	for name, row := range map[string]struct {
		bound func(*stage)
		act   func(client, function *peerConn)
	}{
		"call.timeout, silent":                {timeout, silent},
		"call.timeout, client speaks":         {timeout, func(client, _ *peerConn) { go chatter(client) }},
		"call.timeout, function speaks":       {timeout, func(_, function *peerConn) { go chatter(function) }},
		"call.timeout, both speak":            {timeout, func(client, function *peerConn) { go chatter(client); go chatter(function) }},
		"call.timeout, client has ended":      {timeout, func(client, _ *peerConn) { client.Conn.(*net.TCPConn).CloseWrite() }},
		"call.timeout, function has ended":    {timeout, func(_, function *peerConn) { function.Conn.(*net.TCPConn).CloseWrite() }},
		"call.timeout, through a policy":      {policed, silent},
		"deadline of the request":             {deadline, silent},
		"deadline of the request, both speak": {deadline, func(client, function *peerConn) { go chatter(client); go chatter(function) }},
		"request cancelled":                   {cancel, silent},
		"request cancelled, client speaks":    {cancel, func(client, _ *peerConn) { go chatter(client) }},
		"request cancelled, function speaks":  {cancel, func(_, function *peerConn) { go chatter(function) }},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newStage(t)
			row.bound(s)
			f := s.tunnelled()
			row.act(s.client, f)
			s.client.rest()
			f.rest()
			s.hasNoTunnels()
		})
	}
}

// hasNoTunnels waits until none is left.
func (s *stage) hasNoTunnels() {
	s.Helper()
	ctx, cancel := context.WithTimeout(s.Context(), 10*time.Second)
	defer cancel()
	select {
	case <-s.handler.tunnels.drain():
	case <-ctx.Done():
		s.Error("tunnels are left")
	}
}

// TestTunnel_HalfClosedHasBoundedTime ends one side, and has the other not notice.
func TestTunnel_HalfClosedHasBoundedTime(t *testing.T) {
	t.Parallel()
	end := func(p *peerConn) { p.Conn.(*net.TCPConn).CloseWrite() }
	for name, act := range map[string]func(s *stage, f *peerConn){
		"client ended, function ignores it": func(s *stage, f *peerConn) { end(s.client); s.client.rest(); f.rest() },
		"function ended, client ignores it": func(s *stage, f *peerConn) { end(f); s.client.rest(); f.rest() },
		"client is gone":                    func(s *stage, f *peerConn) { s.client.Close(); f.rest() },
		"function is gone":                  func(s *stage, f *peerConn) { f.Close(); s.client.rest() },
		"last words": func(s *stage, f *peerConn) {
			s.client.say("last")
			end(s.client)
			s.arrives(f, "last")
			s.client.rest()
		},
		"function speaks on": func(s *stage, f *peerConn) {
			end(s.client)
			for range 8 {
				time.Sleep(testSilence / 4)
				f.say("ping")
				if got := s.client.bytes(4); got != "ping" {
					s.Errorf("the client got %q", got)
				}
			}
			s.client.rest()
		},
		"client speaks on": func(s *stage, f *peerConn) {
			end(f)
			for range 8 {
				time.Sleep(testSilence / 4)
				s.client.say("ping")
				if got := f.bytes(4); got != "ping" {
					s.Errorf("the function got %q", got)
				}
			}
			f.rest()
		},
		"client ended and reads nothing": func(s *stage, f *peerConn) {
			end(s.client)
			piece := bytes.Repeat([]byte("x"), 1<<20)
			for {
				if _, err := f.Conn.Write(piece); err != nil {
					return
				}
			}
		},
		"function ended and reads nothing": func(s *stage, f *peerConn) {
			end(f)
			piece := bytes.Repeat([]byte("x"), 1<<20)
			for {
				if _, err := s.client.Conn.Write(piece); err != nil {
					return
				}
			}
		},
		"a long answer after the client's end": func(s *stage, f *peerConn) {
			end(s.client)
			long := strings.Repeat("x", 8<<20)
			go func() { io.WriteString(f.Conn, long); f.Close() }()
			if got := s.client.rest(); got != long {
				s.Errorf("got %d bytes", len(got))
			}
		},
		"both end": func(s *stage, f *peerConn) { end(s.client); f.rest(); end(f); s.client.rest() },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newStage(t)
			s.handler.StallTimeout = testSilence
			f := s.tunnelled()
			s.client.SetDeadline(time.Now().Add(20 * time.Second))
			f.SetDeadline(time.Now().Add(20 * time.Second))
			act(s, f)
			s.hasNoTunnels()
		})
	}
}

func (s *stage) arrives(at *peerConn, want string) {
	s.Helper()
	if got := at.bytes(len(want)); got != want {
		s.Errorf("%q arrived, want %q", got, want)
	}
}

// A crowd of clients that leave does not stay, though the function ignores that.
func TestTunnel_ACrowdThatLeftDoesNotStay(t *testing.T) {
	t.Parallel()
	h := newHandler(t)
	h.StallTimeout = testSilence
	release := make(chan struct{})
	defer close(release)
	deploy(t, h, "f", rawFunction(t, func(conn net.Conn) {
		if _, err := http.ReadRequest(bufio.NewReader(conn)); err != nil {
			return
		}
		io.WriteString(conn, upgraded)
		<-release
	}))
	address := serveFront(t, h)
	const crowd = 200
	for range crowd {
		conn, err := net.Dial("tcp", address)
		if err != nil {
			t.Fatal(err)
		}
		io.WriteString(conn, askUpgrade)
		if _, err := bufio.NewReader(conn).ReadString('\n'); err != nil {
			t.Fatal(err)
		}
		conn.(*net.TCPConn).CloseWrite()
		defer conn.Close()
	}
	select {
	case <-h.tunnels.drain():
	case <-time.After(15 * time.Second):
		t.Error("tunnels are left")
	}
}
