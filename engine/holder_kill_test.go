package engine_test

import (
	"context"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/docker/docker/client"

	"faas-docker/engine"
	"faas-docker/engine/enginetest"
	"faas-docker/function"
)

// wire leads to the engine until it is cut, right after the engine has done the
// last call that is let through: for the engine, the process at the other end was
// killed then.
type wire struct {
	*httptest.Server
	cut atomic.Bool
}

// newWire counts calls whose method and path have the two texts.
func newWire(t *testing.T, docker *client.Client, last lastCall) *wire {
	t.Helper()
	proxy := &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) {
			r.Out.URL.Scheme, r.Out.URL.Host = "http", "docker"
		},
		Transport: &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return docker.Dialer()(ctx)
		}, DisableKeepAlives: true},
	}
	w := &wire{}
	var seen atomic.Int32
	w.Server = httptest.NewServer(http.HandlerFunc(func(answer http.ResponseWriter, r *http.Request) {
		if w.cut.Load() {
			panic(http.ErrAbortHandler)
		}
		if last.matches(r) && seen.Add(1) == last.count {
			w.cut.Store(true)
			proxy.ServeHTTP(httptest.NewRecorder(), r)
			panic(http.ErrAbortHandler)
		}
		proxy.ServeHTTP(answer, r)
	}))
	t.Cleanup(w.Close)
	return w
}

// lastCall is the count-th call of a method to a path that ends, or begins after
// the version, as given.
type lastCall struct {
	method, path string
	count        int32
}

func (c lastCall) matches(r *http.Request) bool {
	return r.Method == c.method && strings.Contains(r.URL.Path, "/containers/") && strings.HasSuffix(r.URL.Path, c.path)
}

// A process that is killed between any two of its calls leaves what the next one
// puts right: replicas that run keep their holders, and everything else goes.
func TestHolders_LeakNothingWhenTheProcessIsKilled(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	cases := []struct {
		name string
		last lastCall
		// replicas and running are what the next process finds.
		replicas, running int
	}{
		{"a holder was created", lastCall{http.MethodPost, "/create", 1}, 0, 0},
		{"a holder was started", lastCall{http.MethodPost, "/start", 1}, 0, 0},
		{"a replica was created", lastCall{http.MethodPost, "/create", 2}, 1, 0},
		{"a replica was started", lastCall{http.MethodPost, "/start", 2}, 1, 1},
		{"a replica was removed", lastCall{http.MethodDelete, "", 1}, 0, 0},
		{"a holder was removed", lastCall{http.MethodDelete, "", 2}, 0, 0},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			w := newWire(t, s.docker, c.last)
			docker, err := client.NewClientWithOpts(client.WithHost("tcp://"+w.Listener.Addr().String()), client.WithAPIVersionNegotiation())
			if err != nil {
				t.Fatal(err)
			}
			killed := engine.NewThrough(engine.Config{Network: s.network}, docker)
			t.Cleanup(func() { _ = killed.Close() })
			liveAndRemove(t, killed, s.function("figlet"))
			if !w.cut.Load() {
				t.Fatal("the process was never killed")
			}
			next := enginetest.DockerOn(t, s.network)
			replicas, err := next.Replicas(t.Context(), function.Name{})
			if err != nil || len(replicas) != c.replicas || len(s.holders()) != c.replicas {
				t.Fatalf("got %+v, %v and the holders %+v, want %d of each", replicas, err, s.holders(), c.replicas)
			}
			running := 0
			for _, replica := range replicas {
				if replica.State == function.Running {
					running++
					s.awaitReady(replica)
				}
				if err := next.Remove(t.Context(), replica.ID); err != nil {
					t.Error(err)
				}
			}
			if running != c.running {
				t.Errorf("got %d running replicas, want %d", running, c.running)
			}
			if left := s.containers(""); len(left) != 0 {
				t.Errorf("got %+v, want nothing left", left)
			}
		})
	}
}

// liveAndRemove does what a process does with one replica, as far as it gets.
func liveAndRemove(t *testing.T, e *engine.Engine, f function.Function) {
	t.Helper()
	if _, err := e.ReadyHolder(t.Context()); err != nil {
		return
	}
	if replica, err := e.Start(t.Context(), f); err == nil {
		_ = e.Remove(t.Context(), replica.ID)
	}
}
