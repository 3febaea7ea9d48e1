package routes

import (
	"net/http"
	"net/netip"
	"slices"
	"time"

	"github.com/hashicorp/go-hclog"

	"faas-docker/function"
)

// Options are what rules are built with. The zero value is usable.
type Options struct {
	// IgnoreTrailingSlash makes "/a" and "/a/" the same path.
	IgnoreTrailingSlash bool
	// Predicates and Filters add to the built-in ones; of one name the last counts.
	Predicates []PredicateSpec
	Filters    []FilterSpec
	// DefaultNamespace is that of a function named without one. Empty means
	// function.DefaultNamespace.
	DefaultNamespace string
	// ClientIP says who asks. Nil means the other end of the connection; behind a
	// proxy that would be the proxy.
	ClientIP func(*http.Request) netip.Addr
	// Random draws a number in [0, 1) and is called from many goroutines at once. Nil
	// means math/rand/v2.
	Random func() float64
	// Now is the time. Nil means time.Now.
	Now func() time.Time
	// Invoke is how filters call functions by themselves; nil means that they cannot.
	Invoke func(function.Name) http.Handler
	// Logger gets what filters have to say. Nil discards it.
	Logger hclog.Logger
	// Previous is a table that was built with the same options otherwise. Routes whose
	// rule is the same are taken over from it, with the state of their filters.
	Previous *Table
}

// Table is a set of routes that never changes. A nil Table has no routes. Its methods
// are safe for concurrent use.
type Table struct {
	root      node
	pathless  leaves
	routes    []*Route
	trimSlash bool
}

// Build makes a table of the rules that can be used, and says of each of the others
// why it cannot. Of several rules with one name, or with the same conditions, the
// first is used.
func Build(rules []Rule, o Options) (*Table, []Problem) {
	b := newBuilder(o)
	for _, rule := range rules {
		if err := b.add(rule); err != nil {
			b.problems = append(b.problems, Problem{Rule: rule, Err: err})
		}
	}
	return newTable(b.routes, o.IgnoreTrailingSlash), b.problems
}

func newTable(routes []*Route, trimSlash bool) *Table {
	slices.SortFunc(routes, (*Route).compare)
	t := &Table{routes: routes, trimSlash: trimSlash}
	for rank, route := range routes {
		if route.path.present {
			t.root.add(ranked{route, rank}, trimSlash)
			continue
		}
		t.pathless.add(ranked{route, rank})
	}
	return t
}

// Lookup finds the route for a request, and the values of the wildcards of its path.
// Without one it returns nil, as it does for the paths that belong to the provider.
func (t *Table) Lookup(r *http.Request) (*Route, Params) {
	if t == nil || len(t.routes) == 0 || r.URL == nil {
		return nil, nil
	}
	q := query{request: r, host: hostName(r.Host)}
	if r.URL.Path == "*" || r.Method == http.MethodConnect {
		return t.pathless.find(q), nil
	}
	path := cleanPath(r.URL.Path)
	if isReserved(path) {
		return nil, nil
	}
	if t.trimSlash {
		path = trimmed(path)
	}
	if route := t.root.find(q, path); route != nil {
		return route, route.path.params(path, t.rawPath(r, path))
	}
	return t.pathless.find(q), nil
}

// rawPath is the path with its escapes where that is of use: it has some that the
// plain path does not tell, and nothing was cleaned off.
func (t *Table) rawPath(r *http.Request, path string) string {
	raw, plain := r.URL.RawPath, r.URL.Path
	if t.trimSlash {
		raw, plain = trimmed(raw), trimmed(plain)
	}
	if raw == "" || path != plain || r.URL.EscapedPath() != r.URL.RawPath {
		return ""
	}
	return raw
}

// Routes lists the routes in the order in which those of one path are asked.
func (t *Table) Routes() []*Route {
	if t == nil {
		return nil
	}
	return slices.Clone(t.routes)
}

// Len is the number of routes.
func (t *Table) Len() int {
	if t == nil {
		return 0
	}
	return len(t.routes)
}
