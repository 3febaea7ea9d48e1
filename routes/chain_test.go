package routes_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"faas-docker/grammar"
	"faas-docker/routes"
	"faas-docker/routes/routestest"
)

// probe is a filter made of functions.
type probe struct {
	name     string
	request  func(*routes.Context)
	response func(*routes.Context)
}

func (p probe) Name() string                        { return p.name }
func (p probe) Create([]any) (routes.Filter, error) { return p, nil }
func (p probe) Request(c *routes.Context) {
	if p.request != nil {
		p.request(c)
	}
}
func (p probe) Response(c *routes.Context) {
	if p.response != nil {
		p.response(c)
	}
}

// tracing is a filter that notes when it was called.
func tracing(name string, trace *[]string, request func(*routes.Context)) routes.FilterSpec {
	return probe{name, func(c *routes.Context) {
		*trace = append(*trace, name)
		if request != nil {
			request(c)
		}
	}, func(c *routes.Context) {
		*trace = append(*trace, fmt.Sprintf("%s:%d", name, c.Response.Status))
	}}
}

// mark is the key of a value in a context.
type mark struct{}

func TestChain_RunsBackwardsOnTheWayBack(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		b    func(*routes.Context)
		want string
	}{
		"nobody answers": {nil, "a b c backend c:200 b:200 a:200"},
		"b answers": {func(c *routes.Context) {
			c.Serve(&routes.Response{Status: 401})
			c.Serve(&routes.Response{Status: 500})
		}, "a b b:401 a:401"},
		"b answers nothing":  {func(c *routes.Context) { c.Serve(&routes.Response{}) }, "a b b:200 a:200"},
		"b writes by itself": {func(c *routes.Context) { c.Writer.WriteHeader(403); c.Handled() }, "a b"},
		"b keeps a value":    {func(c *routes.Context) { c.Set("k", "v") }, "a b c backend c:200 b:200 a:200"},
		"b gives a new context": {func(c *routes.Context) {
			c.Request = c.Request.WithContext(context.WithValue(c.Request.Context(), mark{}, 1))
		}, "a b c backend c:200 b:200 a:200"},
	} {
		var trace []string
		o := routes.Options{Filters: []routes.FilterSpec{tracing("a", &trace, nil), tracing("b", &trace, test.b), tracing("c", &trace, nil)}}
		route, params := routestest.Build(t, `* -> a() -> b() -> c() -> "function:f"`, o).Lookup(get("/"))
		route.Serve(httptest.NewRecorder(), get("/"), params, http.HandlerFunc(func(http.ResponseWriter, *http.Request) { trace = append(trace, "backend") }))
		if got := strings.Join(trace, " "); got != test.want {
			t.Errorf("%s: got %s, want %s", name, got, test.want)
		}
	}
}

func TestChain_KeepsValuesForOneRequest(t *testing.T) {
	t.Parallel()
	var got []any
	o := routes.Options{Filters: []routes.FilterSpec{
		probe{"first", func(c *routes.Context) { got = append(got, c.Get("k")); c.Set("k", c.Params.Get("p")) }, func(c *routes.Context) { got = append(got, c.Get("k")) }},
	}}
	table := routestest.Build(t, `Path("/:p") -> first() -> <shunt>`, o)
	for _, target := range []string{"/1", "/2"} {
		route, params := table.Lookup(get(target))
		route.Serve(httptest.NewRecorder(), get(target), params, nil)
	}
	if fmt.Sprint(got) != "[<nil> 1 <nil> 2]" {
		t.Errorf("got %v", got)
	}
}

func TestChain_LeavesTheOriginalRequestAlone(t *testing.T) {
	t.Parallel()
	route, params := routestest.Build(t, `* -> setPath("/y") -> setRequestHeader("X", "1") -> "function:f"`, builtin()).Lookup(get("/x"))
	r := get("/x")
	route.Serve(httptest.NewRecorder(), r, params, http.NotFoundHandler())
	if r.URL.Path != "/x" || r.RequestURI != "/x" || len(r.Header) != 0 {
		t.Errorf("the request became %s %s %v", r.RequestURI, r.URL.Path, r.Header)
	}
}

