package routes

import (
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strings"

	"faas-docker/function"
	"faas-docker/routes/argument"
	"faas-docker/routes/eskip"
)

type builder struct {
	options    Options
	predicates map[string]PredicateSpec
	filters    map[string]FilterSpec
	previous   map[string]*Route
	// byID and byConditions are the rules that were accepted.
	byID         map[string]eskip.Rule
	byConditions map[string]eskip.Rule
	routes       []*Route
}

func newBuilder(o Options) *builder {
	o.World = o.World.WithDefaults()
	b := &builder{
		options: o, predicates: byName(slices.Concat(o.conditions(), o.Predicates)), filters: byName(o.Filters),
		previous: map[string]*Route{}, byID: map[string]eskip.Rule{}, byConditions: map[string]eskip.Rule{},
	}
	if o.Previous != nil {
		for _, route := range o.Previous.routes {
			b.previous[route.Rule.ID] = route
		}
	}
	return b
}

// add makes a rule a route, or says why not, and where.
func (b *builder) add(rule eskip.Rule) error {
	return rule.Locate(b.accept(rule))
}

// check says what is wrong with a rule by itself; nothing of it is kept.
func (b *builder) check(rule eskip.Rule) error {
	alone := *b
	alone.byID, alone.byConditions, alone.routes = map[string]eskip.Rule{}, map[string]eskip.Rule{}, nil
	err := alone.add(rule)
	for _, route := range alone.routes {
		route.closeFilters()
	}
	return err
}

func (b *builder) accept(rule eskip.Rule) error {
	if rule.Err != nil {
		return rule.Err
	}
	if rule.ID != "" {
		if err := eskip.CheckName(rule.ID); err != nil {
			return err
		}
	}
	if first, taken := b.byID[rule.ID]; taken {
		return fmt.Errorf("there is %s, which comes first: give this one another name", whose(first))
	}
	route, reused := b.reuse(rule)
	if !reused {
		var err error
		if route, err = b.route(rule); err != nil {
			return err
		}
	}
	if first, taken := b.byConditions[route.key]; taken && route.key != "" {
		return fmt.Errorf("no request would reach it: %s has the same conditions and comes first", whose(first))
	}
	if !reused {
		route.broken = b.makeFilters(route)
	}
	b.byID[rule.ID], b.byConditions[route.key] = rule, rule
	b.routes = append(b.routes, route)
	return route.broken
}

func whose(r eskip.Rule) string {
	if r.Source == "" {
		return fmt.Sprintf("a rule %q", r.ID)
	}
	return fmt.Sprintf("a rule %q from %s", r.ID, r.Source)
}

func (b *builder) reuse(rule eskip.Rule) (*Route, bool) {
	route, ok := b.previous[rule.ID]
	if !ok || route.broken != nil || route.isRetired() || !route.Rule.Equal(rule) {
		return nil, false
	}
	return route, true
}

// route makes all of a route but its filters.
func (b *builder) route(rule eskip.Rule) (*Route, error) {
	r := &Route{Rule: rule}
	if err := b.resolve(r); err != nil {
		return nil, err
	}
	for _, call := range rule.Predicates {
		if err := b.condition(r, call); err != nil {
			return nil, rule.LocateCall(call, fmt.Errorf("%s: %w", eskip.Excerpt(call.String()), err))
		}
	}
	if err := b.checkPossible(r); err != nil {
		return nil, err
	}
	r.key = b.conditionsKey(rule, r.path)
	return r, nil
}

func (b *builder) resolve(r *Route) (err error) {
	switch r.Rule.Backend.Kind {
	case eskip.BackendFunction:
		r.Function, err = r.Rule.Backend.Function(b.options.DefaultNamespace)
		r.Previous = r.Rule.Backend.IsPrevious()
	case eskip.BackendURL:
		r.URL, err = b.url(r.Rule.Backend)
	}
	return err
}

