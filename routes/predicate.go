package routes

import (
	"fmt"
	"net/http"
	"slices"
	"strings"

	"faas-docker/grammar"
	"faas-docker/routes/argument"
	"faas-docker/routes/eskip"
)

// Predicate is one condition. Match is safe for concurrent use and must not change the request.
type Predicate interface {
	Match(*http.Request) bool
}

// PredicateFunc is a Predicate.
type PredicateFunc func(*http.Request) bool

// Match calls the function.
func (f PredicateFunc) Match(r *http.Request) bool { return f(r) }

// PredicateSpec makes the conditions of one name. With a method Weight() int they count for
// 1 + Weight() conditions when rules are put in order.
type PredicateSpec interface {
	// Name is how rules call it. Path, PathSubtree, Weight and Any are taken.
	Name() string
	// Create makes the condition for arguments of the types float64, string and
	// Regexp. Its error tells the writer of the rule what is wanted.
	Create(args []any) (Predicate, error)
}

// condition makes the PredicateSpec of a condition; argument.Spec tells of the parameters.
func condition[P Predicate](name, shape, usage string, create func(args []any) (P, error)) PredicateSpec {
	return argument.Spec(name, shape, usage, func(args []any) (Predicate, error) { return create(args) })
}

// conditions are those of this program, but for the ones that the table itself has to know.
// Of a field, a cookie or a parameter that occurs several times one value has to meet them.
func (o Options) conditions() []PredicateSpec {
	return []PredicateSpec{
		condition(predicateHost, "r", `Host(/^www[.]example[.]org$/)`, createHost),
		condition(predicateHostAny, "s+", `HostAny("example.org", "www.example.org")`, createHostAny),
		condition("Method", "s", `Method("GET")`, createMethods),
		condition("Methods", "s+", `Methods("GET", "HEAD")`, createMethods),
		condition("Header", "ss", `Header("Accept", "application/json")`, createHeader),
		condition("HeaderRegexp", "sr", `HeaderRegexp("Accept", /json/)`, createHeaderRegexp),
		condition("Cookie", "sr", `Cookie("group", /^beta$/)`, createCookie),
		condition("QueryParam", "s?r", `QueryParam("debug") or QueryParam("version", /^2/)`, createQueryParam),
		condition("PathRegexp", "r", `PathRegexp(/[.]html$/)`, createPathRegexp),
		condition("ClientIP", "s+", `ClientIP("10.0.0.0/8", "192.0.2.7")`, o.createClientIP),
		// Source and SourceFromLast are eskip's names for the client behind a proxy.
		condition("Source", "s+", `Source("10.0.0.0/8")`, o.createClientIP),
		condition("SourceFromLast", "s+", `SourceFromLast("10.0.0.0/8")`, o.createClientIP),
		condition("True", "", `True()`, always(true)),
		condition("False", "", `False()`, always(false)),
		condition(predicateTraffic, "n?ss", `Traffic(0.1) or Traffic(0.1, "cookie", "group")`, o.createTraffic),
		condition("After", "t", `After("2026-01-31T18:00:00Z")`, o.createAfter),
		condition("Before", "t", `Before("2026-01-31T18:00:00Z")`, o.createBefore),
		condition("Between", "tt", `Between("2026-01-31T18:00:00Z", "2026-02-01T06:00:00Z")`, o.createBetween),
	}
}

func always(met bool) func([]any) (PredicateFunc, error) {
	return func([]any) (PredicateFunc, error) {
		return func(*http.Request) bool { return met }, nil
	}
}

func createMethods(args []any) (PredicateFunc, error) {
	methods := argument.Texts(args)
	for i, m := range methods {
		if !grammar.IsToken(m) {
			return nil, fmt.Errorf("%s: no request has such a method", eskip.Quote(eskip.Excerpt(m)))
		}
		methods[i] = grammar.Upper(m)
	}
	return func(r *http.Request) bool { return slices.Contains(methods, r.Method) }, nil
}

// unknown says that there is no condition or filter of a name, and which there are.
func unknown(what string, call eskip.Call, names []string) error {
	for _, name := range names {
		if grammar.EqualFold(name, call.Name) {
			return fmt.Errorf("there is no %s %q: did you mean %q", what, call.Name, name)
		}
	}
	return fmt.Errorf("there is no %s %q: there are %s (docs/routes.md has a table of skipper's names)", what, call.Name, strings.Join(names, ", "))
}
