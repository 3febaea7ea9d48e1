package routes

import (
	"cmp"
	"fmt"
	"net/http"
	"net/netip"
	"regexp"
	"slices"

	"faas-docker/grammar"
	"faas-docker/routes/argument"
	"faas-docker/routes/eskip"
)

func (o Options) createClientIP(args []any) (PredicateFunc, error) {
	prefixes, err := parsePrefixes(args)
	return func(r *http.Request) bool {
		ip := o.ClientIP(r).Unmap()
		return slices.ContainsFunc(prefixes, func(p netip.Prefix) bool { return p.Contains(ip) })
	}, err
}

// parsePrefixes reads all that are networks or addresses. The error is that of the first that is none.
func parsePrefixes(args []any) (list []netip.Prefix, err error) {
	for _, text := range argument.Texts(args) {
		prefix, bad := parsePrefix(text)
		if bad == nil {
			list = append(list, prefix)
		}
		err = cmp.Or(err, bad)
	}
	return list, err
}

func parsePrefix(text string) (netip.Prefix, error) {
	if prefix, err := netip.ParsePrefix(text); err == nil {
		if address := prefix.Addr(); address.Is4In6() && prefix.Bits() >= 96 {
			prefix = netip.PrefixFrom(address.Unmap(), prefix.Bits()-96)
		}
		return prefix.Masked(), nil
	}
	ip, err := netip.ParseAddr(text)
	if err != nil {
		return netip.Prefix{}, fmt.Errorf("%q: want an address or a network such as 10.0.0.0/8", eskip.Excerpt(text))
	}
	return netip.PrefixFrom(ip.Unmap().WithZone(""), ip.Unmap().BitLen()), nil
}

// createTraffic lets a share of requests through. A cookie, once sent, decides alone, by its group.
func (o Options) createTraffic(args []any) (PredicateFunc, error) {
	share, err := argument.Share(args[0])
	if err != nil {
		return nil, err
	}
	chance := func(*http.Request) bool { return o.Random() < share }
	switch len(args) {
	case 1:
		return chance, nil
	case 2:
		return nil, fmt.Errorf(`want Traffic(0.1, "cookie", "group"): with a cookie the group that it names`)
	}
	cookie, group := argument.Text(args[1]), argument.Text(args[2])
	return func(r *http.Request) bool {
		if c, err := r.Cookie(cookie); err == nil {
			return c.Value == group
		}
		return chance(r)
	}, nil
}

func (o Options) createAfter(args []any) (PredicateFunc, error) {
	begin, err := argument.Time(args[0])
	return func(*http.Request) bool { return !o.Now().Before(begin) }, err
}

func (o Options) createBefore(args []any) (PredicateFunc, error) {
	end, err := argument.Time(args[0])
	return func(*http.Request) bool { return o.Now().Before(end) }, err
}

// createBetween takes the beginning of the span in, and its end out.
func (o Options) createBetween(args []any) (PredicateFunc, error) {
	begin, err := argument.Time(args[0])
	if err != nil {
		return nil, err
	}
	end, err := argument.Time(args[1])
	if err == nil && !begin.Before(end) {
		err = fmt.Errorf("%s is not before %s", eskip.PrintArg(args[0]), eskip.PrintArg(args[1]))
	}
	return func(*http.Request) bool {
		now := o.Now()
		return !now.Before(begin) && now.Before(end)
	}, err
}

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
