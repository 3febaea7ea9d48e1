package fleet

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"faas-docker/function"
	"faas-docker/wire/wiretest"
)

// program is what runs in a container: a server on an address of the loopback.
type program struct {
	address netip.AddrPort
	server  *http.Server
	// under are the requests that it is busy with.
	under sync.WaitGroup
	// asked counts the requests by their path.
	mu    sync.Mutex
	asked map[string][]*http.Request
}

// runs starts a program; an address without a port gets a free one.
func runs(t *testing.T, address string, handler http.HandlerFunc) *program {
	t.Helper()
	listener, err := net.Listen("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	p := &program{address: netip.MustParseAddrPort(listener.Addr().String()), asked: map[string][]*http.Request{}}
	p.server = &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		p.under.Add(1)
		defer p.under.Done()
		p.mu.Lock()
		p.asked[r.URL.Path] = append(p.asked[r.URL.Path], r)
		p.mu.Unlock()
		handler(w, r)
	})}
	go func() { _ = p.server.Serve(listener) }()
	t.Cleanup(func() { _ = p.server.Close() })
	return p
}

func (p *program) requests(path string) []*http.Request {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.asked[path]
}

// replicaAt is a replica whose program listens there.
func replicaAt(address netip.AddrPort) function.Replica {
	return function.Replica{ID: "c1", Instance: "figlet.openfaas-fn.c1", Address: address}
}

// readinessOf reads the readiness of a deployment and its image.
func readinessOf(t *testing.T, annotations map[string]string, env ...string) function.Readiness {
	t.Helper()
	ready, err := function.Spec{Annotations: annotations}.With(function.NewImageConfig(env, nil, nil)).Readiness()
	if err != nil {
		t.Fatal(err)
	}
	return ready
}

// answers is a handler that answers always so.
func answers(status int) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(status) }
}

// becomesReady waits, and returns what was told meanwhile.
func becomesReady(t *testing.T, limit time.Duration, at netip.AddrPort, ready function.Readiness) (told []string, err error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	defer cancel()
	err = awaitHTTP(ctx, replicaAt(at), ready, func(what string) { told = append(told, what) })
	return told, err
}

func TestReady_WhatAnAnswerMeans(t *testing.T) {
	path := map[string]string{function.AnnotationReadyPath: "/ready"}
	lock := map[string]string{function.AnnotationReadyPath: "/_/ready"}
	tests := []struct {
		name        string
		status      int
		annotations map[string]string
		env         []string
		ready       bool
	}{
		{"a watchdog is up", 200, nil, nil, true},
		{"a watchdog has no lock file yet", 503, nil, nil, false},
		{"an image that knows no such path", 404, nil, nil, true},
		{"one that forbids it", 403, nil, nil, true},
		{"one that fails on it", 500, nil, nil, true},
		{"a path of its own", 200, path, nil, true},
		{"a path without content", 204, path, nil, true},
		{"a path that leads elsewhere, as Kubernetes has it", 302, path, nil, true},
		{"a path that is not there", 404, path, nil, false},
		{"a path that fails", 500, path, nil, false},
		{"a path that is unavailable", 503, path, nil, false},
		{"no lock file is wanted", 503, nil, []string{"suppress_lock=true"}, true},
		{"no lock file is wanted, in short", 503, nil, []string{"suppress_lock=1"}, true},
		{"no lock file is wanted, on the other path of a watchdog", 503, lock, []string{"suppress_lock=true"}, true},
		{"a lock file is wanted", 503, nil, []string{"suppress_lock=false"}, false},
		{"the function itself is unavailable", 503, path, []string{"suppress_lock=true"}, false},
		{"the watchdog has as many calls as it takes", 429, lock, nil, false},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			p := runs(t, "127.0.0.1:0", answers(test.status))
			limit := 10 * time.Second
			if !test.ready {
				limit = 300 * time.Millisecond
			}
			told, err := becomesReady(t, limit, p.address, readinessOf(t, test.annotations, test.env...))
			if (err == nil) != test.ready {
				t.Errorf("ready: %v, want %v", err, test.ready)
			}
			if want := fmt.Sprintf("answers %d on ", test.status); !test.ready && (len(told) != 1 || !strings.HasPrefix(told[0], want)) {
				t.Errorf("told %q, want once that it %s…", told, want)
			}
		})
	}
}

