package routes

import (
	"cmp"
	"math/rand/v2"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"time"

	"faas-docker/function"
	"faas-docker/grammar"
	"faas-docker/routes/eskip"
)

// World is what conditions and filters ask about beside the request. The zero value is usable.
type World struct {
	// DefaultNamespace is that of a function named without; empty means function.DefaultNamespace.
	DefaultNamespace string
	// ClientIP returns the client's address. Nil means the other end of the connection; behind a
	// proxy that would be the proxy.
	ClientIP func(*http.Request) netip.Addr
	// Random draws from [0, 1). It must be safe for concurrent use. Nil means math/rand/v2.
	Random func() float64
	// Now is the time. Nil means time.Now.
	Now func() time.Time
}

// WithDefaults fills in what is not set.
func (w World) WithDefaults() World {
	w.DefaultNamespace = cmp.Or(w.DefaultNamespace, function.DefaultNamespace)
	if w.ClientIP == nil {
		w.ClientIP = grammar.Proxies(nil).Client
	}
	if w.Random == nil {
		w.Random = rand.Float64
	}
	if w.Now == nil {
		w.Now = time.Now
	}
	return w
}

// Options are what rules are built with. The zero value is usable, but has no filters.
type Options struct {
	World
	// IgnoreTrailingSlash makes "/a" and "/a/" the same path.
	IgnoreTrailingSlash bool
	// Predicates add to the conditions of this package; of one name the last counts.
	Predicates []PredicateSpec
	// Filters are all that rules can have, such as filters.All. Of one name the last counts.
	Filters []FilterSpec
	// RefuseURL says why a rule may not send requests to a URL, for example because its own
	// requests would come back; nil refuses none.
	RefuseURL func(*url.URL) error
	// Previous is a table that was built with the same options otherwise. Routes whose
	// rule is the same are taken over from it, with the state of their filters.
	Previous *Table
}

// Table is routes that never change; a nil one has none. Its methods are safe for concurrent use.
type Table struct {
	paths *forest
	// byTier has the routes of functions that name hosts, the most closely first.
	byTier    [tierAny]*forest
	routes    []*Route
	trimSlash bool
}

// Build makes a table of the rules that can be used, and says of each of the others
// why it cannot. Of several rules with one name, or with the same conditions, the
// first is used. A rule whose filters cannot be made keeps its place, and answers 503.
func Build(rules []eskip.Rule, o Options) (*Table, []Problem) {
	b, trim := newBuilder(o), o.IgnoreTrailingSlash
	var problems []Problem
	for _, rule := range incumbentsFirst(rules, b.previous) {
		if err := b.add(rule); err != nil {
			problems = append(problems, Problem{Rule: rule, Err: err})
		}
	}
	slices.SortFunc(b.routes, (*Route).compare)
	return &Table{routes: b.routes, trimSlash: trim, paths: newForest(b.routes, trim), byTier: tiers(b.routes, trim)}, problems
}

// Lookup finds the route for a request, and the values of the wildcards of its path.
// Without one it returns nil, as it does for the paths that belong to the provider.
func (t *Table) Lookup(r *http.Request) (*Route, Params) {
	if t == nil || len(t.routes) == 0 || r.URL == nil {
		return nil, nil
	}
	q := query{request: r, host: hostName(r.Host)}
	if r.URL.Path == "*" || r.Method == http.MethodConnect {
		return t.find(q, ""), nil
	}
	path := CleanPath(r.URL.Path)
	if isReserved(path) {
		return nil, nil
	}
	if t.trimSlash {
		path = trimmed(path)
	}
	route := t.find(q, path)
	if route == nil || !route.path.present {
		return route, nil
	}
	return route, route.path.params(path, t.rawPath(r, path))
}

// rawPath is the path with its escapes, where it has some and nothing was cleaned off; else empty.
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

// Routes lists the routes in the order in which those of one path are asked, but for those that
// answer 503 because their filters cannot be made.
func (t *Table) Routes() []*Route { return slices.DeleteFunc(t.all(), (*Route).isBroken) }

// Len is how many Routes there are.
func (t *Table) Len() int { return len(t.Routes()) }

func (t *Table) broken() []*Route {
	return slices.DeleteFunc(t.all(), func(r *Route) bool { return !r.isBroken() })
}

func (t *Table) all() []*Route {
	if t == nil {
		return nil
	}
	return slices.Clone(t.routes)
}
