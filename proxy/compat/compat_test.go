package compat_test

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"faas-docker/proxy"
	"faas-docker/proxy/compat"
)

func request(t *testing.T, text string) *http.Request {
	t.Helper()
	method, url, _ := strings.Cut(text, " ")
	r, err := http.NewRequest(method, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// What the document says of connections, act by act.
func TestConnections_KeepTheRulesOfKeepAlive(t *testing.T) {
	t.Parallel()
	const address = "GET http://example.com/"
	for _, test := range []struct {
		name string
		act  func(t *testing.T, client *compat.ClientConn, server *compat.ServerConn) error
		want error
	}{
		{"an answer to what was not asked", func(t *testing.T, client *compat.ClientConn, _ *compat.ServerConn) error {
			_, err := client.Read(request(t, address))
			return err
		}, compat.ErrPipeline},
		{"an answer by the server to what was not asked", func(t *testing.T, _ *compat.ClientConn, server *compat.ServerConn) error {
			return server.Write(request(t, address), &http.Response{StatusCode: 200})
		}, compat.ErrPipeline},
		{"a second answer to one request", func(t *testing.T, client *compat.ClientConn, server *compat.ServerConn) error {
			must(t, client.Write(request(t, address)))
			r, err := server.Read()
			must(t, err)
			answer := &http.Response{StatusCode: 204, ProtoMajor: 1, ProtoMinor: 1}
			must(t, server.Write(r, answer))
			return server.Write(r, answer)
		}, compat.ErrPipeline},
		{"the last request, sent", func(t *testing.T, client *compat.ClientConn, _ *compat.ServerConn) error {
			last := request(t, address)
			last.Close = true
			must(t, client.Write(last))
			return client.Write(request(t, address))
		}, compat.ErrPersistEOF},
		{"the last request, received", func(t *testing.T, client *compat.ClientConn, server *compat.ServerConn) error {
			last := request(t, address)
			last.Close = true
			must(t, client.Write(last))
			r, err := server.Read()
			if r == nil {
				t.Error("the request is missing")
			}
			return err
		}, compat.ErrPersistEOF},
		{"the last answer", func(t *testing.T, client *compat.ClientConn, server *compat.ServerConn) error {
			sent := request(t, address)
			must(t, client.Write(sent))
			r, err := server.Read()
			must(t, err)
			must(t, server.Write(r, &http.Response{StatusCode: 200, ProtoMajor: 1, ProtoMinor: 1, Close: true}))
			answer, err := client.Read(sent)
			if answer == nil {
				t.Error("the answer is missing")
			}
			return err
		}, compat.ErrPersistEOF},
		{"after the last answer", func(t *testing.T, client *compat.ClientConn, server *compat.ServerConn) error {
			must(t, client.Write(request(t, address)))
			r, err := server.Read()
			must(t, err)
			must(t, server.Write(r, &http.Response{StatusCode: 200, ProtoMajor: 1, ProtoMinor: 1, Close: true}))
			return server.Write(r, &http.Response{StatusCode: 200})
		}, compat.ErrPipeline},
		{"a write to what was hijacked", func(t *testing.T, client *compat.ClientConn, _ *compat.ServerConn) error {
			conn, _ := client.Hijack()
			t.Cleanup(func() { _ = conn.Close() })
			return client.Write(request(t, address))
		}, errAny},
		{"a read of what was closed", func(_ *testing.T, _ *compat.ClientConn, server *compat.ServerConn) error {
			_ = server.Close()
			_, err := server.Read()
			return err
		}, errAny},
		{"an answer on what was closed", func(t *testing.T, client *compat.ClientConn, server *compat.ServerConn) error {
			must(t, client.Write(request(t, address)))
			r, err := server.Read()
			must(t, err)
			_ = server.Close()
			return server.Write(r, &http.Response{StatusCode: 200})
		}, compat.ErrClosed},
		{"a client that went away", func(_ *testing.T, client *compat.ClientConn, server *compat.ServerConn) error {
			_ = client.Close()
			_, err := server.Read()
			return err
		}, io.EOF},
		{"Do, answered", func(t *testing.T, client *compat.ClientConn, server *compat.ServerConn) error {
			go answer(server)
			got, err := client.Do(request(t, address+"x"))
			must(t, err)
			if body, _ := io.ReadAll(got.Body); string(body) != "answer to /x" {
				t.Errorf("got %q", body)
			}
			return nil
		}, nil},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			near, far := connected()
			client, server := compat.NewClientConn(near, nil), compat.NewServerConn(far, nil)
			defer client.Close()
			defer server.Close()
			err := test.act(t, client, server)
			if test.want == errAny && err == nil || test.want != errAny && !errors.Is(err, test.want) {
				t.Errorf("got %v, want %v", err, test.want)
			}
		})
	}
}

