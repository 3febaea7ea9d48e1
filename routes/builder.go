package routes

import (
	"fmt"
	"slices"
	"strings"

	"faas-docker/function"
)

// builder makes routes of rules.
type builder struct {
	options    Options
	predicates map[string]PredicateSpec
	filters    map[string]FilterSpec
	previous   map[string]*Route
	// byID and byConditions are the rules that were accepted.
	byID         map[string]Rule
	byConditions map[string]Rule
	routes       []*Route
	problems     []Problem
}

func newBuilder(o Options) *builder {
	if o.DefaultNamespace == "" {
		o.DefaultNamespace = function.DefaultNamespace
	}
	b := &builder{
		options: o, predicates: o.predicateSpecs(), filters: o.filterSpecs(),
		previous: map[string]*Route{}, byID: map[string]Rule{}, byConditions: map[string]Rule{},
	}
	if o.Previous != nil {
		for _, route := range o.Previous.routes {
			b.previous[route.Rule.ID] = route
		}
	}
	return b
}

// add makes a rule a route, or says why not, and where.
func (b *builder) add(rule Rule) error {
	return rule.origin.misplaced(rule.ID, ruleAt, b.accept(rule))
}

func (b *builder) accept(rule Rule) error {
	if rule.Err != nil {
		return rule.Err
	}
	if rule.ID != "" && !isName(rule.ID) {
		return errNotName(rule.ID)
	}
	if first, taken := b.byID[rule.ID]; taken {
		return fmt.Errorf("there is %s, which comes first: give this one another name", first.whose())
	}
	route, reused := b.reuse(rule)
	if !reused {
		var err error
		if route, err = b.route(rule); err != nil {
			return err
		}
	}
	if first, taken := b.byConditions[route.key]; taken && route.key != "" {
		return fmt.Errorf("no request would reach it: %s has the same conditions and comes first", first.whose())
	}
	if !reused {
		if err := b.makeFilters(route); err != nil {
			return err
		}
	}
	b.byID[rule.ID], b.byConditions[route.key] = rule, rule
	b.routes = append(b.routes, route)
	return nil
}

// whose names a rule for messages about another.
func (r Rule) whose() string {
	if r.Source == "" {
		return fmt.Sprintf("a rule %q", r.ID)
	}
	return fmt.Sprintf("a rule %q from %s", r.ID, r.Source)
}

func (b *builder) reuse(rule Rule) (*Route, bool) {
	route, ok := b.previous[rule.ID]
	if !ok || route.holders.retired() || !route.Rule.Equal(rule) {
		return nil, false
	}
	return route, true
}

// route makes all of a route but its filters.
func (b *builder) route(rule Rule) (*Route, error) {
	r := &Route{Rule: rule}
	if err := b.resolve(r); err != nil {
		return nil, err
	}
	for i, call := range rule.Predicates {
		if err := b.condition(r, call); err != nil {
			return nil, rule.origin.misplaced(rule.ID, predicateAt(i), fmt.Errorf("%s: %w", call, err))
		}
	}
	r.key = b.conditionsKey(rule, r.path)
	return r, nil
}

// resolve finds out where the backend is.
func (b *builder) resolve(r *Route) (err error) {
	switch r.Rule.Backend.Kind {
	case BackendFunction:
		r.Function, err = r.Rule.Backend.function(b.options.DefaultNamespace)
		r.Previous = r.Rule.Backend.isPrevious()
	case BackendURL:
		r.URL, err = r.Rule.Backend.url()
	}
	return err
}

// condition adds one condition to a route.
func (b *builder) condition(r *Route, call PredicateCall) error {
	switch call.Name {
	case predicatePath, predicateSubtree:
		return b.setPath(r, call)
	case predicateWeight:
		return addWeight(r, call)
	}
	spec, ok := b.predicates[call.Name]
	if !ok {
		return unknown("condition", call, b.options.PredicateNames())
	}
	p, err := spec.Create(call.Args)
	if err != nil {
		return err
	}
	r.predicates = append(r.predicates, p)
	r.Weight++
	if weighted, ok := spec.(WeightedPredicateSpec); ok {
		r.Weight += weighted.Weight()
	}
	if h, ok := p.(hosted); ok && r.hosts == nil {
		r.hosts = distinct(h.hosts())
	}
	return nil
}

func distinct(names []string) []string {
	slices.Sort(names)
	return slices.Compact(names)
}

func (b *builder) setPath(r *Route, call PredicateCall) error {
	if !takes("s", call.Args) {
		return fmt.Errorf(`want %s("/shop/:item")`, call.Name)
	}
	if r.path.present {
		return fmt.Errorf("a rule has one Path or PathSubtree: write PathRegexp for a second condition on the path")
	}
	var err error
	r.path, err = parsePattern(pattern(call.Args[0]), call.Name == predicateSubtree, b.options.IgnoreTrailingSlash)
	return err
}

func addWeight(r *Route, call PredicateCall) error {
	if !takes("n", call.Args) {
		return fmt.Errorf("want Weight(100)")
	}
	n, err := whole(call.Args[0])
	r.Weight += n
	return err
}

// conditionsKey is equal for two rules that match the same requests in the same
// place, the second of which no request would reach. It is empty where that cannot
// be said: shares are drawn anew, and of other makers' conditions nothing is known.
func (b *builder) conditionsKey(rule Rule, path pathPattern) string {
	var parts []string
	for _, call := range rule.Predicates {
		_, own := b.predicates[call.Name].(maker)
		switch {
		case call.Name == predicatePath || call.Name == predicateSubtree:
		case call.Name == predicateTraffic || !own && call.Name != predicateWeight:
			return ""
		default:
			parts = append(parts, call.String())
		}
	}
	slices.Sort(parts)
	return path.anonymous() + " " + strings.Join(slices.Compact(parts), " && ")
}