func (b *builder) url(backend eskip.Backend) (*url.URL, error) {
	u, err := backend.URL()
	if err != nil || b.options.RefuseURL == nil {
		return u, err
	}
	if err := b.options.RefuseURL(u); err != nil {
		return nil, function.Invalid("backend", "%q: %v: requests would come back again and again; want \"function:name\" for a function", backend.Text, err)
	}
	return u, nil
}

func (b *builder) condition(r *Route, call eskip.Call) error {
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
	if weighted, ok := spec.(interface{ Weight() int }); ok {
		r.Weight += weighted.Weight()
	}
	if h, ok := p.(hosted); ok {
		r.hostConditions = append(r.hostConditions, h)
		if r.hosts == nil {
			r.hosts = hostNames(h)
		}
	}
	return nil
}

func (b *builder) setPath(r *Route, call eskip.Call) error {
	if !argument.Match("s", call.Args) {
		return fmt.Errorf(`want %s("/shop/:item")`, call.Name)
	}
	if r.path.present {
		return fmt.Errorf("a rule has one Path or PathSubtree: write PathRegexp for a second condition on the path")
	}
	var err error
	r.path, err = parsePattern(argument.Text(call.Args[0]), call.Name == predicateSubtree, b.options.IgnoreTrailingSlash)
	return err
}

func addWeight(r *Route, call eskip.Call) error {
	if !argument.Match("n", call.Args) {
		return fmt.Errorf("want Weight(100)")
	}
	n, err := argument.Int(call.Args[0])
	r.Weight += n
	return err
}

// conditionsKey is equal for rules that match the same requests in the same place, so that no request would
// reach the second. It is empty where that is unknown: for shares, and for other makers' conditions.
func (b *builder) conditionsKey(rule eskip.Rule, path pathPattern) string {
	var parts []string
	for _, call := range rule.Predicates {
		_, own := b.predicates[call.Name].(argument.Maker[Predicate])
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

// byName finds conditions, or filters, by their names. Of one name the last counts.
func byName[S interface{ Name() string }](specs []S) map[string]S {
	found := map[string]S{}
	for _, spec := range specs {
		found[spec.Name()] = spec
	}
	return found
}

// FilterNames are the filters that rules can have, in the order of the alphabet.
func (o Options) FilterNames() []string { return slices.Sorted(maps.Keys(byName(o.Filters))) }

// PredicateNames are the conditions that rules can have, in the order of the alphabet.
func (o Options) PredicateNames() []string {
	names := byName(slices.Concat(o.conditions(), o.Predicates))
	return slices.Sorted(slices.Values(append(slices.Collect(maps.Keys(names)), predicatePath, predicateSubtree, predicateWeight)))
}

// makeFilters makes the filters of a route; if one cannot be made, none are.
func (b *builder) makeFilters(r *Route) error {
	for _, call := range r.Rule.Filters {
		f, err := b.makeFilter(call)
		if err != nil {
			r.closeFilters()
			r.chain = chain{}
			return r.Rule.LocateCall(call, fmt.Errorf("%s: %w", eskip.Excerpt(call.String()), err))
		}
		r.filters = append(r.filters, f)
		_, closes := f.(FilterCloser)
		r.closes = r.closes || closes
	}
	return nil
}

func (b *builder) makeFilter(call eskip.Call) (Filter, error) {
	spec, ok := b.filters[call.Name]
	if !ok {
		return nil, unknown("filter", call, b.options.FilterNames())
	}
	return spec.Create(call.Args)
}

// mends reports whether the filters of a route can be made that could not be made before.
func (b *builder) mends(broken *Route) bool {
	attempt := &Route{Rule: broken.Rule}
	err := b.makeFilters(attempt)
	attempt.closeFilters()
	return err == nil
}

func (r *Route) closeFilters() {
	for _, f := range r.filters {
		if c, ok := f.(FilterCloser); ok {
			_ = c.Close()
		}
	}
}
