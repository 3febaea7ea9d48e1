package routes_test

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"faas-docker/routes"
	"faas-docker/routes/eskip"
)

// late is a filter that can be made only once what it needs is there.
type late struct {
	routes.RequestOnly
	there *atomic.Bool
}

func (f late) Name() string { return "late" }

func (f late) Create(args []any) (routes.Filter, error) {
	if !f.there.Load() || len(args) > 0 {
		return nil, errors.New("open /etc/keys: no such file or directory")
	}
	return f, nil
}

func (late) Request(c *routes.Context) { c.Refuse(http.StatusUnauthorized, "a key is wanted") }

func TestBroken_NoWeakerRuleServesTheRequestsOfARuleWhoseFiltersCannotBeMade(t *testing.T) {
	t.Parallel()
	var there atomic.Bool
	var open atomic.Int64
	o := builtin(late{there: &there}, holding{open: &open})
	tests := map[string]struct{ strict, path, host string }{
		"a path":                  {strict: `Path("/admin")`, path: "/admin"},
		"a subtree":               {strict: `PathSubtree("/admin")`, path: "/admin/users/1"},
		"a wildcard":              {strict: `Path("/admin/:user")`, path: "/admin/ann"},
		"a path to be cleaned":    {strict: `PathSubtree("/admin")`, path: "/x/../admin/"},
		"a host":                  {strict: `HostAny("admin.example.org")`, path: "/", host: "admin.example.org"},
		"a regexp":                {strict: `PathRegexp(/^.admin/)`, path: "/admin"},
		"a method":                {strict: `Path("/admin") && Method("GET")`, path: "/admin"},
		"a field":                 {strict: `Header("X-Admin", "1")`, path: "/"},
		"a weight":                {strict: `Weight(9)`, path: "/anything"},
		"another filter before":   {strict: `Path("/admin") -> setPath("/x")`, path: "/admin"},
		"a filter that is closed": {strict: `Path("/admin") -> hold()`, path: "/admin"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			for _, filter := range []string{"late()", "lat()", `late("with an argument")`} {
				table, problems := routes.Build(eskip.ParseEach(`strict: `+test.strict+` -> `+filter+` -> "function:admin"; weak: * -> "function:all"`), o)
				if len(problems) != 1 || problems[0].Rule.ID != "strict" || table.Len() != 1 {
					t.Fatalf("problems %v, %d in force", problems, table.Len())
				}
				r := httptest.NewRequest("GET", test.path, nil)
				r.Header.Set("X-Admin", "1")
				if test.host != "" {
					r.Host = test.host
				}
				if open.Load() != 0 {
					t.Errorf("%d filters are open", open.Load())
				}
				var live routes.Live
				live.Swap(table)
				lease, found := live.Acquire(r)
				if !found || lease.Route.Rule.ID != "strict" {
					t.Fatalf("found %v", lease.Route)
				}
				w := httptest.NewRecorder()
				lease.Route.Serve(w, r, lease.Params, http.NotFoundHandler())
				lease.Release()
				if w.Code != http.StatusServiceUnavailable || w.Header().Get("Retry-After") == "" || !strings.Contains(w.Body.String(), `"strict"`) {
					t.Errorf("%s: %d %q", filter, w.Code, w.Body)
				}
			}
		})
	}
}

func TestBroken_ARuleIsInForceSoonAfterItsFiltersCanBeMade(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var there atomic.Bool
		source := newPushed("file")
		source.Set(eskip.ParseEach(`strict: Path("/admin") -> late() -> "function:admin"; weak: * -> "function:all"`))
		l := &routes.Loader{Live: &routes.Live{}, Sources: []routes.Source{source}}
		l.Options = builtin(late{there: &there})
		reports := 0
		l.Observe = func(routes.Report) { reports++ }
		run(t, l)
		time.Sleep(5500 * time.Millisecond)
		synctest.Wait()
		if got := l.Report(); got.Table.Len() != 1 || len(got.Problems) != 1 || reports != 1 {
			t.Fatalf("%d in force, problems %v, %d reports", got.Table.Len(), got.Problems, reports)
		}
		there.Store(true)
		time.Sleep(time.Second)
		synctest.Wait()
		if got := l.Report(); got.Table.Len() != 2 || len(got.Problems) != 0 || reports != 2 {
			t.Fatalf("%d in force, problems %v, %d reports", got.Table.Len(), got.Problems, reports)
		}
		time.Sleep(5 * time.Second)
		if reports != 2 {
			t.Errorf("%d reports, though nothing changes", reports)
		}
	})
}
