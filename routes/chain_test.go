package routes

import (
	"bytes"
	"compress/gzip"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// serving is a server with one route before the backend.
func serving(t *testing.T, rule string, o Options, backend http.HandlerFunc) *httptest.Server {
	t.Helper()
	var live Live
	live.Swap(build(t, rule, o))
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		lease, ok := live.Acquire(r)
		if !ok {
			http.Error(w, "no route", http.StatusTeapot)
			return
		}
		defer lease.Release()
		lease.Serve(w, r, backend)
	}))
	t.Cleanup(server.Close)
	return server
}

// answered is what a client gets.
type answered struct {
	status int
	header http.Header
	body   string
}

func ask(t *testing.T, server *httptest.Server, target string) answered {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, server.URL+target, nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("X-In", "in")
	r.Header.Set("Accept-Encoding", "gzip")
	r.Header.Set("Cookie", "c=cookie")
	r.Host = "shop.example.org"
	response, err := http.DefaultTransport.RoundTrip(r)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answered{response.StatusCode, response.Header, string(body)}
}

// echo tells what it has been asked.
func echo(w http.ResponseWriter, r *http.Request) {
	_, _ = fmt.Fprintf(w, "%s %s %s %q", r.RequestURI, r.URL.Path, r.Host, r.Header["X-Out"])
}

func TestFilters_ChangeTheRequest(t *testing.T) {
	t.Parallel()
	const host = " shop.example.org "
	tests := []struct{ rule, target, want string }{
		{`* -> "function:f"`, "//a/../b%2Fc?q", "//a/../b%2Fc?q //a/../b/c" + host + `[]`},
		{`* -> setRequestHeader("x-out", "1") -> setRequestHeader("X-Out", "2") -> "function:f"`, "/", `/ /` + host + `["2"]`},
		{`* -> requestHeader("x-out", "1") -> requestHeader("X-Out", "2") -> "function:f"`, "/", `/ /` + host + `["1" "2"]`},
		{`Path("/a/:p") -> setRequestHeader("X-Out", "<${p}${nothing}>") -> "function:f"`, "/a/b+c", `/a/b+c /a/b+c` + host + `["<b c>"]`},
		{`* -> setRequestHeader("X-Out", "${request.method} ${request.host} ${request.path} ${request.rawQuery} ${request.header.x-in} ${request.query.q} ${request.cookie.c}|${request.cookie.no}") -> "function:f"`,
			"/x?q=1", `/x?q=1 /x` + host + `["GET shop.example.org /x q=1 in 1 cookie|"]`},
		{`* -> setRequestHeader("X-Out", "${") -> "function:f"`, "/", `/ /` + host + `["${"]`},
		{`* -> setRequestHeader("Host", "inner") -> "function:f"`, "/", `/ / inner []`},
		{`Path("/shop/:item") -> setPath("/${item}") -> "function:f"`, "/shop/a+b%3Fc?q=1", `/a+b%3Fc?q=1 /a+b?c` + host + `[]`},
		{`PathSubtree("/shop") -> setPath("/new${*}") -> "function:f"`, "/shop/a/b", `/new/a/b /new/a/b` + host + `[]`},
		{`* -> setPath("x") -> "function:f"`, "/", `/x /x` + host + `[]`},
		{`* -> modPath(/^\/shop/, "") -> "function:f"`, "/shop", `/ /` + host + `[]`},
		{`* -> modPath(/^\/shop/, "") -> "function:f"`, "/shop/a%2Fb", `/a%2Fb /a/b` + host + `[]`},
		{`* -> modPath("/(.)/(.)$", "/$2/$1") -> "function:f"`, "/a/b", `/b/a /b/a` + host + `[]`},
		{`* -> modPath("2", "3") -> "function:f"`, "/a%2Fb", `/a/b /a/b` + host + `[]`},
		{`* -> modPath("F", "G") -> "function:f"`, "/F%2FF", `/G/G /G/G` + host + `[]`},
	}
	for _, test := range tests {
		server := serving(t, test.rule, Options{}, echo)
		if got := ask(t, server, test.target); got.body != test.want || got.status != http.StatusOK {
			t.Errorf("%s %s:\n got %d %s\nwant %s", test.rule, test.target, got.status, got.body, test.want)
		}
	}
}

