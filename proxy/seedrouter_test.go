package proxy_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"log"
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

// nameResolver resolves every name to one URL and remembers it.
type nameResolver struct {
	to   string
	name string
}

func (r *nameResolver) Resolve(name string) (url.URL, error) {
	r.name = name
	parsed, err := url.Parse(r.to)
	return *parsed, err
}

// Any router that sets the variable name will do, wherever it mounts the handler.
func TestNewHandlerFunc_WorksUnderAnyRouter(t *testing.T) {
	t.Parallel()
	function := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		fmt.Fprintf(w, "%s %s %s", r.Method, r.RequestURI, body)
	}))
	t.Cleanup(function.Close)
	type mount func(pattern string, handler http.HandlerFunc) http.Handler
	gorilla := func(pattern string, handler http.HandlerFunc) http.Handler {
		router := mux.NewRouter()
		router.HandleFunc(pattern, handler)
		return router
	}
	encoded := func(pattern string, handler http.HandlerFunc) http.Handler {
		router := mux.NewRouter().UseEncodedPath().SkipClean(true)
		router.HandleFunc(pattern, handler)
		return router
	}
	standard := func(pattern string, handler http.HandlerFunc) http.Handler {
		router := http.NewServeMux()
		router.HandleFunc(pattern, handler)
		return router
	}
	given := func(name string) mount {
		return func(_ string, handler http.HandlerFunc) http.Handler {
			return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				handler(w, mux.SetURLVars(r, map[string]string{"name": name}))
			})
		}
	}
	for _, test := range []struct {
		name    string
		mount   mount
		pattern string
		path    string
		want    string // name, and request target
	}{
		{"name alone", gorilla, "/{name}", "/figlet", "figlet /"},
		{"name with a query", gorilla, "/{name}", "/figlet?a=b%2Fc&d", "figlet /?a=b%2Fc&d"},
		{"another prefix", gorilla, "/api/v1/{name}/{params:.*}", "/api/v1/figlet/a/b", "figlet /a/b"},
		{"another prefix, no rest", gorilla, "/fn/{name}/{params:.*}", "/fn/figlet/", "figlet /"},
		{"async", gorilla, "/async-function/{name}/{params:.*}", "/async-function/figlet.dev/x?y", "figlet.dev /x?y"},
		{"name in the middle", gorilla, "/run/{name}/now", "/run/figlet/now", "figlet /"},
		{"name after the rest", gorilla, "/{params:.*}/of/{name}", "/a/b/of/figlet", "figlet /a/b"},
		{"under /function/", gorilla, "/function/{name:[-a-zA-Z_0-9.]+}/{params:.*}", "/function/figlet/a%2Fb/c%20d", "figlet /a%2Fb/c%20d"},
		{"under /function/ with a namespace before", gorilla, "/function/{namespace}/{name}", "/function/dev/figlet", "figlet /"},
		{"decoded", gorilla, "/fn/{name}/{params:.*}", "/fn/figlet/c%20d%3F/%C3%A4", "figlet /c%20d%3F/%C3%A4"},
		{"encoded path", encoded, "/fn/{name}/{params:.*}", "/fn/figlet/a%2Fb", "figlet /a%2Fb"},
		{"two slashes", encoded, "/fn/{name}/{params:.*}", "/fn/figlet//a", "figlet //a"},
		{"net/http", standard, "POST /fn/{name}", "/fn/figlet?q", "figlet /?q"},
		{"net/http with the rest", standard, "/fn/{name}/{params...}", "/fn/figlet/a/b%20c?q=1", "figlet /a/b%20c?q=1"},
		{"set by hand", given("figlet"), "", "/foo", "figlet /"},
		{"set by hand, against the path", given("cows"), "", "/function/figlet/x", "cows /"},
		{"no router", func(_ string, handler http.HandlerFunc) http.Handler { return handler }, "", "/function/figlet/x?y", "figlet /x?y"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			resolver := &nameResolver{to: function.URL}
			handler := test.mount(test.pattern, proxy.NewHandlerFunc(types.FaaSConfig{}, resolver, hclog.NewNullLogger()))
			w := httptest.NewRecorder()
			handler.ServeHTTP(w, httptest.NewRequest(http.MethodPost, test.path, strings.NewReader("body")))
			name, path, _ := strings.Cut(test.want, " ")
			if want := "POST " + path + " body"; w.Code != 200 || w.Body.String() != want || resolver.name != name {
				t.Errorf("got %d %q for %q, want %q for %q", w.Code, w.Body, resolver.name, want, name)
			}
		})
	}
}

func TestNewHandlerFunc_WithoutANameIs400(t *testing.T) {
	t.Parallel()
	for _, path := range []string{"/foo", "/", "/function/", "http://example.com/foo", "/function//x"} {
		w := httptest.NewRecorder()
		r := mux.SetURLVars(httptest.NewRequest(http.MethodGet, path, nil), map[string]string{"name": ""})
		proxy.NewHandlerFunc(types.FaaSConfig{}, &nameResolver{}, hclog.NewNullLogger())(w, r)
		if w.Code != http.StatusBadRequest || w.Body.String() != "Provide function name in the request path\n" {
			t.Errorf("%s: got %d %q", path, w.Code, w.Body)
		}
	}
}

type failing struct{ err error }

func (f failing) Resolve(string) (url.URL, error) { return url.URL{}, f.err }

func TestNewHandlerFunc_LogsWhatTheResolverSaysAndHowLongItTook(t *testing.T) {
	var logged bytes.Buffer
	logger := hclog.New(&hclog.LoggerOptions{Output: &logged})
	call := func(handler http.HandlerFunc) {
		handler(httptest.NewRecorder(), mux.SetURLVars(httptest.NewRequest(http.MethodGet, "/foo", nil), map[string]string{"name": "figlet"}))
	}
	broken := failing{errors.New("can not find test service")}
	call(proxy.NewHandlerFunc(types.FaaSConfig{ReadTimeout: time.Second}, broken, logger))
	for _, want := range []string{"can not find test service", "figlet", "took="} {
		if !strings.Contains(logged.String(), want) {
			t.Errorf("the log %q lacks %q", &logged, want)
		}
	}
	logged.Reset()
	before := log.Writer()
	log.SetOutput(&logged)
	defer log.SetOutput(before)
	call(proxy.NewHandlerFunc(types.FaaSConfig{ReadTimeout: time.Second}, broken, nil))
	if !strings.Contains(logged.String(), "can not find test service") || strings.Contains(logged.String(), "took=") {
		t.Errorf("got %q in the standard log, want the error alone", &logged)
	}
}