var errAny = errors.New("any error")

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func TestServerConn_AnswersInTheOrderOfTheRequests(t *testing.T) {
	t.Parallel()
	near, far := connected()
	client, server := compat.NewClientConn(near, nil), compat.NewServerConn(far, nil)
	defer client.Close()
	defer server.Close()
	var sent, received []*http.Request
	for i := range 5 {
		r := request(t, fmt.Sprintf("GET http://example.com/%d", i))
		must(t, client.Write(r))
		sent = append(sent, r)
	}
	for range sent {
		r, err := server.Read()
		must(t, err)
		received = append(received, r)
	}
	if client.Pending() != 5 || server.Pending() != 5 {
		t.Errorf("got %d and %d pending, want 5", client.Pending(), server.Pending())
	}
	// The last is ready first, and waits for the others.
	for _, r := range received[1:] {
		go func() {
			_ = server.Write(r, &http.Response{StatusCode: 200, ProtoMajor: 1, ProtoMinor: 1, Header: http.Header{"X-Path": {r.URL.Path}}})
		}()
	}
	must(t, server.Write(received[0], &http.Response{StatusCode: 200, ProtoMajor: 1, ProtoMinor: 1, Header: http.Header{"X-Path": {"/0"}}}))
	for i, r := range sent {
		got, err := client.Read(r)
		must(t, err)
		if path := got.Header.Get("X-Path"); path != fmt.Sprint("/", i) {
			t.Errorf("answer %d is for %s", i, path)
		}
	}
	if client.Pending() != 0 {
		t.Errorf("got %d pending, want none", client.Pending())
	}
}

func TestHijack_HandsOverWhatWasReadAhead(t *testing.T) {
	t.Parallel()
	near, far := connected()
	defer near.Close()
	defer far.Close()
	fmt.Fprint(near, "GET / HTTP/1.1\r\nHost: a\r\n\r\nnot HTTP any more")
	server := compat.NewServerConn(far, bufio.NewReader(far))
	_, err := server.Read()
	must(t, err)
	conn, reader := server.Hijack()
	_ = near.Close()
	if rest, _ := io.ReadAll(reader); string(rest) != "not HTTP any more" || conn != far {
		t.Errorf("got %q on %v", rest, conn)
	}
}

func TestNewProxyClientConn_WritesTheWholeURL(t *testing.T) {
	t.Parallel()
	near, far := connected()
	defer far.Close()
	client := compat.NewProxyClientConn(near, nil)
	defer client.Close()
	must(t, client.Write(request(t, "GET http://example.com/a?b")))
	line, err := bufio.NewReader(far).ReadString('\n')
	if err != nil || line != "GET http://example.com/a?b HTTP/1.1\r\n" {
		t.Errorf("got %q, %v", line, err)
	}
}

// pool counts what is lent.
type pool struct{ lent, back atomic.Int32 }

func (p *pool) Get() []byte { p.lent.Add(1); return make([]byte, 4<<10) }
func (p *pool) Put([]byte)  { p.back.Add(1) }

// toBackend is a proxy to a server that shows what it gets.
func toBackend(t *testing.T) *compat.ReverseProxy {
	t.Helper()
	backend := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		dump, _ := httputil.DumpRequest(r, true)
		w.Header().Set("Trailer", "X-Sum")
		_, _ = w.Write(dump)
		w.Header().Set("X-Sum", "1")
	}))
	t.Cleanup(backend.Close)
	return &compat.ReverseProxy{Proxy: func(_ http.ResponseWriter, r *http.Request) error {
		r.URL.Scheme, r.URL.Host = "http", backend.Listener.Addr().String()
		return nil
	}}
}

