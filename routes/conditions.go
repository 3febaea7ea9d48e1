package routes

import (
	"fmt"
	"net/http"
	"net/netip"
	"slices"

	"faas-docker/routes/argument"
	"faas-docker/routes/eskip"
)

func (o Options) createClientIP(args []any) (PredicateFunc, error) {
	var prefixes []netip.Prefix
	for _, text := range argument.Texts(args) {
		prefix, err := parsePrefix(text)
		if err != nil {
			return nil, err
		}
		prefixes = append(prefixes, prefix)
	}
	return func(r *http.Request) bool {
		ip := o.ClientIP(r).Unmap()
		return slices.ContainsFunc(prefixes, func(p netip.Prefix) bool { return p.Contains(ip) })
	}, nil
}

// parsePrefix reads a network, or one address.
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

// createTraffic lets a share of the requests through. A client that has the cookie is
// bound by it: it is let through when the cookie names this group, and only then.
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