func TestFilters_Answer(t *testing.T) {
	t.Parallel()
	tests := []struct {
		rule, target string
		status       int
		body         string
		header       string // "Name: value"
	}{
		{`* -> <shunt>`, "/", 404, "", "Content-Length: 0"},
		{`* -> status(418) -> <shunt>`, "/", 418, "", ""},
		{`* -> status(503) -> "function:f"`, "/", 503, "backend", ""},
		{`* -> status(204) -> "function:f"`, "/", 204, "", ""},
		{`* -> inlineContent("hello") -> "function:f"`, "/", 200, "hello", "Content-Type: text/plain; charset=utf-8"},
		{`* -> inlineContent("{}", "application/json") -> <shunt>`, "/", 200, "{}", "Content-Type: application/json"},
		{`* -> status(201) -> inlineContent("a") -> inlineContent("b") -> status(202) -> <shunt>`, "/", 201, "a", "Content-Length: 1"},
		{`* -> redirectTo(308, "https://example.org") -> <shunt>`, "/a%2Fb?q=1", 308, "", "Location: https://example.org/a/b?q=1"},
		{`Path("/a/:x") -> redirectTo(302, "/b/${x}?r=2") -> <shunt>`, "/a/c%3Fd?q=1", 302, "", "Location: /b/c%3Fd?r=2"},
		{`* -> redirectTo(302, "${request.path}") -> <shunt>`, "//evil.org/x", 302, "", "Location: /evil.org/x"},
		{`PathSubtree("/r") -> redirectTo(302, "/${*}") -> <shunt>`, "/r/evil.org", 302, "", "Location: /evil.org"},
		{`* -> redirectTo(302, "?a=b") -> <shunt>`, "//evil.org", 302, "", "Location: /evil.org?a=b"},
	}
	for _, test := range tests {
		server := serving(t, test.rule, Options{}, func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "backend") })
		got := ask(t, server, test.target)
		name, value, _ := strings.Cut(test.header, ": ")
		if got.status != test.status || got.body != test.body || got.header.Get(name) != value {
			t.Errorf("%s: got %d %q %v", test.rule, got.status, got.body, got.header)
		}
	}
}

// probe is a filter made of functions.
type probe struct {
	name     string
	request  func(*Context)
	response func(*Context)
}

func (p probe) Name() string                 { return p.name }
func (p probe) Create([]any) (Filter, error) { return p, nil }
func (p probe) Request(c *Context) {
	if p.request != nil {
		p.request(c)
	}
}
func (p probe) Response(c *Context) {
	if p.response != nil {
		p.response(c)
	}
}

// tracing is a filter that notes when it was called.
func tracing(name string, trace *[]string, request func(*Context)) FilterSpec {
	return probe{name, func(c *Context) {
		*trace = append(*trace, name)
		if request != nil {
			request(c)
		}
	}, func(c *Context) {
		*trace = append(*trace, fmt.Sprintf("%s:%d", name, c.Response.Status))
	}}
}

// mark is the key of a value in a context.
type mark struct{}

