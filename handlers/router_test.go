package handlers

import (
	"bufio"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"faas-docker/metrics"
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
	table := &routes.Mount{Functions: answering("route", asked)}
	rules, err := routes.Parse(`* -> "function:f"`)
	if err != nil {
		t.Fatal(err)
	}
	built, problems := routes.Build(rules, routes.Options{})
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	table.Live.Swap(built)
	return Router{Invoke: answering("invoke", asked), GRPC: answering("grpc", asked), Routes: table.Before}.dispatch(answering("others", asked))
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

// The authority of an absolute target counts, and the field Host does not (RFC 9112, 3.2.2).
func TestRouter_AnAbsoluteTargetIsRoutedByItsAuthority(t *testing.T) {
	address, _ := rescuedHost(t, `other: Host("^other(:81)?$") -> "function:f"; rest: * -> <shunt>`)
	for target, want := range map[string]int{"http://other:81/x": http.StatusOK, "/x": http.StatusNotFound} {
		conn, err := net.Dial("tcp", address)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		_ = conn.SetDeadline(time.Now().Add(soon))
		fmt.Fprintf(conn, "GET %s HTTP/1.1\r\nHost: x\r\n\r\n", target)
		answer, err := http.ReadResponse(bufio.NewReader(conn), nil)
		if err != nil || answer.StatusCode != want {
			t.Errorf("%s: got %v, %v, want %d", target, answer, err, want)
		}
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

func TestRouter_MetricsStandBehindTheGuardOnDemand(t *testing.T) {
	t.Parallel()
	refuse := func(http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusUnauthorized) })
	}
	for guarded, want := range map[bool]int{false: http.StatusOK, true: http.StatusUnauthorized} {
		rt := Router{Metrics: metrics.New(metrics.Sources{}), Guard: refuse, MetricsGuarded: guarded, Bounds: Bounds{Write: time.Minute, Stopping: t.Context()}}
		w := httptest.NewRecorder()
		rt.measurements().ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/metrics", nil))
		if w.Code != want {
			t.Errorf("guarded %t: got %d, want %d", guarded, w.Code, want)
		}
	}
}