func TestChain_GivesTheBackendTheClientsWriterWhereNobodyLooksAtAnswers(t *testing.T) {
	t.Parallel()
	w := httptest.NewRecorder()
	for rule, want := range map[string]bool{`* -> "function:f"`: true, `* -> setPath("/") -> "function:f"`: true, `* -> status(200) -> "function:f"`: false} {
		route, params := routestest.Build(t, rule, builtin()).Lookup(get("/"))
		route.Serve(w, get("/"), params, http.HandlerFunc(func(got http.ResponseWriter, _ *http.Request) {
			if (got == http.ResponseWriter(w)) != want {
				t.Errorf("%s: the backend got a %T", rule, got)
			}
		}))
	}
}

func TestChain_StreamsThroughFiltersThatLookAtAnswers(t *testing.T) {
	t.Parallel()
	release := make(chan struct{})
	server := routestest.Serve(t, `* -> status(206) -> "function:f"`, builtin(), func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusEarlyHints)
		_, _ = io.WriteString(w, "first ")
		if err := http.NewResponseController(w).Flush(); err != nil {
			t.Error(err)
		}
		<-release
		_, _ = io.WriteString(w, "second")
	})
	response, err := http.Get(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	first := make([]byte, 6)
	if _, err := io.ReadFull(response.Body, first); err != nil || string(first) != "first " {
		t.Fatalf("got %q, %v before the backend had ended", first, err)
	}
	close(release)
	rest, err := io.ReadAll(response.Body)
	if err != nil || string(rest) != "second" || response.StatusCode != 206 {
		t.Errorf("got %d %q, %v", response.StatusCode, rest, err)
	}
}

func TestChain_ABrokenAnswerLooksBroken(t *testing.T) {
	t.Parallel()
	server := routestest.Serve(t, `* -> status(200) -> "function:f"`, builtin(), func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, strings.Repeat("x", 5000))
		panic(http.ErrAbortHandler)
	})
	response, err := http.Get(server.URL)
	if err != nil {
		return
	}
	defer func() { _ = response.Body.Close() }()
	if body, err := io.ReadAll(response.Body); err == nil {
		t.Errorf("the client took %d bytes for a whole answer", len(body))
	}
}

func TestChain_WrapsTheBody(t *testing.T) {
	t.Parallel()
	compress := probe{"compress", nil, func(c *routes.Context) {
		c.Response.Header.Set("Content-Encoding", "gzip")
		c.Response.Wrap(func(w io.Writer) io.WriteCloser { return gzip.NewWriter(w) })
	}}
	server := routestest.Serve(t, `* -> compress() -> "function:f"`, routes.Options{Filters: []routes.FilterSpec{compress}}, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", "11")
		_, _ = io.WriteString(w, "hello ")
		_ = http.NewResponseController(w).Flush()
		_, _ = io.WriteString(w, "world")
	})
	_, got := routestest.Ask(t, server, "/")
	reader, err := gzip.NewReader(bytes.NewReader([]byte(got)))
	if err != nil {
		t.Fatalf("%v: %q", err, got)
	}
	if body, err := io.ReadAll(reader); err != nil || string(body) != "hello world" {
		t.Errorf("got %q, %v", body, err)
	}
}

