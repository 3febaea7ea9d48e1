package proxy

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"faas-docker/function"
	"faas-docker/proxy/upstream"
	"faas-docker/wire/wiretest"
)

// countingPool lends buffers of one size and counts.
type countingPool struct {
	size int

	mu        sync.Mutex
	lent, put int
}

func (p *countingPool) Get() []byte {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.lent++
	return make([]byte, p.size)
}

func (p *countingPool) Put(b []byte) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(b) >= upstream.MinCopySize {
		p.put++
	}
}

func (p *countingPool) counts() (lent, put int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.lent, p.put
}

// echo answers with what it was sent. It reads all of it first: else its own
// server would cut it.
func echo(w http.ResponseWriter, r *http.Request) {
	sent, _ := io.ReadAll(r.Body)
	w.Write(sent)
}

func TestBufferPool_LendsTheBuffersOfLongBodies(t *testing.T) {
	t.Parallel()
	for _, size := range []int{0, upstream.MinCopySize, 100 << 10} {
		h, base := figlet(t, echo)
		pool := &countingPool{size: size}
		h.BufferPool = pool
		sent := strings.Repeat("0123456789", 30000)
		for _, body := range []io.Reader{strings.NewReader(sent), io.MultiReader(strings.NewReader(sent))} {
			if answer, got := fetch(t, "POST", base, body); answer.StatusCode != 200 || got != sent {
				t.Errorf("buffers of %d: got %d and %d bytes", size, answer.StatusCode, len(got))
			}
		}
		waitFor(t, "all buffers to be back", func() bool { lent, put := pool.counts(); return lent >= 4 && lent == put })
	}
}

// dribble answers with pieces that it flushes one by one, each when asked for.
func dribble(next <-chan string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		for piece := range next {
			io.WriteString(w, piece)
			http.NewResponseController(w).Flush()
		}
	}
}

func TestFlushInterval_GathersPiecesForThatLongAndNoLonger(t *testing.T) {
	t.Parallel()
	const interval = 200 * time.Millisecond
	for protocol, serveFunction := range map[string]func(testing.TB, http.Handler) string{
		function.ProtocolHTTP1: serve, function.ProtocolH2C: serveBoth,
	} {
		h, next := newHandler(t), make(chan string)
		h.FlushInterval = interval
		h.Policy = speaks(protocol)
		deploy(t, h, "figlet", serveFunction(t, dribble(next)))
		began := time.Now()
		go func() { next <- "a"; next <- "b" }()
		r, _ := http.NewRequestWithContext(t.Context(), "GET", "http://"+serve(t, h)+"/function/figlet", nil)
		answer, err := http.DefaultTransport.RoundTrip(r)
		if err != nil {
			t.Fatal(err)
		}
		buffer := make([]byte, 10)
		n, err := io.ReadAtLeast(answer.Body, buffer, 1)
		if took := time.Since(began); string(buffer[:n]) != "ab" || took < interval/2 || took > 10*interval {
			t.Errorf("%s: got %q, %v after %s, want both pieces after %s", protocol, buffer[:n], err, took, interval)
		}
		next <- "c"
		close(next)
		if rest, err := io.ReadAll(answer.Body); string(rest) != "c" || err != nil {
			t.Errorf("%s: the rest is %q, %v", protocol, rest, err)
		}
		answer.Body.Close()
	}
}

// lines is a writer that hands on what is written.
type lines chan string

func (l lines) Write(p []byte) (int, error) {
	l <- string(p)
	return len(p), nil
}

func TestErrorLog_GetsWhatTheCallerIsNotTold(t *testing.T) {
	t.Parallel()
	logged, h := make(lines, 10), newHandler(t)
	h.ErrorLog = log.New(logged, "", 0)
	h.RetryTimeout = time.Millisecond
	address := wiretest.Vacant(t, "127.0.0.1").String()
	deploy(t, h, "figlet", address)
	if answer, text := fetch(t, "GET", "http://"+serve(t, h)+"/function/figlet", nil); answer.StatusCode != 502 || strings.Contains(text, address) {
		t.Errorf("got %d %q", answer.StatusCode, text)
	}
	if line := <-logged; !strings.Contains(line, "figlet") || !strings.Contains(line, address) {
		t.Errorf("logged %q", line)
	}
}

