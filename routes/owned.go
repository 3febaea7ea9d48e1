package routes

import (
	"net/http"
	"slices"
	"strings"

	"faas-docker/function"
	"faas-docker/grammar"
	"faas-docker/routes/eskip"
)

// hostTier says how closely a function's annotations name a rule's hosts. Between functions the host
// decides before the path: one with a path on every host does not get it on the host of another.
type hostTier int

const (
	tierExact   hostTier = iota // a list of hosts
	tierPattern                 // an expression
	tierAny
)

func (r *Route) tier() hostTier {
	switch {
	case len(r.hostConditions) == 0:
		return tierAny
	case r.hosts == nil:
		return tierPattern
	}
	return tierExact
}

func (r *Route) admitsHost(host string) bool {
	return !slices.ContainsFunc(r.hostConditions, func(c hosted) bool { return !c.Match(&http.Request{Host: host}) })
}

// forest finds routes by path, and those without one.
type forest struct {
	root     node
	pathless leaves
}

// newForest plants routes that come in the order in which they are to be asked.
func newForest(routes []*Route, trimSlash bool) *forest {
	f := &forest{}
	for rank, route := range routes {
		if route.path.present {
			f.root.add(ranked{route, rank}, trimSlash)
			continue
		}
		f.pathless.add(ranked{route, rank})
	}
	return f
}

// find looks for the first route that matches. A path is empty where the request has none.
func (f *forest) find(q query, path string) *Route {
	if path != "" {
		if route := f.root.find(q, path); route != nil {
			return route
		}
	}
	return f.pathless.find(q)
}

// find looks for a request's route. A function's gives way to one that names the host more closely.
func (t *Table) find(q query, path string) *Route {
	route := t.paths.find(q, path)
	if route == nil || !route.Rule.Owned {
		return route
	}
	for tier, closer := range t.byTier[:route.tier()] {
		if closer == nil {
			continue
		}
		if other := closer.find(q, path); other != nil && other.tier() == hostTier(tier) {
			return other
		}
	}
	return route
}

// tiers are the routes of functions' annotations that name hosts, by how closely.
func tiers(routes []*Route, trimSlash bool) (byTier [tierAny]*forest) {
	for tier := range byTier {
		owned := slices.DeleteFunc(slices.Clone(routes), func(r *Route) bool { return !r.Rule.Owned || r.tier() != hostTier(tier) })
		if len(owned) > 0 {
			byTier[tier] = newForest(owned, trimSlash)
		}
	}
	return byTier
}

// incumbentsFirst puts those rules of annotations that are in force already before new ones: a function
// keeps its host.
func incumbentsFirst(rules []eskip.Rule, previous map[string]*Route) []eskip.Rule {
	if len(previous) == 0 {
		return rules
	}
	rank := func(r eskip.Rule) int {
		route, known := previous[r.ID]
		switch {
		case !r.Owned:
			return 0
		case known && route.Rule.Owned && route.Rule.Source == r.Source:
			return 1
		}
		return 2
	}
	rules = slices.Clone(rules)
	slices.SortStableFunc(rules, func(a, b eskip.Rule) int { return rank(a) - rank(b) })
	return rules
}

// CheckTakeover says, as a function.ErrConflict, that annotations would take another function's host.
// Taking a path on it, or some of its requests by a further condition, is no takeover: that can only be
// meant.
func CheckTakeover(spec function.Spec, others []function.Spec, o Options) error {
	if slices.ContainsFunc(others, func(before function.Spec) bool { return before.ID() == spec.ID() && asksTheSame(before, spec) }) {
		return nil
	}
	o.Previous = nil
	b := newBuilder(o)
	own := b.hostRoutes(spec)
	if len(own) == 0 {
		return nil
	}
	for _, other := range others {
		if other.ID() == spec.ID() {
			continue
		}
		theirs := b.hostRoutes(other)
		for _, mine := range own {
			for _, their := range theirs {
				if host, taken := mine.takes(their); taken {
					return function.Conflict("annotations: the host %q belongs to function %q: choose another, give each a path of its own, or delete that function first", host, other.ID())
				}
			}
		}
	}
	return nil
}

// asksTheSame reports whether the rules of the annotations stay: such an update takes nothing.
func asksTheSame(before, after function.Spec) bool {
	return slices.EqualFunc(fromSpec(before), fromSpec(after), eskip.Rule.Equal)
}

// hostRoutes are those of a function's rules that name hosts.
func (b *builder) hostRoutes(spec function.Spec) []*Route {
	var routes []*Route
	for _, rule := range fromSpec(spec) {
		if rule.Err != nil {
			continue
		}
		if route, err := b.route(rule); err == nil && route.tier() != tierAny {
			routes = append(routes, route)
		}
	}
	return routes
}

// takes reports whether a route would get all requests for a host that another one gets.
func (r *Route) takes(other *Route) (host string, taken bool) {
	if r.tier() != other.tier() || !r.coversPath(other) || !r.asksNoMore(other) {
		return "", false
	}
	if r.tier() == tierPattern {
		return other.hostTexts(), r.hostTexts() == other.hostTexts()
	}
	for _, condition := range other.hostConditions {
		for _, name := range condition.named() {
			if other.admitsHost(name) && r.admitsHost(name) {
				return name, true
			}
		}
	}
	return "", false
}

// coversPath reports whether every path of the other's is r's, too, and r is asked first.
func (r *Route) coversPath(other *Route) bool {
	if r.path.anonymous() == other.path.anonymous() {
		return r.Weight >= other.Weight
	}
	every := r.path.subtree && len(r.path.segments) == 0
	return every && !other.path.present
}

// asksNoMore reports whether each of r's conditions, beside host, path and weight, is the other's, too.
func (r *Route) asksNoMore(other *Route) bool {
	theirs := other.furtherConditions()
	return !slices.ContainsFunc(r.furtherConditions(), func(text string) bool { return !slices.Contains(theirs, text) })
}

func (r *Route) furtherConditions() []string {
	var list []string
	for _, call := range r.Rule.Predicates {
		switch call.Name {
		case predicatePath, predicateSubtree, predicateWeight, predicateHost, predicateHostAny, "True":
		default:
			list = append(list, call.String())
		}
	}
	return list
}

// hostTexts are the conditions on the host as they are written.
func (r *Route) hostTexts() string {
	var list []string
	for _, call := range r.Rule.Predicates {
		if call.Name == predicateHost || call.Name == predicateHostAny {
			list = append(list, grammar.Lower(call.String()))
		}
	}
	slices.Sort(list)
	return strings.Join(list, " && ")
}
