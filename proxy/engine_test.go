package proxy

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"faas-docker/function"
	"faas-docker/wire/wiretest"
)

func TestHandler_TriesAnotherReplicaWhenOneCannotBeReached(t *testing.T) {
	t.Parallel()
	h := newHandler(t)
	alive := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { io.Copy(w, r.Body) }))
	name := deploy(t, h, "figlet", wiretest.Vacant(t, "127.0.0.1").String(), alive)
	base := "http://" + serve(t, h) + "/function/figlet"
	for range 20 {
		if answer, body := fetch(t, "POST", base, strings.NewReader("hello")); answer.StatusCode != 200 || body != "hello" {
			t.Fatalf("got %d %q", answer.StatusCode, body)
		}
	}
	if load := h.Resolver.Load(name); load.InFlight != 0 {
		t.Errorf("%d invocations are still counted", load.InFlight)
	}
}

func TestHandler_TriesASuspectAgainWhenItIsAdmitted(t *testing.T) {
	t.Parallel()
	h := newHandler(t)
	h.RetryTimeout = 10 * time.Second
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	alive := listener.Addr().String()
	t.Cleanup(func() { listener.Close() })
	name := deploy(t, h, "figlet", wiretest.Vacant(t, "127.0.0.1").String())
	h.Resolver.Changed = func(n function.Name) {
		if h.Resolver.Load(n).Waiting > 0 {
			go func() {
				go http.Serve(listener, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "ok") }))
				deploy(t, h, "figlet", alive)
			}()
		}
	}
	answer, body := fetch(t, "GET", "http://"+serve(t, h)+"/function/figlet", nil)
	if answer.StatusCode != 200 || body != "ok" {
		t.Errorf("got %d %q", answer.StatusCode, body)
	}
	if load := h.Resolver.Load(name); load.InFlight != 0 {
		t.Errorf("%d invocations are still counted", load.InFlight)
	}
}

func TestHandler_KeepsCallsApart(t *testing.T) {
	h, base := figlet(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Echo", r.Header.Get("Nonce"))
		if r.URL.Query().Has("early") {
			w.WriteHeader(http.StatusConflict)
			return
		}
		http.NewResponseController(w).EnableFullDuplex()
		io.Copy(w, r.Body)
	})
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 8}}
	defer client.CloseIdleConnections()
	var callers sync.WaitGroup
	var answered atomic.Int32
	for caller := range 8 {
		callers.Go(func() {
			for i := range 150 {
				if callOnce(t, client, base, fmt.Sprintf("%d-%d", caller, i)) {
					answered.Add(1)
				}
			}
		})
	}
	callers.Wait()
	if answered.Load() < 600 {
		t.Errorf("only %d calls were answered", answered.Load())
	}
	waitFor(t, "no invocation in flight", func() bool {
		return h.Resolver.Load(function.ParseName("figlet", function.DefaultNamespace)).InFlight == 0
	})
}

// callOnce sends a body of its own and checks that it comes back. Some calls are
// given up in the middle, some are refused early; then it reports false.
func callOnce(t *testing.T, client *http.Client, base, nonce string) bool {
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	want := bytes.Repeat([]byte(nonce+";"), 1+rand.IntN(20000))
	var body io.Reader = bytes.NewReader(want)
	if rand.IntN(2) == 0 {
		body = io.MultiReader(body)
	}
	url := base
	switch rand.IntN(8) {
	case 0:
		time.AfterFunc(time.Duration(rand.IntN(2000))*time.Microsecond, cancel)
	case 1:
		url += "?early"
	}
	r, _ := http.NewRequestWithContext(ctx, "POST", url, body)
	r.Header.Set("Nonce", nonce)
	answer, err := client.Do(r)
	if err != nil {
		if ctx.Err() == nil && url == base {
			t.Errorf("call %s: %v", nonce, err)
		}
		return false
	}
	defer answer.Body.Close()
	got, err := io.ReadAll(answer.Body)
	if echo := answer.Header.Get("Echo"); echo != nonce {
		t.Errorf("call %s got the answer of %q: %d", nonce, echo, answer.StatusCode)
	}
	if answer.StatusCode != 200 || ctx.Err() != nil {
		return false
	}
	if err != nil || !bytes.Equal(got, want) {
		t.Errorf("call %s got %d bytes of %d, %v", nonce, len(got), len(want), err)
	}
	return true
}

