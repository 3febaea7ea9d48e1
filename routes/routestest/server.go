package routestest

import (
	"io"
	"net/http"
	"net/http/httptest"
	"testing"

	"faas-docker/routes"
	"faas-docker/routes/eskip"
)

// Build makes a table of a text in which nothing is wrong.
func Build(t testing.TB, text string, o routes.Options) *routes.Table {
	t.Helper()
	table, problems := routes.Build(eskip.ParseEach(text), o)
	for _, p := range problems {
		t.Errorf("problem: %v", p)
	}
	return table
}

// Serve is a server with one route before the backend.
func Serve(t *testing.T, rule string, o routes.Options, backend http.HandlerFunc) *httptest.Server {
	t.Helper()
	var live routes.Live
	live.Swap(Build(t, rule, o))
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		lease, ok := live.Acquire(r)
		if !ok {
			http.Error(w, "no route", http.StatusTeapot)
			return
		}
		defer lease.Release()
		lease.Route.Serve(w, r, lease.Params, backend)
	}))
	t.Cleanup(server.Close)
	return server
}

// Ask GETs from shop.example.org, with X-In, a cookie c and gzip, and returns the answer and its body.
func Ask(t *testing.T, server *httptest.Server, target string) (*http.Response, string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, server.URL+target, nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header = http.Header{"X-In": {"in"}, "Accept-Encoding": {"gzip"}, "Cookie": {"c=cookie"}}
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
	return response, string(body)
}