func TestReady_WhatIsSent(t *testing.T) {
	for name, test := range map[string]struct {
		annotations map[string]string
		path, host  string
	}{
		"by default":            {nil, "/_/health", "localhost"},
		"with a path":           {map[string]string{function.AnnotationHealthPath: "/healthz?full=1"}, "/healthz", "localhost"},
		"with a host":           {map[string]string{function.HealthPrefix + "host": "shop.example.org"}, "/_/health", "shop.example.org"},
		"with a host for this":  {map[string]string{function.HealthPrefix + "host": "a", function.ReadyPrefix + "host": "b:8000"}, "/_/health", "b:8000"},
		"with a path for this":  {map[string]string{function.AnnotationHealthPath: "/alive", function.AnnotationReadyPath: "/ready"}, "/ready", "localhost"},
		"with a host as number": {map[string]string{function.ReadyPrefix + "host": "10.0.0.1"}, "/_/health", "10.0.0.1"},
	} {
		t.Run(name, func(t *testing.T) {
			p := runs(t, "127.0.0.1:0", answers(200))
			if _, err := becomesReady(t, 10*time.Second, p.address, readinessOf(t, test.annotations)); err != nil {
				t.Fatal(err)
			}
			got := p.requests(test.path)
			if len(got) != 1 || got[0].Host != test.host || !strings.HasPrefix(got[0].UserAgent(), "kube-probe/") {
				t.Errorf("sent %v, want one request for %s to host %s by kube-probe/…", got, test.path, test.host)
			}
		})
	}
}

func TestReady_KeepsToTheTimesThatTheFunctionNames(t *testing.T) {
	var began, first time.Time
	var count atomic.Int32
	p := runs(t, "127.0.0.1:0", func(w http.ResponseWriter, _ *http.Request) {
		if n := count.Add(1); n == 1 {
			first = time.Now()
		} else if n != 3 {
			return
		}
		w.WriteHeader(503) // the first and the third
	})
	ready := readinessOf(t, map[string]string{
		function.ReadyPrefix + "initialDelaySeconds": "300ms", function.ReadyPrefix + "periodSeconds": "100ms", function.ReadyPrefix + "successThreshold": "2",
	})
	began = time.Now()
	if _, err := becomesReady(t, 10*time.Second, p.address, ready); err != nil {
		t.Fatal(err)
	}
	// 503, 200, 503, 200, 200: two in a row, each after a period.
	if took := time.Since(began); count.Load() != 5 || took < 700*time.Millisecond || first.Sub(began) < 300*time.Millisecond {
		t.Errorf("asked %d times in %v, the first after %v; want 5 times, after 300ms and every 100ms", count.Load(), took, first.Sub(began))
	}
}