func waitFor(t *testing.T, what string, holds func() bool) {
	t.Helper()
	deadline := time.Now().Add(5 * time.Second)
	for !holds() {
		if time.Now().After(deadline) {
			t.Fatalf("waited in vain for: %s", what)
		}
		runtime.Gosched()
		<-time.After(time.Millisecond)
	}
}

func TestDrop_ClosesIdleConnectionsAndLeavesOthersAlone(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	idle := s.warm()
	other := s.dial()
	other.say(getF)
	idle.head()
	replica := s.handler.Resolver.Members(function.ParseName("f", function.DefaultNamespace))[0].Replica
	s.handler.Drop(replica)
	idle.say("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
	s.has(other.head(), " 200 OK\r\n")
	if rest := idle.rest(); rest != "" {
		t.Errorf("the connection was used again: %q", rest)
	}
	s.warm()
}

func TestShutdown_WaitsForUpgradedConnectionsThenCutsThem(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	s.client.say("GET /function/f HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n")
	f := s.function()
	f.head()
	f.say("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n")
	s.client.head()
	ctx, cancel := context.WithCancel(t.Context())
	result := make(chan error, 1)
	go func() { result <- s.handler.Shutdown(ctx) }()
	s.client.say("still")
	if got := f.bytes(5); got != "still" {
		t.Errorf("got %q while draining", got)
	}
	select {
	case err := <-result:
		t.Fatalf("Shutdown did not wait: %v", err)
	default:
	}
	cancel()
	if err := <-result; !errors.Is(err, context.Canceled) {
		t.Errorf("Shutdown: %v", err)
	}
	s.client.rest()
	f.rest()
}

func TestShutdown_EndsWithTheLastUpgradedConnection(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	upgrade(s)
	if err := s.handler.Shutdown(t.Context()); err != nil {
		t.Errorf("Shutdown: %v", err)
	}
}

func TestHandler_LeavesNoGoroutinesAndConnectionsBehind(t *testing.T) {
	var open atomic.Int32
	function := func(w http.ResponseWriter, r *http.Request) {
		if r.ContentLength != 0 {
			w.WriteHeader(http.StatusRequestEntityTooLarge)
		}
	}
	h := newHandler(t)
	server := countingServer(t, http.HandlerFunc(function), &open)
	deploy(t, h, "figlet", server)
	base := "http://" + serve(t, h) + "/function/figlet"
	before := runtime.NumGoroutine()
	client := &http.Client{Transport: &http.Transport{}}
	for i := range 20 {
		var body io.Reader
		if i%2 == 0 {
			body = bytes.NewReader(make([]byte, 1<<20))
		}
		r, _ := http.NewRequestWithContext(t.Context(), "POST", base, body)
		if answer, err := client.Do(r); err == nil {
			io.Copy(io.Discard, answer.Body)
			answer.Body.Close()
		}
	}
	client.CloseIdleConnections()
	h.upstreams.Close()
	waitFor(t, "connections to the function closed", func() bool { return open.Load() == 0 })
	waitFor(t, "goroutines ended", func() bool { return runtime.NumGoroutine() <= before+1 })
}

// countingServer counts its open connections.
func countingServer(t *testing.T, h http.Handler, open *atomic.Int32) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{Handler: h, ConnState: func(_ net.Conn, state http.ConnState) {
		switch state {
		case http.StateNew:
			open.Add(1)
		case http.StateClosed, http.StateHijacked:
			open.Add(-1)
		}
	}}
	go server.Serve(listener)
	t.Cleanup(func() { server.Close() })
	return listener.Addr().String()
}
