package proxy_test

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/gorilla/mux"
	"github.com/hashicorp/go-hclog"
	"github.com/openfaas/faas-provider/types"

	"faas-docker/proxy"
)

// resolveTo resolves every name but "unknown" to one URL.
type resolveTo string

func (r resolveTo) Resolve(name string) (url.URL, error) {
	if strings.HasPrefix(name, "unknown") {
		return url.URL{}, errors.New("no such function")
	}
	parsed, err := url.Parse(string(r))
	return *parsed, err
}

// A provider mounts the handler where its router names the function.
func ExampleNewHandlerFunc() {
	function := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(w, "%s %s from %s", r.Method, r.RequestURI, r.Header.Get("X-Forwarded-Host"))
	}))
	defer function.Close()

	timeout, resolver := types.FaaSConfig{ReadTimeout: 5 * time.Second}, resolveTo(function.URL)
	bootstrapHandlers := types.FaaSHandlers{
		FunctionProxy: proxy.NewHandlerFunc(timeout, resolver, hclog.NewNullLogger()),
	}
	router := mux.NewRouter().UseEncodedPath()
	router.HandleFunc("/function/{name:[-a-zA-Z_0-9.]+}", bootstrapHandlers.FunctionProxy)
	router.HandleFunc("/function/{name:[-a-zA-Z_0-9.]+}/{params:.*}", bootstrapHandlers.FunctionProxy)

	for _, path := range []string{"/function/figlet.openfaas-fn/a%2Fb?c=d", "/function/figlet", "/function/unknown"} {
		w := httptest.NewRecorder()
		router.ServeHTTP(w, httptest.NewRequest("GET", path, nil))
		fmt.Println(w.Code, w.Body)
	}
	// Output:
	// 200 GET /a%2Fb?c=d from example.com
	// 200 GET / from example.com
	// 503 No endpoints available for: unknown.
}

func ExampleNewProxyClientFromConfig() {
	function := httptest.NewServer(http.RedirectHandler("/elsewhere", http.StatusFound))
	defer function.Close()

	client := proxy.NewProxyClientFromConfig(types.FaaSConfig{})
	answer, err := client.Get(function.URL)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer answer.Body.Close()
	fmt.Println(answer.StatusCode, client.Timeout)
	// Output: 302 10s
}

func TestNewHandlerFunc_PanicsWithoutAResolver(t *testing.T) {
	defer func() {
		if recover() == nil {
			t.Error("no panic")
		}
	}()
	proxy.NewHandlerFunc(types.FaaSConfig{}, nil, nil)
}

func TestNewHandlerFunc_AnswersFailuresAsTheSeedDoes(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	listener.Close()
	handler := proxy.NewHandlerFunc(types.FaaSConfig{}, resolveTo("http://"+listener.Addr().String()), nil)
	for _, tc := range []struct {
		method, path string
		code         int
		text         string
	}{
		{"GET", "/function/figlet", 500, "Can't reach service for: figlet.\n"},
		{"GET", "/function/unknown.dev/x", 503, "No endpoints available for: unknown.dev.\n"},
		{"GET", "/function/", 400, "Provide function name in the request path\n"},
		{"TRACE", "/function/figlet", 405, ""},
	} {
		w := httptest.NewRecorder()
		handler(w, httptest.NewRequest(tc.method, tc.path, nil))
		if w.Code != tc.code || tc.text != "" && w.Body.String() != tc.text || w.Header().Get("X-OpenFaaS-Internal") != "proxy" {
			t.Errorf("%s %s: got %d %q %v, want %d %q", tc.method, tc.path, w.Code, w.Body, w.Header(), tc.code, tc.text)
		}
	}
}

func TestNewHandlerFunc_TooSlowIs500WithinTheReadTimeout(t *testing.T) {
	function := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }))
	defer function.Close()
	handler := proxy.NewHandlerFunc(types.FaaSConfig{ReadTimeout: 50 * time.Millisecond}, resolveTo(function.URL), nil)
	w := httptest.NewRecorder()
	handler(w, httptest.NewRequest("GET", "/function/figlet", nil))
	if w.Code != 500 {
		t.Errorf("got %d %q", w.Code, w.Body)
	}
}

