package routes_test

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"testing"

	"faas-docker/routes"
	"faas-docker/routes/routestest"
)

// Rules see the path with its /../ resolved, so the backend does, too: "/admin/../public" is
// public for both.
func TestMount_NoBackendSeesAClimbThatItsRuleDidNot(t *testing.T) {
	t.Parallel()
	got := ""
	m := &routes.Mount{Functions: http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { got = r.RequestURI })}
	m.Live.Swap(routestest.Build(t, `
		admin: PathSubtree("/admin") -> "function:admin";
		shown: PathSubtree("/shown") -> setQuery("q", "1") -> "function:shown";
		rest: * -> "function:rest"`, builtin()))
	before := m.Before(http.NotFoundHandler())
	for target, want := range map[string]string{
		"/a/b":                        "/function/rest.openfaas-fn/a/b",
		"/admin/../public":            "/function/rest.openfaas-fn/public",
		"/admin/..%2fpublic":          "/function/rest.openfaas-fn/public",
		"/admin/%2e%2e/public":        "/function/rest.openfaas-fn/public",
		"/public/../admin/x?q=../y":   "/function/admin.openfaas-fn/admin/x?q=../y",
		"/public/.%2E/admin/":         "/function/admin.openfaas-fn/admin/",
		"/admin/./x":                  "/function/admin.openfaas-fn/admin/./x",
		"/./x":                        "/function/rest.openfaas-fn/./x",
		"/admin/x/..":                 "/function/admin.openfaas-fn/admin/",
		"/admin/.":                    "/function/admin.openfaas-fn/admin/.",
		"/../../admin":                "/function/admin.openfaas-fn/admin",
		"/x/../shown/a b":             "/function/shown.openfaas-fn/shown/a%20b?q=1",
		"/admin//x":                   "/function/admin.openfaas-fn/admin//x",
		"/admin/.well-known/x":        "/function/admin.openfaas-fn/admin/.well-known/x",
		"/admin/..x/...":              "/function/admin.openfaas-fn/admin/..x/...",
		"/a%2fb/..c%2e":               "/function/rest.openfaas-fn/a%2fb/..c%2e",
		"/x/../%e4%b8%96?a=%2f..%2fb": "/function/rest.openfaas-fn/%e4%b8%96?a=%2f..%2fb",
		"//x/../a%2Fb+c":              "/function/rest.openfaas-fn/a%2Fb+c",
		"/a%2Fb/../c%2Fd":             "/function/rest.openfaas-fn/a/c/d",
	} {
		r := httptest.NewRequest("GET", "/", nil)
		r.RequestURI = target
		var err error
		if r.URL, err = url.ParseRequestURI(target); err != nil {
			t.Fatal(err)
		}
		before.ServeHTTP(httptest.NewRecorder(), r)
		if got != want {
			t.Errorf("%s: the backend sees %s, want %s", target, got, want)
		}
	}
}