func TestReady_ATimeoutIsTheFunctions(t *testing.T) {
	p := runs(t, "127.0.0.1:0", func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
	silent := map[string]string{function.AnnotationReadyPath: "/ready", function.ReadyPrefix + "timeoutSeconds": "50ms"}
	if _, err := becomesReady(t, time.Second, p.address, readinessOf(t, silent)); err == nil {
		t.Error("ready though its path is silent")
	}
	if got := len(p.requests("/ready")); got < 2 {
		t.Errorf("asked %d times in a second, each at most for 50ms", got)
	}
	if _, err := becomesReady(t, 10*time.Second, p.address, readinessOf(t, map[string]string{function.HealthPrefix + "timeoutSeconds": "1", function.ReadyPrefix + "timeoutSeconds": "50ms"})); err != nil {
		t.Errorf("one that listens, and knows no health path: %v", err)
	}
}

// forks is what of-watchdog does in its HTTP mode, as far as it matters here: it is up
// at once, and calls a process that is not.
func forks(upstream netip.AddrPort, buffers bool) http.HandlerFunc {
	client := &http.Client{Transport: &http.Transport{IdleConnTimeout: 500 * time.Millisecond}}
	return func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/_/health" {
			return
		}
		body := r.Body
		if buffers {
			whole, _ := io.ReadAll(r.Body)
			body = io.NopCloser(strings.NewReader(string(whole)))
		}
		ctx := r.Context()
		if limit, err := time.ParseDuration(r.Header.Get("X-Timeout")); err == nil {
			var cancel context.CancelFunc
			ctx, cancel = context.WithTimeout(ctx, limit)
			defer cancel()
		}
		request, err := http.NewRequestWithContext(ctx, r.Method, "http://"+upstream.String()+r.RequestURI, body)
		if err != nil {
			panic(err)
		}
		response, err := client.Do(request)
		if err != nil {
			w.Header().Set("X-OpenFaaS-Internal", "of-watchdog")
			w.WriteHeader(http.StatusInternalServerError)
			return
		}
		defer response.Body.Close()
		w.WriteHeader(response.StatusCode)
		_, _ = io.Copy(w, response.Body)
	}
}

// A watchdog's own address is another than its process's where that is to be reached
// by its loopback only.
func TestReady_TheProcessBehindAWatchdogIsAwaited(t *testing.T) {
	for _, test := range []struct {
		name     string
		watchdog string
		process  string
		env      []string
		status   int
		// asks is how often the process may see a request of ours.
		asks int
	}{
		{name: "it listens on every address", watchdog: "127.0.0.1:0", process: "127.0.0.1", status: 200},
		{name: "it listens on its loopback", watchdog: "127.0.0.2:0", process: "127.0.0.1", status: 200},
		{name: "it fails all it is asked", watchdog: "127.0.0.2:0", process: "127.0.0.1", status: 500},
		{name: "it forbids all it is asked", watchdog: "127.0.0.1:0", process: "127.0.0.1", status: 401},
		{name: "its watchdog reads the body first", watchdog: "127.0.0.2:0", process: "127.0.0.1", env: []string{"http_buffer_req_body=true"}, status: 200, asks: 1},
		{name: "by the other variable", watchdog: "127.0.0.2:0", process: "127.0.0.1", env: []string{"buffer_http=1"}, status: 404, asks: 1},
		{name: "its watchdog reads the body first, and it can be reached", watchdog: "127.0.0.1:0", process: "127.0.0.1", env: []string{"buffer_http=true"}, status: 200},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			upstream := wiretest.Vacant(t, test.process)
			watchdog := runs(t, test.watchdog, forks(upstream, len(test.env) > 0))
			env := append([]string{"mode=http", "fprocess=node index.js", fmt.Sprintf("upstream_url=http://127.0.0.1:%d", upstream.Port())}, test.env...)
			ready := readinessOf(t, nil, env...)
			told, err := becomesReady(t, 700*time.Millisecond, watchdog.address, ready)
			if want := fmt.Sprintf("the process behind its watchdog does not listen on port %d", upstream.Port()); err == nil || len(told) != 1 || told[0] != want {
				t.Fatalf("before it listens: %v, told %q; want %q", err, told, want)
			}
			if got := len(watchdog.requests(upstreamPath)); got < 2 || got > 8 {
				t.Errorf("the watchdog was asked %d times in 700ms, want some, but not too many lines in its log", got)
			}
			watchdog.under.Wait() // what we broke off must not reach the process
			process := runs(t, upstream.String(), answers(test.status))
			if _, err := becomesReady(t, 10*time.Second, watchdog.address, ready); err != nil {
				t.Fatalf("when it listens: %v", err)
			}
			time.Sleep(300 * time.Millisecond) // what the watchdog had kept would have come by now
			if got := len(process.requests(upstreamPath)); got != test.asks {
				t.Errorf("it was asked %d times, want %d", got, test.asks)
			}
		})
	}
}