func TestNewHandlerFunc_FallsBackToAContentType(t *testing.T) {
	function := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header()["Content-Type"] = nil
		if r.URL.Query().Has("typed") {
			w.Header().Set("Content-Type", "a/b")
		}
		io.WriteString(w, "<html>")
	}))
	defer function.Close()
	handler := proxy.NewHandlerFunc(types.FaaSConfig{}, resolveTo(function.URL), nil)
	for _, tc := range []struct{ query, sent, want string }{
		{"?typed", "x/y", "a/b"}, {"", "x/y", "x/y"}, {"", "", "text/plain"},
	} {
		r := httptest.NewRequest("GET", "/function/figlet"+tc.query, nil)
		if tc.sent != "" {
			r.Header.Set("Content-Type", tc.sent)
		}
		w := httptest.NewRecorder()
		handler(w, r)
		if got := w.Header().Get("Content-Type"); got != tc.want {
			t.Errorf("%+v: got %q", tc, got)
		}
	}
}

func TestNewHandlerFunc_PassesWhoCallsAndAddsToIt(t *testing.T) {
	function := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(w, "%s|%s", r.Header.Get("X-Forwarded-Host"), r.Header.Get("X-Forwarded-For"))
	}))
	defer function.Close()
	handler := proxy.NewHandlerFunc(types.FaaSConfig{}, resolveTo(function.URL), nil)
	r := httptest.NewRequest("GET", "/function/figlet", nil)
	r.Header.Set("X-Forwarded-For", "1.2.3.4")
	r.Header.Set("X-Forwarded-Host", "gateway")
	w := httptest.NewRecorder()
	handler(w, r)
	if got := w.Body.String(); got != "gateway|1.2.3.4, 192.0.2.1" {
		t.Errorf("got %q", got)
	}
}

func TestNewHandlerFunc_ReachesNamesAndHTTPS(t *testing.T) {
	echo := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(w, "%s ", r.RequestURI)
		io.Copy(w, r.Body)
	})
	plain := httptest.NewServer(echo)
	defer plain.Close()
	secure := httptest.NewTLSServer(echo)
	defer secure.Close()
	named := strings.Replace(plain.URL, "127.0.0.1", "localhost", 1)
	w := httptest.NewRecorder()
	proxy.NewHandlerFunc(types.FaaSConfig{}, resolveTo(named), nil)(w, httptest.NewRequest("POST", "/function/figlet/p", strings.NewReader("hello")))
	if w.Body.String() != "/p hello" {
		t.Errorf("by name: got %d %q", w.Code, w.Body)
	}
	// The test's certificate is nobody's: that it is refused shows that TLS was spoken.
	w = httptest.NewRecorder()
	proxy.NewHandlerFunc(types.FaaSConfig{}, resolveTo(secure.URL), nil)(w, httptest.NewRequest("GET", "/function/figlet", nil))
	if w.Code != 500 {
		t.Errorf("over TLS: got %d %q", w.Code, w.Body)
	}
}

func TestNewProxyClient_HasTheSeedsTransport(t *testing.T) {
	client := proxy.NewProxyClient(3*time.Second, 7, 5)
	transport := client.Transport.(*http.Transport)
	if client.Timeout != 3*time.Second || transport.MaxIdleConns != 7 || transport.MaxIdleConnsPerHost != 5 ||
		transport.IdleConnTimeout != 5*time.Second || transport.TLSHandshakeTimeout != 10*time.Second ||
		transport.ExpectContinueTimeout != 1500*time.Millisecond || transport.Proxy == nil {
		t.Errorf("got %+v", transport)
	}
	if err := client.CheckRedirect(nil, nil); err != http.ErrUseLastResponse {
		t.Errorf("redirects: %v", err)
	}
	byDefault := proxy.NewProxyClientFromConfig(types.FaaSConfig{}).Transport.(*http.Transport)
	if byDefault.MaxIdleConns != 1024 || byDefault.MaxIdleConnsPerHost != 1024 {
		t.Errorf("defaults: %+v", byDefault)
	}
}
