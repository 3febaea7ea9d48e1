package routes

import (
	"net/http"
	"regexp"
	"slices"
)

// headerSpecs make the conditions on the fields of the header, cookies included,
// and on the query. A field that occurs several times meets a condition when one of
// its values does.
func headerSpecs() []PredicateSpec {
	return []PredicateSpec{
		maker{"Header", "ss", `Header("Accept", "application/json")`, createHeader},
		maker{"HeaderRegexp", "sr", `HeaderRegexp("Accept", /json/)`, createHeaderRegexp},
		maker{"Cookie", "sr", `Cookie("group", /^beta$/)`, createCookie},
		maker{"QueryParam", "s?r", `QueryParam("debug") or QueryParam("version", /^2/)`, createQueryParam},
	}
}

func createHeader(args []any) (Predicate, error) {
	key, want := http.CanonicalHeaderKey(pattern(args[0])), pattern(args[1])
	return PredicateFunc(func(r *http.Request) bool { return slices.Contains(r.Header[key], want) }), nil
}

func createHeaderRegexp(args []any) (Predicate, error) {
	key := http.CanonicalHeaderKey(pattern(args[0]))
	re, err := expression(args[1])
	return PredicateFunc(func(r *http.Request) bool { return slices.ContainsFunc(r.Header[key], re.MatchString) }), err
}

func createCookie(args []any) (Predicate, error) {
	name := pattern(args[0])
	re, err := expression(args[1])
	return PredicateFunc(func(r *http.Request) bool {
		return slices.ContainsFunc(r.CookiesNamed(name), func(c *http.Cookie) bool { return re.MatchString(c.Value) })
	}), err
}

func createQueryParam(args []any) (Predicate, error) {
	name := pattern(args[0])
	if len(args) == 1 {
		return PredicateFunc(func(r *http.Request) bool { return r.URL.RawQuery != "" && r.URL.Query().Has(name) }), nil
	}
	re, err := expression(args[1])
	return queryParam{name, re}, err
}

// queryParam compares the values of a parameter of the query.
type queryParam struct {
	name       string
	expression *regexp.Regexp
}

func (p queryParam) Match(r *http.Request) bool {
	return r.URL.RawQuery != "" && slices.ContainsFunc(r.URL.Query()[p.name], p.expression.MatchString)
}
