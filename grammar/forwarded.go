package grammar

import (
	"net/http"
	"net/netip"
	"slices"
	"strings"
)

// Proxies are the networks of the proxies whose word about their clients is believed. The
// zero value believes no one. It is safe for concurrent use.
type Proxies []netip.Prefix

// Contain reports whether an address is that of a trusted proxy.
func (p Proxies) Contain(address netip.Addr) bool {
	address = address.Unmap().WithZone("")
	return slices.ContainsFunc(p, func(network netip.Prefix) bool { return network.Contains(address) })
}

// Sent reports whether a request comes from a trusted proxy.
func (p Proxies) Sent(r *http.Request) bool {
	if len(p) == 0 {
		return false
	}
	peer, _ := netip.ParseAddrPort(r.RemoteAddr)
	return p.Contain(peer.Addr())
}

// Client returns the address of a request's client: the peer, or, where that is a trusted
// proxy, the last address in X-Forwarded-For that is none. It is invalid when unknown, as where that
// field holds something else.
func (p Proxies) Client(r *http.Request) netip.Addr {
	peer, _ := netip.ParseAddrPort(r.RemoteAddr)
	address := peer.Addr().Unmap().WithZone("")
	if !p.Contain(address) {
		return address
	}
	hops := strings.Split(strings.Join(r.Header["X-Forwarded-For"], ","), ",")
	for _, hop := range slices.Backward(hops) {
		next, ok := HopAddress(hop)
		if Trim(hop) == "" {
			return address
		}
		if !ok {
			return netip.Addr{} // the proxy's own would pass for the client's
		}
		if address = next.Unmap().WithZone(""); !p.Contain(address) {
			return address
		}
	}
	return address
}

// HopAddress reads an address as proxies write it: in brackets or with a port, too.
func HopAddress(text string) (netip.Addr, bool) {
	text = strings.Trim(strings.TrimSpace(text), `"`)
	if at, err := netip.ParseAddrPort(text); err == nil {
		return at.Addr(), true
	}
	address, err := netip.ParseAddr(strings.TrimSuffix(strings.TrimPrefix(text, "["), "]"))
	return address, err == nil
}

// IsForwarding reports whether a field says how a request came here.
func IsForwarding(key string) bool { return RoleOf(key) == OfForwarding }
