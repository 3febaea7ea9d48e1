package routes

import (
	"fmt"
	"net/http"
	"regexp"
	"slices"

	"faas-docker/grammar"
	"faas-docker/routes/argument"
	"faas-docker/routes/eskip"
)

// askedKey reads the name of a field that a condition looks at.
func askedKey(arg any) (string, error) {
	key, err := argument.Header(arg)
	switch key {
	case "Host":
		return "", fmt.Errorf("no request has it among its fields: the conditions Host and HostAny look at it")
	case "Transfer-Encoding", "Trailer":
		return "", fmt.Errorf("no request has %s among its fields: it says how the body is sent, and is not passed on", key)
	}
	return key, err
}

func createHeader(args []any) (PredicateFunc, error) {
	key, err := askedKey(args[0])
	want := argument.Text(args[1])
	if err == nil && (!grammar.IsValue(want) || grammar.Trim(want) != want) {
		err = fmt.Errorf("%s: no field has such a value: it has neither control characters nor blanks at its ends", eskip.Quote(eskip.Excerpt(want)))
	}
	if err != nil {
		return nil, err
	}
	return func(r *http.Request) bool { return slices.Contains(r.Header[key], want) }, nil
}

func createHeaderRegexp(args []any) (PredicateFunc, error) {
	key, err := askedKey(args[0])
	if err != nil {
		return nil, err
	}
	re, err := matchable(args[1], fieldText())
	return func(r *http.Request) bool { return slices.ContainsFunc(r.Header[key], re.MatchString) }, err
}

func createCookie(args []any) (PredicateFunc, error) {
	name := argument.Text(args[0])
	if !grammar.IsToken(name) {
		return nil, fmt.Errorf("%s: no cookie has such a name", eskip.Quote(eskip.Excerpt(name)))
	}
	re, err := matchable(args[1], cookieText())
	return func(r *http.Request) bool {
		return slices.ContainsFunc(r.CookiesNamed(name), func(c *http.Cookie) bool { return re.MatchString(c.Value) })
	}, err
}

func createQueryParam(args []any) (PredicateFunc, error) {
	name := argument.Text(args[0])
	if len(args) == 1 {
		return func(r *http.Request) bool { return r.URL.RawQuery != "" && r.URL.Query().Has(name) }, nil
	}
	re, err := matchable(args[1], textKind{what: "value", may: func(rune) bool { return true }})
	return func(r *http.Request) bool {
		return r.URL.RawQuery != "" && slices.ContainsFunc(r.URL.Query()[name], re.MatchString)
	}, err
}

// matchable compiles an expression for texts of a kind, and refuses one that none matches.
func matchable(arg any, kind textKind) (*regexp.Regexp, error) {
	re, err := argument.Regexp(arg)
	if err == nil {
		err = kind.matching(argument.Text(arg))
	}
	return re, err
}