// Of a process that is started by a script the image's environment says nothing.
func TestReady_AProcessOfWhichNothingIsKnownIsAwaitedToo(t *testing.T) {
	upstream := wiretest.Vacant(t, "127.0.0.1")
	watchdog := runs(t, "127.0.0.2:0", forks(upstream, false))
	ready := readinessOf(t, nil)
	if _, err := becomesReady(t, 10*time.Second, watchdog.address, ready); err != nil {
		t.Fatalf("before it was denied: %v", err)
	}
	ready.Upstream.Unknown = true
	told, err := becomesReady(t, 700*time.Millisecond, watchdog.address, ready)
	if want := "the process behind its watchdog does not listen"; err == nil || len(told) != 1 || told[0] != want {
		t.Fatalf("before it listens: %v, told %q; want %q", err, told, want)
	}
	runs(t, upstream.String(), answers(200))
	if _, err := becomesReady(t, 10*time.Second, watchdog.address, ready); err != nil {
		t.Errorf("when it listens: %v", err)
	}
}

func TestReady_AWatchdogWithoutAProcessIsReadyByItself(t *testing.T) {
	for name, env := range map[string][]string{
		"streaming":                        {"fprocess=cat", "mode=streaming"},
		"serializing":                      {"fprocess=cat", "mode=serializing"},
		"the classic one":                  {"fprocess=cat"},
		"static":                           {"mode=static"},
		"no address":                       {"fprocess=cat", "mode=http"},
		"a process elsewhere":              {"fprocess=cat", "mode=http", "upstream_url=http://192.0.2.1:5000"},
		"itself":                           nil,
		"one that asks for a name of hers": {"fprocess=cat", "mode=http", "upstream_url=http://backend:5000"},
	} {
		t.Run(name, func(t *testing.T) {
			p := runs(t, "127.0.0.1:0", forks(netip.MustParseAddrPort("127.0.0.1:1"), false))
			if name == "itself" {
				env = []string{"fprocess=cat", "mode=http", fmt.Sprintf("upstream_url=http://127.0.0.1:%d", p.address.Port())}
			}
			if _, err := becomesReady(t, 10*time.Second, p.address, readinessOf(t, nil, env...)); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestReady_ThePortsThatItListensOnAreNamed(t *testing.T) {
	t.Parallel()
	// Nobody else's servers are on this address of the loopback.
	nowhere := wiretest.Vacant(t, "127.0.0.77")
	listens := func(t *testing.T, port int) {
		runs(t, fmt.Sprintf("127.0.0.77:%d", port), answers(200))
	}
	told, err := becomesReady(t, portPatience+time.Second, nowhere, readinessOf(t, nil))
	if err == nil || len(told) != 2 || told[0] != fmt.Sprintf("nothing listens on port %d", nowhere.Port()) || !strings.Contains(told[1], "nor on any other port") || !strings.Contains(told[1], "127.0.0.1 only") {
		t.Errorf("nothing listens: %v, told %q", err, told)
	}
	listens(t, 3000)
	listens(t, 29417)
	for name, test := range map[string]struct {
		env, exposed []string
		want         string
	}{
		"a common one":         {nil, nil, "it listens on 3000: set the variable port=3000"},
		"one that is EXPOSEd":  {nil, []string{"29417/tcp", "8080/tcp"}, "it listens on 29417, 3000: set the variable port=29417"},
		"one of the variables": {[]string{"http_port=29417"}, nil, "it listens on 29417, 3000"},
		"one in an address":    {[]string{"ASPNETCORE_HTTP_PORTS=29417", "LISTEN_PORT=:29417"}, nil, "it listens on 29417, 3000"},
	} {
		t.Run(name, func(t *testing.T) {
			ready, err := function.Spec{}.With(function.NewImageConfig(test.env, test.exposed, nil)).Readiness()
			if err != nil {
				t.Fatal(err)
			}
			err = (&waiting{ready: ready, replica: replicaAt(nowhere), began: time.Now().Add(-portPatience)}).explain(t.Context(), &refusal{port: nowhere.Port(), err: errors.New("refused")})
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("%v, want %q", err, test.want)
			}
		})
	}
}

// A function that answers without end takes neither our memory nor our time.
func TestReady_AnAnswerWithoutEndIsCutShort(t *testing.T) {
	for name, piece := range map[string]string{
		"a head":         "X-More: " + strings.Repeat("x", 4<<10) + "\r\n",
		"one field":      strings.Repeat("x", 4<<10),
		"a status line":  "",
		"many fields":    "A: b\r\n",
		"a body":         "\r\n" + strings.Repeat("x", 4<<10),
		"interim heads":  "\r\nHTTP/1.1 103 Early Hints\r\nLink: " + strings.Repeat("x", 1<<10) + "\r\n",
		"chunks of text": "Transfer-Encoding: chunked\r\n\r\n" + strings.Repeat("1\r\nx\r\n", 1<<10),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			listener, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			sent := make(chan int, 100)
			t.Cleanup(func() { listener.Close() })
			go func() {
				for {
					conn, err := listener.Accept()
					if err != nil {
						return
					}
					total, start := 0, "HTTP/1.1 200 OK\r\n"
					if piece == "" {
						start, piece = "HTTP/1.1 200 ", strings.Repeat("O", 4<<10)
					}
					for n, err := io.WriteString(conn, start); err == nil; n, err = io.WriteString(conn, piece) {
						total += n
					}
					conn.Close()
					sent <- total
				}
			}()
			p := probe{netip.MustParseAddrPort(listener.Addr().String()), readinessOf(t, map[string]string{function.AnnotationReadyPath: "/ready", function.ReadyPrefix + "timeoutSeconds": "20"}).Probe}
			began := time.Now()
			_ = p.ask(t.Context())
			if took, total := time.Since(began), <-sent; took > 10*time.Second || total > 16<<20 {
				t.Errorf("read for %v while %d bytes were sent", took, total)
			}
		})
	}
}

func TestReady_OneThatSpeaksNoHTTPIsReadyWhenItListens(t *testing.T) {
	for name, speak := range map[string]func(net.Conn){
		"silent":          func(net.Conn) {},
		"hangs up":        func(c net.Conn) { c.Close() },
		"speaks first":    func(c net.Conn) { _, _ = io.WriteString(c, "220 mail.example.org ESMTP\r\n") },
		"speaks HTTP/2":   func(c net.Conn) { _, _ = c.Write([]byte{0, 0, 0, 4, 0, 0, 0, 0, 0}) },
		"speaks nonsense": func(c net.Conn) { _, _ = io.WriteString(c, "\x00\xff\r\n\r\n") },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			listener, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { listener.Close() })
			go func() {
				for {
					conn, err := listener.Accept()
					if err != nil {
						return
					}
					t.Cleanup(func() { conn.Close() })
					speak(conn)
				}
			}()
			if _, err := becomesReady(t, 10*time.Second, netip.MustParseAddrPort(listener.Addr().String()), readinessOf(t, nil)); err != nil {
				t.Error(err)
			}
			if _, err := becomesReady(t, 300*time.Millisecond, netip.MustParseAddrPort(listener.Addr().String()), readinessOf(t, map[string]string{function.AnnotationReadyPath: "/ready"})); err == nil {
				t.Error("ready though a path was to be answered")
			}
		})
	}
}

// A question that the watchdog still has counts towards its max_inflight: the first call would
// be refused.
func TestReady_AQuestionIsOverWhenTheReplicaIsReady(t *testing.T) {
	t.Parallel()
	var asked, inFlight atomic.Int64
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked.Add(1)
		inFlight.Add(1)
		defer inFlight.Add(-1)
		_, _ = io.Copy(io.Discard, r.Body) // as a watchdog that has connected to its process
	}))
	t.Cleanup(server.Close)
	u := upstream{watchdog: netip.MustParseAddrPort(server.Listener.Addr().String()), Upstream: function.Upstream{Unknown: true}}
	if err := u.askWatchdog(t.Context()); err != nil {
		t.Fatal(err)
	}
	if asked.Load() != 1 || inFlight.Load() != 0 {
		t.Errorf("asked %d times, %d in flight; want one question that is over", asked.Load(), inFlight.Load())
	}
}
