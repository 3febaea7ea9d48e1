package routes

import (
	"cmp"
	"net/http"
	"net/url"
	"slices"
	"sync"

	"faas-docker/function"
	"faas-docker/routes/eskip"
)

// Route is a Rule made ready: it is in a Table, or was. Its exported fields are never modified.
type Route struct {
	Rule eskip.Rule
	// Function is where the requests go; zero unless the backend is a function.
	Function function.Name
	// Previous is set when they go to its revision before the last update, while that is kept.
	Previous bool
	// URL is where the requests go; nil unless the backend is a URL.
	URL *url.URL
	// Weight is how strict the rule is: its number of conditions but the path, plus its Weight(n).
	Weight int

	path pathPattern
	// key is equal for rules with the same conditions; empty when that is unknown.
	key        string
	predicates []Predicate
	// hostConditions are those of the predicates that look at the host.
	hostConditions []hosted
	// hosts are the only hosts that can match; nil means any.
	hosts []string
	chain

	mu sync.Mutex // protects the fields below
	// requests are those that the route was given to; its filters are closed behind the last.
	requests int
	retired  bool
}

// chain is the filters of a route made ready.
type chain struct {
	filters []Filter
	// closes is set when one of the filters is a FilterCloser.
	closes bool
	// broken is why the filters could not be made: the route refuses its requests, which
	// a weaker rule would serve without what the filters ask for. Nil means that they were.
	broken error
}

// matches reports whether a request meets every condition but the path.
func (r *Route) matches(request *http.Request) bool {
	return !slices.ContainsFunc(r.predicates, func(p Predicate) bool { return !p.Match(request) })
}

func (r *Route) isBroken() bool { return r.broken != nil }

// compare is negative when this route is asked before another of the same path.
func (r *Route) compare(other *Route) int {
	beneath := func(p pathPattern) int {
		if p.subtree {
			return 1
		}
		return 0
	}
	return cmp.Or(other.Weight-r.Weight, beneath(r.path)-beneath(other.path), cmp.Compare(r.Rule.ID, other.Rule.ID))
}
