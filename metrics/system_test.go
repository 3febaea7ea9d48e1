package metrics

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

func TestSystem_CountsByRouteNeverByPath(t *testing.T) {
	t.Parallel()
	m := New(Sources{})
	handler := m.System("/system/function", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/system/function/figlet" {
			w.WriteHeader(http.StatusNotFound)
		}
		fmt.Fprint(w, "answer")
	}))
	for _, request := range []struct{ method, path string }{
		{"GET", "/system/function/figlet"},
		{"GET", "/system/function/one"},
		{"GET", "/system/function/two"},
		{"BREW", "/system/function/three"},
	} {
		answer := httptest.NewRecorder()
		handler.ServeHTTP(answer, httptest.NewRequestWithContext(t.Context(), request.method, request.path, nil))
		if answer.Body.String() != "answer" {
			t.Errorf("%v: body %q", request, answer.Body)
		}
	}
	expect(t, m, `
# HELP provider_http_requests_total Requests to the system API.
# TYPE provider_http_requests_total counter
provider_http_requests_total{code="200",method="GET",path="/system/function"} 1
provider_http_requests_total{code="404",method="GET",path="/system/function"} 2
provider_http_requests_total{code="404",method="other",path="/system/function"} 1
`, "provider_http_requests_total")
	line := `provider_http_request_duration_seconds_count{code="404",method="GET",path="/system/function"} 2`
	if text := scrape(t, m); !strings.Contains(text, line) {
		t.Errorf("%s is missing in\n%s", line, text)
	}
}

func TestSystem_LeavesStreamingToTheHandler(t *testing.T) {
	t.Parallel()
	next := make(chan struct{})
	server := httptest.NewServer(New(Sources{}).System("/system/logs", http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprint(w, "first")
		w.(http.Flusher).Flush()
		<-next
	})))
	defer server.Close()
	defer close(next)
	response, err := server.Client().Get(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	got := make([]byte, len("first"))
	if _, err := response.Body.Read(got); err != nil || string(got) != "first" {
		t.Errorf("got %q, %v before the answer ended", got, err)
	}
}

func TestSystem_CountsTheStatusThatCallersSaw(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		want  string
		serve http.HandlerFunc
	}{
		{"200", func(http.ResponseWriter, *http.Request) {}},
		{"200", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "x"); panic(http.ErrAbortHandler) }},
		{"418", func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(http.StatusEarlyHints)
			w.WriteHeader(http.StatusTeapot)
			panic(http.ErrAbortHandler)
		}},
		{"500", func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }},
	} {
		m := New(Sources{})
		handler := m.System("/system/info", tc.serve)
		func() {
			defer func() { _ = recover() }()
			handler.ServeHTTP(httptest.NewRecorder(), httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/", nil))
		}()
		expect(t, m, `
# HELP provider_http_requests_total Requests to the system API.
# TYPE provider_http_requests_total counter
provider_http_requests_total{code="`+tc.want+`",method="GET",path="/system/info"} 1
`, "provider_http_requests_total")
	}
}
