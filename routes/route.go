package routes

import (
	"net/http"
	"net/url"

	"faas-docker/function"
)

// Route is a Rule made ready: it is in a Table, or was. Its fields are never
// modified.
type Route struct {
	Rule Rule
	// Function is where the requests go; zero unless the backend is a function.
	Function function.Name
	// Previous is set when they go to the revision of it that the last update replaced,
	// while that is kept.
	Previous bool
	// URL is where the requests go; nil unless the backend is a URL.
	URL *url.URL
	// Weight is how strict the rule is: the number of its conditions, the path not
	// counted, plus its Weight(n).
	Weight int

	path pathPattern
	// key is equal for rules with the same conditions; empty when that is unknown.
	key        string
	predicates []Predicate
	// hosts are the only hosts that can match; nil means any.
	hosts   []string
	filters []Filter
	// closes is set when one of the filters is a FilterCloser.
	closes  bool
	holders holders
}

// matches reports whether a request meets every condition but the path.
func (r *Route) matches(request *http.Request) bool {
	for _, p := range r.predicates {
		if !p.Match(request) {
			return false
		}
	}
	return true
}

// compare is negative when this route is asked before another of the same path.
func (r *Route) compare(other *Route) int {
	if r.Weight != other.Weight {
		return other.Weight - r.Weight
	}
	if r.path.subtree != other.path.subtree {
		if r.path.subtree {
			return 1
		}
		return -1
	}
	if r.Rule.ID < other.Rule.ID {
		return -1
	}
	return 1
}
