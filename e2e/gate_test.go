package e2e

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// gate stands between a provider and the engine. It can be closed, so that to the
// provider the engine is down, and it can be told to do something just before or
// just after the engine changes something.
type gate struct {
	path    string
	forward http.Handler

	// mu protects the fields below.
	mu     sync.Mutex
	server *http.Server
	trap   *trap
	last   time.Time // when the last change was asked for
}

// trap springs at the n-th call that changes something, before the engine hears
// of it or after it has obeyed.
type trap struct {
	at    int
	after bool
	act   func()
	call  string        // the one it sprang at
	done  chan struct{} // closed when it has sprung
}

func openGate(t testing.TB) *gate {
	t.Helper()
	folder, err := os.MkdirTemp("", "gate-") // short: a socket's path is at most 107 bytes
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(folder) })
	forward := httputil.NewSingleHostReverseProxy(&url.URL{Scheme: "http", Host: "docker"})
	forward.FlushInterval = -1 // events are to arrive when they happen
	forward.Transport = &http.Transport{DialContext: dialEngine}
	forward.ErrorHandler = func(http.ResponseWriter, *http.Request, error) { panic(http.ErrAbortHandler) }
	g := &gate{path: filepath.Join(folder, "docker.sock"), forward: forward}
	g.open(t)
	t.Cleanup(g.close)
	return g
}

// dialEngine connects to the engine that the tests use.
func dialEngine(ctx context.Context, _, _ string) (net.Conn, error) {
	network, address, found := strings.Cut(os.Getenv("DOCKER_HOST"), "://")
	if !found {
		network, address = "unix", "/var/run/docker.sock"
	}
	return new(net.Dialer).DialContext(ctx, network, address)
}

// environment has a provider use the engine through the gate.
func (g *gate) environment() string { return "DOCKER_HOST=unix://" + g.path }

// open lets calls through again.
func (g *gate) open(t testing.TB) {
	t.Helper()
	listener, err := net.Listen("unix", g.path)
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{Handler: http.HandlerFunc(g.pass)}
	g.mu.Lock()
	g.server = server
	g.mu.Unlock()
	go func() { _ = server.Serve(listener) }()
}

// close cuts every connection, and nobody is there for new ones.
func (g *gate) close() {
	g.mu.Lock()
	defer g.mu.Unlock()
	_ = g.server.Close()
}

// set arms a trap; the one before is forgotten.
func (g *gate) set(at int, after bool, act func()) *trap {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.trap = &trap{at: at, after: after, act: act, done: make(chan struct{})}
	return g.trap
}

// disarm takes the trap away, and reports whether it has sprung.
func (g *gate) disarm() (sprung bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	sprung = g.trap.at <= 0
	g.trap = nil
	return sprung
}

// quietFor says for how long nobody has asked for a change.
func (g *gate) quietFor() time.Duration {
	g.mu.Lock()
	defer g.mu.Unlock()
	return time.Since(g.last)
}

func (g *gate) pass(w http.ResponseWriter, r *http.Request) {
	if r.Method == http.MethodGet || r.Method == http.MethodHead {
		g.forward.ServeHTTP(w, r)
		return
	}
	sprung := g.count(r)
	if sprung == nil {
		g.forward.ServeHTTP(w, r)
		return
	}
	if sprung.after {
		// The engine obeys, and nobody learns what it answered.
		g.forward.ServeHTTP(&deafWriter{header: http.Header{}}, r.WithContext(context.WithoutCancel(r.Context())))
	}
	sprung.act()
	close(sprung.done)
	panic(http.ErrAbortHandler)
}

// count returns the trap if it springs now.
func (g *gate) count(r *http.Request) *trap {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.last = time.Now()
	if g.trap == nil {
		return nil
	}
	if g.trap.at--; g.trap.at != 0 {
		return nil
	}
	g.trap.call = fmt.Sprintf("%s %s", r.Method, r.URL.Path)
	return g.trap
}

// deafWriter is where answers go that nobody is to read.
type deafWriter struct{ header http.Header }

func (w *deafWriter) Header() http.Header         { return w.header }
func (w *deafWriter) Write(b []byte) (int, error) { return len(b), nil }
func (w *deafWriter) WriteHeader(int)             {}

// An engine that is gone must look like one to the provider.
func TestGate_ClosedIsAnEngineThatDoesNotAnswer(t *testing.T) {
	t.Parallel()
	g := openGate(t)
	calls := &http.Client{Transport: &http.Transport{DisableKeepAlives: true, DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", g.path)
	}}}
	ping := func() error {
		answer, err := calls.Get("http://docker/_ping")
		if err != nil {
			return err
		}
		return errors.Join(answer.Body.Close(), statusError(answer.StatusCode))
	}
	if err := ping(); err != nil {
		t.Errorf("open: %v", err)
	}
	g.close()
	if err := ping(); err == nil {
		t.Error("closed: it answers")
	}
	g.open(t)
	if err := ping(); err != nil {
		t.Errorf("open again: %v", err)
	}
}

func statusError(code int) error {
	if code != http.StatusOK {
		return fmt.Errorf("status %d", code)
	}
	return nil
}
