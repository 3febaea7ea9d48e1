package routes

import (
	"fmt"
	"net/http"
	"net/netip"
	"slices"
)

// clientSpecs make the conditions on who asks.
func (o Options) clientSpecs() []PredicateSpec {
	return []PredicateSpec{maker{"ClientIP", "s+", `ClientIP("10.0.0.0/8", "192.0.2.7")`, o.createClientIP}}
}

func (o Options) createClientIP(args []any) (Predicate, error) {
	var prefixes []netip.Prefix
	for _, text := range texts(args) {
		prefix, err := parsePrefix(text)
		if err != nil {
			return nil, err
		}
		prefixes = append(prefixes, prefix)
	}
	address := o.clientIP()
	return PredicateFunc(func(r *http.Request) bool {
		ip := address(r).Unmap()
		return slices.ContainsFunc(prefixes, func(p netip.Prefix) bool { return p.Contains(ip) })
	}), nil
}

func (o Options) clientIP() func(*http.Request) netip.Addr {
	if o.ClientIP == nil {
		return peer
	}
	return o.ClientIP
}

// parsePrefix reads a network, or one address.
func parsePrefix(text string) (netip.Prefix, error) {
	if prefix, err := netip.ParsePrefix(text); err == nil {
		return prefix.Masked(), nil
	}
	ip, err := netip.ParseAddr(text)
	if err != nil {
		return netip.Prefix{}, fmt.Errorf("%q: want an address or a network such as 10.0.0.0/8", text)
	}
	return netip.PrefixFrom(ip.Unmap().WithZone(""), ip.Unmap().BitLen()), nil
}

// peer is the address at the other end of the connection; invalid when unknown.
func peer(r *http.Request) netip.Addr {
	at, _ := netip.ParseAddrPort(r.RemoteAddr)
	return at.Addr().WithZone("")
}
