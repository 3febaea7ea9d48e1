package main

import (
	"net/http"
	"net/netip"
	"slices"
	"strings"
)

// clientAddress returns who asks: the peer, or, where that is a trusted proxy, the
// last address in X-Forwarded-For that is none. It is invalid when unknown.
func clientAddress(trusted []netip.Prefix) func(*http.Request) netip.Addr {
	isTrusted := func(a netip.Addr) bool {
		return slices.ContainsFunc(trusted, func(p netip.Prefix) bool { return p.Contains(a) })
	}
	return func(r *http.Request) netip.Addr {
		peer, _ := netip.ParseAddrPort(r.RemoteAddr)
		address := peer.Addr().Unmap().WithZone("")
		if len(trusted) == 0 || !isTrusted(address) {
			return address
		}
		hops := strings.Split(strings.Join(r.Header["X-Forwarded-For"], ","), ",")
		for _, hop := range slices.Backward(hops) {
			next, err := netip.ParseAddr(strings.TrimSpace(hop))
			if err != nil {
				return address
			}
			if address = next.Unmap().WithZone(""); !isTrusted(address) {
				return address
			}
		}
		return address
	}
}