func TestReverseProxy_SendsTheRequestAsItWasLeft(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name    string
		change  func(*http.Request) // of what the client sends
		proxy   func(*http.Request) // of what is to be sent
		says    []string
		missing []string
	}{
		{"client's address", nil, nil, []string{"X-Forwarded-For: 192.0.2.1\r\n"}, []string{"X-Forwarded-Host", "X-Forwarded-Proto"}},
		{"client's address, added", func(r *http.Request) { r.Header.Set("X-Forwarded-For", "1.2.3.4") }, nil, []string{"X-Forwarded-For: 1.2.3.4, 192.0.2.1\r\n"}, nil},
		{"client's address, hidden", nil, func(r *http.Request) { r.Header["X-Forwarded-For"] = nil }, nil, []string{"X-Forwarded-For"}},
		{"forwarded fields", func(r *http.Request) {
			r.Header.Set("X-Forwarded-Host", "shop.example")
			r.Header.Set("X-Forwarded-Proto", "https")
			r.Header.Set("Forwarded", "for=1.2.3.4")
		}, nil, []string{"X-Forwarded-Host: shop.example\r\n", "X-Forwarded-Proto: https\r\n", "Forwarded: for=1.2.3.4\r\n"}, nil},
		{"query", func(r *http.Request) { r.URL.RawQuery = "a=1;b=2&c=%zz" }, nil, []string{"?a=1;b=2&c=%zz HTTP/1.1"}, nil},
		{"host", func(r *http.Request) { r.Host = "shop.example" }, nil, []string{"Host: shop.example\r\n"}, nil},
		{"connection's fields", func(r *http.Request) {
			r.Header.Set("Connection", "X-Mine, close")
			r.Header.Set("X-Mine", "1")
			r.Header.Set("Proxy-Authorization", "x")
			r.Header.Set("Te", "gzip")
		}, nil, nil, []string{"X-Mine", "Proxy-Authorization", "Te:"}},
		{"method and path", nil, func(r *http.Request) { r.Method, r.URL.Path = "PUT", "/other" }, []string{"PUT /other"}, nil},
		{"field", nil, func(r *http.Request) { r.Header.Set("X-Tenant", "a") }, []string{"X-Tenant: a\r\n"}, nil},
		{"body", nil, func(r *http.Request) { r.Body, r.ContentLength = io.NopCloser(strings.NewReader("other")), 5 }, []string{"\r\n\r\nother"}, nil},
		{"user agent", func(r *http.Request) { r.Header.Set("User-Agent", "curl") }, nil, []string{"User-Agent: curl\r\n"}, nil},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			p := toBackend(t)
			direct := p.Proxy
			p.Proxy = func(w http.ResponseWriter, r *http.Request) error {
				if test.proxy != nil {
					test.proxy(r)
				}
				return direct(w, r)
			}
			r := httptest.NewRequest("GET", "/path", nil)
			if test.change != nil {
				test.change(r)
			}
			before := r.URL.String()
			w := httptest.NewRecorder()
			p.ServeHTTP(w, r)
			if w.Code != 200 || w.Result().Trailer.Get("X-Sum") != "1" || r.URL.String() != before || r.Method != "GET" {
				t.Errorf("got %d, trailer %v, and the client's request as %s %s", w.Code, w.Result().Trailer, r.Method, r.URL)
			}
			for _, want := range test.says {
				if !strings.Contains(w.Body.String(), want) {
					t.Errorf("the backend got %q, want %q", w.Body, want)
				}
			}
			for _, other := range test.missing {
				if strings.Contains(w.Body.String(), other) {
					t.Errorf("the backend got %q, want no %q", w.Body, other)
				}
			}
		})
	}
}

func TestReverseProxy_AnswersWhatIsNotSent(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name       string
		err        error
		code       int
		body, logs string
	}{
		{"handled", compat.ErrHandled, 418, "own answer", "handled"},
		{"handled, by its other name", proxy.ErrHandled, 418, "own answer", "handled"},
		{"handled, wrapped", fmt.Errorf("by the cache: %w", compat.ErrHandled), 418, "own answer", "handled"},
		{"refused", errors.New("no tenant"), 500, "Internal Server Error\n", "no tenant"},
		{"not reached", nil, 502, "", "proxy error"},
	} {
		var logged bytes.Buffer
		p := &compat.ReverseProxy{ErrorLog: log.New(&logged, "", 0), Debug: true, Proxy: func(w http.ResponseWriter, _ *http.Request) error {
			if errors.Is(test.err, compat.ErrHandled) {
				w.WriteHeader(http.StatusTeapot)
				_, _ = io.WriteString(w, "own answer")
			}
			return test.err
		}}
		w := httptest.NewRecorder()
		p.ServeHTTP(w, httptest.NewRequest("GET", "/", nil))
		if w.Code != test.code || w.Body.String() != test.body || !strings.Contains(logged.String(), test.logs) {
			t.Errorf("%s: got %d %q, logged %q", test.name, w.Code, w.Body, &logged)
		}
	}
}

func TestReverseProxy_HonoursItsOtherFields(t *testing.T) {
	t.Parallel()
	lent, used := &pool{}, false
	p := toBackend(t)
	p.BufferPool = lent
	p.Transport = roundTripper(func(r *http.Request) (*http.Response, error) {
		used = true
		return http.DefaultTransport.RoundTrip(r)
	})
	p.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("GET", "/", nil))
	if !used || lent.lent.Load() == 0 || lent.lent.Load() != lent.back.Load() {
		t.Errorf("got transport used %t, %d buffers lent and %d given back", used, lent.lent.Load(), lent.back.Load())
	}

	held := make(chan struct{})
	backend := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", "10")
		_, _ = io.WriteString(w, "first")
		_ = http.NewResponseController(w).Flush()
		<-held
		_, _ = io.WriteString(w, "again")
	}))
	t.Cleanup(backend.Close)
	front := httptest.NewServer(&compat.ReverseProxy{FlushInterval: time.Millisecond, Proxy: func(_ http.ResponseWriter, r *http.Request) error {
		r.URL.Scheme, r.URL.Host = "http", backend.Listener.Addr().String()
		return nil
	}})
	t.Cleanup(front.Close)
	answer, err := http.Get(front.URL)
	must(t, err)
	defer answer.Body.Close()
	first := make([]byte, 5)
	_, err = io.ReadFull(answer.Body, first)
	close(held)
	if err != nil || string(first) != "first" {
		t.Errorf("got %q, %v before the answer was complete", first, err)
	}
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }
