package front

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestContext_EndsWithTheClient(t *testing.T) {
	t.Parallel()
	for _, ask := range []string{get, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello"} {
		ended, waiting := make(chan error, 1), make(chan struct{})
		_, address := start(t, func(_ http.ResponseWriter, r *http.Request) {
			_, _ = io.Copy(io.Discard, r.Body)
			bound, cancel := context.WithTimeout(r.Context(), time.Minute)
			defer cancel()
			close(waiting)
			<-bound.Done()
			ended <- errors.Join(r.Context().Err(), bound.Err())
		})
		c := dial(t, address)
		c.say("%s", ask)
		receive(t, waiting, "the handler")
		c.TCPConn.Close()
		if err := receive(t, ended, "the end of the context"); !errors.Is(err, context.Canceled) {
			t.Errorf("ended with %v", err)
		}
	}
}

func TestContext_EndsWithTheBody(t *testing.T) {
	t.Parallel()
	ended := make(chan error, 1)
	_, address := start(t, func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		ended <- r.Context().Err()
	})
	c := dial(t, address)
	c.say("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhe")
	c.TCPConn.Close()
	if err := receive(t, ended, "the end of the body"); !errors.Is(err, context.Canceled) {
		t.Errorf("ended with %v", err)
	}
}

func TestContext_EndsWithTheAnswer(t *testing.T) {
	t.Parallel()
	contexts := make(chan context.Context, 1)
	_, address := start(t, func(_ http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Watch") != "" {
			_ = r.Context().Done()
		}
		contexts <- r.Context()
	})
	c := dial(t, address)
	for _, watch := range []string{"", "Watch: 1\r\n"} {
		// The next request may arrive while the one before is watched.
		c.say("GET / HTTP/1.1\r\nHost: x\r\n%s\r\n", watch)
		c.answer("GET")
		ctx := <-contexts
		receive(t, ctx.Done(), "the end of the context")
		if ctx.Err() == nil || ctx.Value(http.LocalAddrContextKey) == nil {
			t.Errorf("%v, %v", ctx.Err(), ctx.Value(http.LocalAddrContextKey))
		}
	}
}

func TestContext_LeavesThePipelinedRequestAlone(t *testing.T) {
	t.Parallel()
	_, address := start(t, func(w http.ResponseWriter, r *http.Request) {
		select {
		case <-r.Context().Done():
			t.Error("the client is still there")
		case <-time.After(20 * time.Millisecond):
		}
	})
	c := dial(t, address)
	c.say(get + get + get)
	for range 3 {
		c.answer("GET")
	}
}

func TestServer_ClosesWhatIsIdleForTooLong(t *testing.T) {
	t.Parallel()
	_, address := start(t, func(http.ResponseWriter, *http.Request) {}, func(s *http.Server) {
		s.ReadHeaderTimeout, s.IdleTimeout = 200*time.Millisecond, 200*time.Millisecond
	})
	for name, first := range map[string]string{"never used": "", "used": get, "half a head": "GET / HT"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := dial(t, address)
			c.say("%s", first)
			if first == get {
				c.answer("GET")
			}
			if rest := c.rest(); rest != "" {
				t.Errorf("got %q", rest)
			}
		})
	}
}

func TestServer_KeepsABusyConnectionBeyondTheIdleTimeout(t *testing.T) {
	t.Parallel()
	_, address := start(t, func(http.ResponseWriter, *http.Request) { time.Sleep(2500 * time.Millisecond) }, func(s *http.Server) {
		s.ReadHeaderTimeout, s.IdleTimeout = 100*time.Millisecond, 100*time.Millisecond
	})
	c := dial(t, address)
	c.say(get)
	c.answer("GET")
}

func TestShutdown_LetsRequestsEnd(t *testing.T) {
	t.Parallel()
	began, goOn := make(chan struct{}), make(chan struct{})
	s, address := start(t, func(w http.ResponseWriter, _ *http.Request) {
		began <- struct{}{}
		<-goOn
		_, _ = io.WriteString(w, "late")
	})
	idle, busy := dial(t, address), dial(t, address)
	busy.say(get)
	receive(t, began, "the handler")
	ended := make(chan error, 1)
	go func() { ended <- s.Shutdown(t.Context()) }()
	if rest := idle.rest(); rest != "" {
		t.Errorf("the idle connection got %q", rest)
	}
	if _, err := net.Dial("tcp", address); err == nil {
		t.Error("a new connection is accepted")
	}
	select {
	case err := <-ended:
		t.Fatalf("shut down with a request under way: %v", err)
	default:
	}
	close(goOn)
	if answer, body := busy.answer("GET"); body != "late" || !answer.Close {
		t.Errorf("%q, close %t", body, answer.Close)
	}
	if err := receive(t, ended, "the shutdown"); err != nil {
		t.Error(err)
	}
}

func TestShutdown_GivesUpWhenTold(t *testing.T) {
	t.Parallel()
	began := make(chan struct{})
	s, address := start(t, func(_ http.ResponseWriter, r *http.Request) {
		close(began)
		<-r.Context().Done()
	})
	c := dial(t, address)
	c.say(get)
	receive(t, began, "the handler")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := s.Shutdown(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	if rest := c.rest(); strings.Contains(rest, "200 OK") {
		t.Errorf("got %q", rest)
	}
}

func TestClose_BeforeServe(t *testing.T) {
	t.Parallel()
	s := &Server{HTTP: fullServer(t, nil)}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
		t.Errorf("got %v", err)
	}
}

// brokenListener cannot accept: at first for a while, then for ever.
type brokenListener struct {
	net.Listener
	calls atomic.Int32
}

type passing struct{ error }

func (passing) Temporary() bool { return true }

func (passing) Timeout() bool { return false }

func (l *brokenListener) Accept() (net.Conn, error) {
	if l.calls.Add(1) < 3 {
		return nil, passing{errors.New("too many open files")}
	}
	return nil, errors.New("broken")
}

func TestServe_EndsWithItsListener(t *testing.T) {
	t.Parallel()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	broken := &brokenListener{Listener: listener}
	s := &Server{HTTP: fullServer(t, nil)}
	if err := s.Serve(broken); err == nil || err.Error() != "broken" || broken.calls.Load() != 3 {
		t.Errorf("got %v after %d calls", err, broken.calls.Load())
	}
}

func TestServer_SpeaksHTTP2(t *testing.T) {
	t.Parallel()
	_, address := start(t, func(w http.ResponseWriter, r *http.Request) { _, _ = io.WriteString(w, r.Proto) })
	var only http.Protocols
	only.SetUnencryptedHTTP2(true)
	transport := &http.Transport{Protocols: &only}
	defer transport.CloseIdleConnections()
	answer, err := (&http.Client{Transport: transport}).Get("http://" + address)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	if body, err := io.ReadAll(answer.Body); err != nil || string(body) != "HTTP/2.0" {
		t.Errorf("%q, %v", body, err)
	}
}

func TestServer_HandsOverUpgrades(t *testing.T) {
	t.Parallel()
	_, address := start(t, func(w http.ResponseWriter, _ *http.Request) {
		conn, buffered, err := http.NewResponseController(w).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		defer conn.Close()
		_, _ = io.WriteString(conn, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n")
		ahead, _ := buffered.Peek(buffered.Reader.Buffered())
		_, _ = conn.Write(ahead)
		_, _ = io.Copy(conn, conn)
	})
	c := dial(t, address)
	c.say("GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\nearly ")
	if answer, err := http.ReadResponse(c.Reader, nil); err != nil || answer.StatusCode != 101 {
		t.Fatalf("%v, %v", answer, err)
	}
	c.say("late")
	_ = c.CloseWrite()
	if rest := c.rest(); rest != "early late" {
		t.Errorf("got %q", rest)
	}
}

func TestServer_ClosesTheConnectionOfAHandlerThatEndsItsGoroutine(t *testing.T) {
	t.Parallel()
	s, address := start(t, func(http.ResponseWriter, *http.Request) { runtime.Goexit() })
	c := dial(t, address)
	c.say(get)
	if rest := c.rest(); rest != "" {
		t.Errorf("got %q", rest)
	}
	if err := s.Shutdown(t.Context()); err != nil {
		t.Error(err)
	}
}

// TestServer_KeepsADeadlineThatComesTooLateFromTheNextRequest: a timer of one that has been
// answered, which was about to cut that off, reaches nothing any more.
func TestServer_KeepsADeadlineThatComesTooLateFromTheNextRequest(t *testing.T) {
	t.Parallel()
	answered := make(chan http.ResponseWriter, 1)
	_, address := start(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/first" {
			answered <- w
			return
		}
		late := http.NewResponseController(<-answered) // it was sent before the client had its answer
		for name, err := range map[string]error{"write": late.SetWriteDeadline(time.Unix(1, 0)), "read": late.SetReadDeadline(time.Unix(1, 0))} {
			if err == nil {
				t.Errorf("a %s deadline was set for an answer that is over", name)
			}
		}
		_, _ = io.WriteString(w, "ok")
	})
	c := dial(t, address)
	c.say("GET /first HTTP/1.1\r\nHost: x\r\n\r\n")
	c.answer("GET")
	for range 2 {
		c.say("GET /second HTTP/1.1\r\nHost: x\r\n\r\n")
		if answer, body := c.answer("GET"); answer.StatusCode != http.StatusOK || body != "ok" {
			t.Fatalf("the next answer: %s %q", answer.Status, body)
		}
		c.say("GET /first HTTP/1.1\r\nHost: x\r\n\r\n")
		c.answer("GET")
	}
}