func TestIntercept_AnswersItselfRewritesOrFails(t *testing.T) {
	t.Parallel()
	h, base := figlet(t, func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		fmt.Fprintf(w, "%s %s %s", r.RequestURI, r.Header.Get("X-Who"), body)
	})
	h.Intercept = func(w http.ResponseWriter, r *http.Request) error {
		switch r.Header.Get("X-Do") {
		case "answer":
			w.WriteHeader(http.StatusTeapot)
			io.WriteString(w, "short and stout")
			return fmt.Errorf("wrapped: %w", ErrHandled)
		case "rewrite":
			r.RequestURI = "/function/figlet/other?q"
			r.Header.Set("X-Who", "me")
			r.Body, r.ContentLength = io.NopCloser(strings.NewReader("new")), 3
		case "refuse":
			return function.Invalid("day", "wrong day")
		case "fail":
			return errors.New("secret reason")
		}
		return nil
	}
	for do, want := range map[string]struct {
		code int
		text string
	}{
		"":        {200, "/path  old"},
		"answer":  {418, "short and stout"},
		"rewrite": {200, "/other?q me new"},
		"refuse":  {400, "wrong day"},
		"fail":    {500, "before it reached a function"},
	} {
		r, _ := http.NewRequestWithContext(t.Context(), "POST", base+"/path", strings.NewReader("old"))
		r.Header.Set("X-Do", do)
		answer, err := http.DefaultTransport.RoundTrip(r)
		if err != nil {
			t.Fatal(err)
		}
		text, _ := io.ReadAll(answer.Body)
		answer.Body.Close()
		if answer.StatusCode != want.code || !strings.Contains(string(text), want.text) || strings.Contains(string(text), "secret") {
			t.Errorf("%q: got %d %q, want %+v", do, answer.StatusCode, text, want)
		}
	}
}

func TestMaxIdle_BoundsWhatIsKept(t *testing.T) {
	t.Parallel()
	const calls = 8
	for _, row := range []struct{ perReplica, all, want int }{
		{-1, 0, 0}, {2, 0, 2}, {0, 0, calls}, {0, 3, 3}, {5, 3, 3}, {0, -1, 0},
	} {
		// All are under way before one may end.
		var together sync.WaitGroup
		together.Add(calls)
		h, base := figlet(t, func(http.ResponseWriter, *http.Request) { together.Done(); together.Wait() })
		h.MaxIdlePerReplica, h.MaxIdle = row.perReplica, row.all
		h.Observer = newWitness()
		var callers sync.WaitGroup
		for range calls {
			callers.Go(func() {
				if _, _, err := fetchFrom(t.Context(), "GET", base, nil); err != nil {
					t.Error(err)
				}
			})
		}
		callers.Wait()
		waitFor(t, "the calls to end", func() bool { return len(h.Observer.(*witness).finished) == calls })
		if counts := h.upstreams.Counts(); counts.Idle != row.want || counts.Kept != counts.Idle {
			t.Errorf("%+v: %+v connections", row, counts)
		}
		h.upstreams.Close()
		if counted := h.upstreams.Counts().Kept; counted != 0 {
			t.Errorf("%+v: %d are counted after all were closed", row, counted)
		}
	}
}

