package routes

import (
	"fmt"
	"maps"
	"slices"
)

// Filter changes a request before it is passed on, and the answer before it is sent.
// Both methods are called from many goroutines at once; what belongs to one request
// is kept in its Context.
type Filter interface {
	// Request sees the request on its way to the backend, after the filters before
	// it. To answer in the backend's place it calls Serve or Handled on the Context:
	// then neither the filters behind it nor the backend see the request.
	Request(*Context)
	// Response sees the head of the final answer on its way to the client, after the
	// filters behind it. It is called for every filter whose Request was, whoever
	// answered, but not when the answer was Handled, the connection was taken over
	// or the call was aborted.
	Response(*Context)
}

// FilterSpec makes the filters of one name.
type FilterSpec interface {
	// Name is how rules call it.
	Name() string
	// Create makes a filter for arguments of the types float64, string and Regexp.
	// Its error tells the writer of the rule what is wanted.
	Create(args []any) (Filter, error)
}

// FilterCloser is a Filter that holds something. Close is called once: when its
// rule is no longer in force and no request that was given it is under way.
type FilterCloser interface {
	Filter
	Close() error
}

// RequestOnly is embedded by filters that leave answers alone; they must not have a
// Response of their own, for it may not be called: where all of a route's filters
// leave answers alone, the backend writes to the client directly.
type RequestOnly struct{}

// Response does nothing.
func (RequestOnly) Response(*Context) {}

func (RequestOnly) leavesAnswersAlone() {}

// ResponseOnly is embedded by filters that leave requests alone.
type ResponseOnly struct{}

// Request does nothing.
func (ResponseOnly) Request(*Context) {}

// filterMaker is a FilterSpec of our own.
type filterMaker struct {
	name string
	// shape is what takes checks the arguments against.
	shape string
	// usage shows how it is written.
	usage  string
	create func(args []any) (Filter, error)
}

func (m filterMaker) Name() string { return m.name }

func (m filterMaker) Create(args []any) (Filter, error) {
	if !takes(m.shape, args) {
		return nil, fmt.Errorf("want %s", m.usage)
	}
	return m.create(args)
}

// ownFilters are those that this package has.
func (o Options) ownFilters() []FilterSpec {
	return slices.Concat(
		headerFilters(), pathFilters(), queryFilters(), cookieFilters(), answerFilters(),
		compressFilters(), o.accessFilters(), o.jwtFilters(), o.limitFilters(), corsFilters(),
		o.faultFilters(), o.breakerFilters(), o.logFilters(), o.teeFilters(), policyFilters(),
	)
}

// filterSpecs are the filters that rules can have, by name.
func (o Options) filterSpecs() map[string]FilterSpec {
	specs := map[string]FilterSpec{}
	for _, spec := range slices.Concat(o.ownFilters(), o.Filters) {
		specs[spec.Name()] = spec
	}
	return specs
}

// FilterNames are the filters that rules can have, in the order of the alphabet.
func (o Options) FilterNames() []string { return slices.Sorted(maps.Keys(o.filterSpecs())) }

// PredicateNames are the conditions that rules can have, in the order of the alphabet.
func (o Options) PredicateNames() []string {
	names := append(slices.Collect(maps.Keys(o.predicateSpecs())), predicatePath, predicateSubtree, predicateWeight)
	return slices.Sorted(slices.Values(names))
}

// makeFilters makes the filters of a route; if one cannot be made, none are.
func (b *builder) makeFilters(r *Route) error {
	for i, call := range r.Rule.Filters {
		f, err := b.makeFilter(call)
		if err != nil {
			r.closeFilters()
			return r.Rule.origin.misplaced(r.Rule.ID, filterAt(i), fmt.Errorf("%s: %w", call, err))
		}
		r.filters = append(r.filters, f)
		_, closes := f.(FilterCloser)
		r.closes = r.closes || closes
	}
	return nil
}

func (b *builder) makeFilter(call FilterCall) (Filter, error) {
	spec, ok := b.filters[call.Name]
	if !ok {
		return nil, unknown("filter", call, b.options.FilterNames())
	}
	return spec.Create(call.Args)
}

// closeFilters closes those that hold something.
func (r *Route) closeFilters() {
	for _, f := range r.filters {
		if c, ok := f.(FilterCloser); ok {
			_ = c.Close()
		}
	}
}

// close closes the filters of a table that was never in force.
func (t *Table) close() {
	for _, route := range t.routes {
		route.closeFilters()
	}
}