func TestChain_RunsBackwardsOnTheWayBack(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		b    func(*Context)
		want string
	}{
		"nobody answers":     {nil, "a b c backend c:200 b:200 a:200"},
		"b answers":          {func(c *Context) { c.Serve(&Response{Status: 401}); c.Serve(&Response{Status: 500}) }, "a b b:401 a:401"},
		"b answers nothing":  {func(c *Context) { c.Serve(&Response{}) }, "a b b:200 a:200"},
		"b writes by itself": {func(c *Context) { c.Writer.WriteHeader(403); c.Handled() }, "a b"},
		"b keeps a value":    {func(c *Context) { c.Set("k", "v") }, "a b c backend c:200 b:200 a:200"},
		"b gives a new context": {func(c *Context) {
			c.Request = c.Request.WithContext(context.WithValue(c.Request.Context(), mark{}, 1))
		}, "a b c backend c:200 b:200 a:200"},
	} {
		var trace []string
		o := Options{Filters: []FilterSpec{tracing("a", &trace, nil), tracing("b", &trace, test.b), tracing("c", &trace, nil)}}
		route, params := build(t, `* -> a() -> b() -> c() -> "function:f"`, o).Lookup(get("/"))
		route.Serve(httptest.NewRecorder(), get("/"), params, http.HandlerFunc(func(http.ResponseWriter, *http.Request) { trace = append(trace, "backend") }))
		if got := strings.Join(trace, " "); got != test.want {
			t.Errorf("%s: got %s, want %s", name, got, test.want)
		}
	}
}

func TestChain_KeepsValuesForOneRequest(t *testing.T) {
	t.Parallel()
	var got []any
	o := Options{Filters: []FilterSpec{
		probe{"first", func(c *Context) { got = append(got, c.Get("k")); c.Set("k", c.Params.Get("p")) }, func(c *Context) { got = append(got, c.Get("k")) }},
	}}
	table := build(t, `Path("/:p") -> first() -> <shunt>`, o)
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
	route, params := build(t, `* -> setPath("/y") -> setRequestHeader("X", "1") -> "function:f"`, Options{}).Lookup(get("/x"))
	r := get("/x")
	route.Serve(httptest.NewRecorder(), r, params, http.HandlerFunc(echo))
	if r.URL.Path != "/x" || r.RequestURI != "/x" || len(r.Header) != 0 {
		t.Errorf("the request became %s %s %v", r.RequestURI, r.URL.Path, r.Header)
	}
}

func TestChain_GivesTheBackendTheClientsWriterWhereNobodyLooksAtAnswers(t *testing.T) {
	t.Parallel()
	w := httptest.NewRecorder()
	for rule, want := range map[string]bool{`* -> "function:f"`: true, `* -> setPath("/") -> "function:f"`: true, `* -> status(200) -> "function:f"`: false} {
		route, params := build(t, rule, Options{}).Lookup(get("/"))
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
	server := serving(t, `* -> status(206) -> "function:f"`, Options{}, func(w http.ResponseWriter, _ *http.Request) {
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
	server := serving(t, `* -> status(200) -> "function:f"`, Options{}, func(w http.ResponseWriter, _ *http.Request) {
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
	compress := probe{"compress", nil, func(c *Context) {
		c.Response.Header.Set("Content-Encoding", "gzip")
		c.Response.Wrap(func(w io.Writer) io.WriteCloser { return gzip.NewWriter(w) })
	}}
	server := serving(t, `* -> compress() -> "function:f"`, Options{Filters: []FilterSpec{compress}}, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", "11")
		_, _ = io.WriteString(w, "hello ")
		_ = http.NewResponseController(w).Flush()
		_, _ = io.WriteString(w, "world")
	})
	got := ask(t, server, "/")
	reader, err := gzip.NewReader(bytes.NewReader([]byte(got.body)))
	if err != nil {
		t.Fatalf("%v: %q", err, got.body)
	}
	if body, err := io.ReadAll(reader); err != nil || string(body) != "hello world" {
		t.Errorf("got %q, %v", body, err)
	}
}

func TestChain_LetsTheBackendTakeTheConnection(t *testing.T) {
	t.Parallel()
	seen := false
	watch := probe{"watch", nil, func(*Context) { seen = true }}
	server := serving(t, `* -> watch() -> "function:f"`, Options{Filters: []FilterSpec{watch}}, func(w http.ResponseWriter, _ *http.Request) {
		conn, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		_, _ = io.WriteString(conn, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: close\r\n\r\ntaken")
		_ = conn.Close()
	})
	if got := ask(t, server, "/"); got.body != "taken" || seen {
		t.Errorf("got %q; the filter was asked: %t", got.body, seen)
	}
}