func TestConnect_CarriesRequestsThenHandsTheConnectionOver(t *testing.T) {
	t.Parallel()
	h := newHandler(t)
	name := deploy(t, h, "figlet", rawFunction(t, func(conn net.Conn) {
		reader := bufio.NewReader(conn)
		for {
			r, err := http.ReadRequest(reader)
			if err != nil {
				return
			}
			if r.Header.Get("Upgrade") == "" {
				fmt.Fprintf(conn, "HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s", len(r.RequestURI), r.RequestURI)
				continue
			}
			io.WriteString(conn, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\nearly ")
			io.Copy(conn, reader)
			return
		}
	}))
	c, err := h.Connect(t.Context(), name)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	for _, path := range []string{"/1", "/2"} {
		answer, err := c.Do(newRequest(t, path))
		if err != nil {
			t.Fatal(err)
		}
		if body, err := io.ReadAll(answer.Body); string(body) != path || err != nil {
			t.Errorf("got %q, %v", body, err)
		}
	}
	upgrade := newRequest(t, "/")
	upgrade.Header.Set("Connection", "Upgrade")
	upgrade.Header.Set("Upgrade", "x")
	if answer, err := c.Do(upgrade); err != nil || answer.StatusCode != 101 {
		t.Fatalf("got %v, %v", answer, err)
	}
	conn, ahead := c.Hijack()
	io.WriteString(conn, "and late")
	both := make([]byte, len("early and late"))
	if _, err := io.ReadFull(ahead, both); string(both) != "early and late" {
		t.Errorf("got %q, %v", both, err)
	}
	inFlight := func() int { return h.Resolver.Members(name)[0].InFlight }
	if inFlight() != 1 {
		t.Errorf("%d in flight while the connection is held", inFlight())
	}
	conn.Close()
	conn.Close()
	if inFlight() != 0 {
		t.Errorf("%d in flight after it was closed", inFlight())
	}
}

func newRequest(t *testing.T, path string) *http.Request {
	r, err := http.NewRequestWithContext(t.Context(), "GET", "http://x"+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestConnect_FailuresSayWhy(t *testing.T) {
	t.Parallel()
	h := newHandler(t)
	dead := deploy(t, h, "dead", wiretest.Vacant(t, "127.0.0.1").String())
	if _, err := h.Connect(t.Context(), function.Name{Name: "nobody", Namespace: "x"}); !errors.Is(err, function.ErrNotFound) {
		t.Errorf("unknown: %v", err)
	}
	if _, err := h.Connect(t.Context(), dead); !errors.Is(err, upstream.ErrUnreachable) {
		t.Errorf("dead: %v", err)
	}
	silent := deploy(t, h, "silent", rawFunction(t, func(conn net.Conn) { io.Copy(io.Discard, conn) }))
	c, err := h.Connect(t.Context(), silent)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	ctx, cancel := context.WithTimeout(t.Context(), testPatience)
	defer cancel()
	if _, err := c.Do(newRequest(t, "/").WithContext(ctx)); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("silent: %v", err)
	}
}

// A hook may put a body in place that is longer or shorter than the head says: the call fails, and
// the rest of either is no part of another call.
func TestIntercept_ABodyOfAnotherLengthMixesNoCalls(t *testing.T) {
	t.Parallel()
	for name, body := range map[string]string{"longer": "hello" + getF, "shorter": "hel"} {
		h := newHandler(t)
		var seen sync.Map
		deploy(t, h, "f", serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			seen.Store(r.Method+" "+r.URL.Path, true)
			if r.URL.Path == "/waits" {
				_, _ = io.Copy(io.Discard, r.Body)
			}
		})))
		h.Intercept = func(_ http.ResponseWriter, r *http.Request) error {
			if r.Method == http.MethodPost {
				r.Body = io.NopCloser(strings.NewReader(body))
			}
			return nil
		}
		s := &stage{T: t, address: serveFront(t, h)}
		for _, path := range []string{"/waits", "/answers"} {
			c := s.dial()
			c.say("POST /function/f%s HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nConnection: close\r\n\r\nhello", path)
			if said := c.rest(); path == "/waits" && !strings.HasPrefix(said, "HTTP/1.1 400 ") {
				t.Errorf("%s: %s: got %q", name, path, said)
			}
			c = s.dial()
			c.say("GET /function/f/next HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
			if said := c.rest(); !strings.HasPrefix(said, "HTTP/1.1 200 ") {
				t.Errorf("%s: behind %s: got %q", name, path, said)
			}
		}
		seen.Range(func(call, _ any) bool {
			if !slices.Contains([]string{"POST /waits", "POST /answers", "GET /next"}, call.(string)) {
				t.Errorf("%s: the function saw %q", name, call)
			}
			return true
		})
	}
}
