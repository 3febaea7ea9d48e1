package main

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"faas-docker/routes"
)

// answering is a handler that notes that it was asked.
func answering(name string, asked *string) http.Handler {
	return http.HandlerFunc(func(http.ResponseWriter, *http.Request) { *asked = name })
}

// dispatcher is a router whose parts only note that they were asked; a route wants all
// that it can get.
func dispatcher(t testing.TB, asked *string) http.Handler {
	t.Helper()
	table := &routing{functions: answering("route", asked)}
	rules, err := routes.Parse(`* -> "function:f"`)
	if err != nil {
		t.Fatal(err)
	}
	built, problems := routes.Build(rules, routes.Options{})
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	table.live.Swap(built)
	return router{invoke: answering("invoke", asked), grpc: answering("grpc", asked), routing: table}.dispatch(answering("others", asked))
}

func TestRouter_InvocationsPassTheRoutesByWithoutAnAllocation(t *testing.T) {
	asked := ""
	h := dispatcher(t, &asked)
	for path, want := range map[string]string{
		"/function/f": "invoke", "/function/f/x/../../y": "invoke", "/function": "others", "/system/functions": "others", "/system": "others",
		"/healthz": "others", "/metrics": "others", "/": "route", "/any": "route", "/functions": "route", "//function/f": "others",
	} {
		asked = ""
		if h.ServeHTTP(nil, httptest.NewRequest("GET", path, nil)); asked != want {
			t.Errorf("%s went to %q, want %s", path, asked, want)
		}
	}
	r := httptest.NewRequest("GET", "/function/f", nil)
	if n := testing.AllocsPerRun(100, func() { h.ServeHTTP(nil, r) }); n != 0 {
		t.Errorf("%g allocations before an invocation", n)
	}
}

// BenchmarkDispatch is what stands before an invocation because there can be routes;
// proxy's BenchmarkHandler is the whole of one.
func BenchmarkDispatch(b *testing.B) {
	asked := ""
	h, r := dispatcher(b, &asked), httptest.NewRequest("GET", "/function/f", nil)
	b.ReportAllocs()
	for b.Loop() {
		h.ServeHTTP(nil, r)
	}
}
