package interop

import (
	"context"
	"net/http"
	"testing"

	"faas-docker/function"
	"faas-docker/proxy"
	"faas-docker/routes"
	"faas-docker/routes/filters"
)

// routed runs the interop server behind a route whose filters look at requests and
// answers, and behind a director.
func routed(t *testing.T) string {
	t.Helper()
	_, direct := serveGRPC(t)
	h := newHandler(t)
	deploy(t, h, "interop", direct)
	rules, err := routes.Parse(`Path("/grpc.testing.TestService/*method")
		-> accessLog() -> consecutiveBreaker(1000) -> rateLimit(100000, "1s") -> compress() -> cors() -> responseCookie("a", "b")
		-> setRequestHeader("x-routed", "yes") -> setResponseHeader("x-route", "yes") -> tee("function:nobody") -> "function:interop"`)
	if err != nil {
		t.Fatal(err)
	}
	var live routes.Live
	table, problems := routes.Build(rules, routes.Options{Filters: filters.All(filters.Options{Invoke: func(function.Name) http.Handler { return h }})})
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	live.Swap(table)
	backend := h.Direct(func(ctx context.Context, _ string, metadata http.Header) (context.Context, function.Name, error) {
		if metadata.Get("x-routed") != "yes" {
			return ctx, function.Name{}, proxy.ErrUnimplemented
		}
		return ctx, function.ParseName("interop", function.DefaultNamespace), nil
	})
	return serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		lease, found := live.Acquire(r)
		if !found {
			backend.ServeHTTP(w, r)
			return
		}
		defer lease.Release()
		lease.Route.Serve(w, r, lease.Params, backend)
	}))
}

func TestGRPC_InteropCasesPassThroughFiltersAndADirector(t *testing.T) {
	cc := dial(t, routed(t))
	for _, c := range interopCases() {
		for i := range repeats {
			if failure := attempt(t.Context(), c, cc); failure != nil {
				t.Errorf("%s, run %d: %v", c.name, i+1, failure)
			}
		}
	}
}