func TestChain_LetsTheBackendTakeTheConnection(t *testing.T) {
	t.Parallel()
	var seen []int
	watch := probe{"watch", nil, func(c *routes.Context) { seen = append(seen, c.Response.Status) }}
	server := routestest.Serve(t, `* -> watch() -> "function:f"`, routes.Options{Filters: []routes.FilterSpec{watch}}, func(w http.ResponseWriter, _ *http.Request) {
		conn, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		_, _ = io.WriteString(conn, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: close\r\n\r\ntaken")
		_ = conn.Close()
	})
	if _, got := routestest.Ask(t, server, "/"); got != "taken" || !slices.Equal(seen, []int{http.StatusSwitchingProtocols}) {
		t.Errorf("got %q; the filter was asked about %v", got, seen)
	}
}

func TestFinally_TellsHowItEnded(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		rule    string
		backend http.HandlerFunc
		want    routes.Outcome
	}{
		"answered":    {`* -> watch() -> "function:f"`, func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "12345") }, routes.Outcome{Status: 200, Bytes: 5}},
		"by a filter": {`* -> watch() -> inlineContent("123") -> <shunt>`, nil, routes.Outcome{Status: 200, Bytes: 3}},
		"changed":     {`* -> watch() -> status(404) -> "function:f"`, nil, routes.Outcome{Status: 404, Bytes: 7}},
		"cut": {`* -> watch() -> "function:f"`, func(w http.ResponseWriter, _ *http.Request) {
			_, _ = io.WriteString(w, "1")
			panic(http.ErrAbortHandler)
		}, routes.Outcome{Status: 200, Bytes: 1, Broken: true}},
		"never begun": {`* -> watch() -> "function:f"`, func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, routes.Outcome{Broken: true}},
		"switched":    {`* -> watch() -> "function:f"`, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(101) }, routes.Outcome{Status: 101}},
	} {
		var got []routes.Outcome
		watch := probe{"watch", func(c *routes.Context) { c.Finally(func(o routes.Outcome) { got = append(got, o) }) }, nil}
		table := routestest.Build(t, test.rule, builtin(watch))
		func() {
			defer func() { _ = recover() }()
			serve(table, test.backend)
		}()
		if len(got) != 1 || got[0] != test.want {
			t.Errorf("%s: got %+v, want %+v", name, got, test.want)
		}
	}
}

func TestFinally_OneThatPanicsKeepsNoOtherFromItsEnd(t *testing.T) {
	t.Parallel()
	ended := 0
	watch := probe{"watch", func(c *routes.Context) { c.Finally(func(routes.Outcome) { ended++ }) }, nil}
	faulty := probe{"faulty", func(c *routes.Context) { c.Finally(func(routes.Outcome) { panic("oh") }) }, nil}
	table := routestest.Build(t, `* -> watch() -> faulty() -> watch() -> "function:f"`, builtin(watch, faulty))
	func() {
		defer func() { _ = recover() }()
		serve(table, nil)
	}()
	if ended != 2 {
		t.Errorf("%d ended, want 2", ended)
	}
}

// serve sends a request through the route for it; without a backend one that answers is
// taken.
func serve(table *routes.Table, backend http.HandlerFunc) {
	if backend == nil {
		backend = func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "backend") }
	}
	route, params := table.Lookup(get("/"))
	route.Serve(httptest.NewRecorder(), get("/"), params, backend)
}

// A rule may make a 304 another answer: the fields that it has of the body that the client knows
// describe no body then.
func TestAnswer_ANotModifiedThatBecomesAnotherStatusHasNoLength(t *testing.T) {
	t.Parallel()
	for _, code := range []int{200, 201, 404, 503} {
		server := routestest.Serve(t, fmt.Sprintf(`* -> status(%d) -> "function:f"`, code), builtin(), func(w http.ResponseWriter, _ *http.Request) {
			w.Header()["content-length"], w.Header()["content-type"] = []string{"500"}, []string{"text/css"}
			w.WriteHeader(http.StatusNotModified)
		})
		conn, err := net.Dial("tcp", strings.TrimPrefix(server.URL, "http://"))
		if err != nil {
			t.Fatal(err)
		}
		_, _ = io.WriteString(conn, "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
		raw, err := io.ReadAll(conn)
		_ = conn.Close()
		if text := grammar.Lower(string(raw)); err != nil || strings.Count(text, "content-length") != 1 || !strings.Contains(text, "content-length: 0\r\n") || !strings.Contains(text, "content-type: text/css\r\n") {
			t.Errorf("%d: %v, got %q", code, err, raw)
		}
	}
}
