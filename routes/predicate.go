package routes

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
)

// Predicate is one condition. Match is called from many goroutines at once and
// must not change the request.
type Predicate interface {
	Match(*http.Request) bool
}

// PredicateFunc is a Predicate.
type PredicateFunc func(*http.Request) bool

// Match calls the function.
func (f PredicateFunc) Match(r *http.Request) bool { return f(r) }

// PredicateSpec makes the conditions of one name.
type PredicateSpec interface {
	// Name is how rules call it. Path, PathSubtree, Weight and Any are taken.
	Name() string
	// Create makes the condition for arguments of the types float64, string and
	// Regexp. Its error tells the writer of the rule what is wanted.
	Create(args []any) (Predicate, error)
}

// WeightedPredicateSpec is a PredicateSpec whose conditions count for more, or for
// less, than one when rules are put in order: 1 + Weight().
type WeightedPredicateSpec interface {
	PredicateSpec
	Weight() int
}

// maker is a PredicateSpec of our own.
type maker struct {
	name string
	// shape is what takes checks the arguments against.
	shape string
	// usage shows how it is written.
	usage  string
	create func(args []any) (Predicate, error)
}

func (m maker) Name() string { return m.name }

func (m maker) Create(args []any) (Predicate, error) {
	if !takes(m.shape, args) {
		return nil, fmt.Errorf("want %s", m.usage)
	}
	return m.create(args)
}

// predicateSpecs are the conditions that rules can have, by name.
func (o Options) predicateSpecs() map[string]PredicateSpec {
	specs := map[string]PredicateSpec{}
	own := slices.Concat(hostSpecs(), methodSpecs(), headerSpecs(), pathSpecs(), o.clientSpecs(), o.chanceSpecs(), o.clockSpecs())
	for _, spec := range own {
		specs[spec.Name()] = spec
	}
	for _, spec := range o.Predicates {
		specs[spec.Name()] = spec
	}
	return specs
}

// unknown says that there is no condition or filter of a name, and which there are.
func unknown(what string, call Call, names []string) error {
	for _, name := range names {
		if strings.EqualFold(name, call.Name) {
			return fmt.Errorf("there is no %s %q: did you mean %q", what, call.Name, name)
		}
	}
	return fmt.Errorf("there is no %s %q: there are %s", what, call.Name, strings.Join(names, ", "))
}

func methodSpecs() []PredicateSpec {
	create := func(args []any) (Predicate, error) {
		methods := texts(args)
		for i, m := range methods {
			methods[i] = strings.ToUpper(m)
		}
		return PredicateFunc(func(r *http.Request) bool { return slices.Contains(methods, r.Method) }), nil
	}
	return []PredicateSpec{
		maker{"Method", "s", `Method("GET")`, create},
		maker{"Methods", "s+", `Methods("GET", "HEAD")`, create},
	}
}
