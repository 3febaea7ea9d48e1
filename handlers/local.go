package handlers

import (
	"fmt"
	"net/http"
	"net/netip"
	"slices"
	"strings"
)

// LocalGuard protects a system API without credentials: it lets in what was
// started on this machine, and keeps out web pages of other sites, names that
// were bent to point here, and the functions themselves. The zero value is
// usable. Its fields must not change once Wrap has been called.
type LocalGuard struct {
	// AllowedHosts are names and addresses, beside the loopback ones, under which
	// the API may be called; ports do not matter. Empty allows loopback only.
	AllowedHosts []string
	// Peers returns the function network's prefixes, from which nobody may call,
	// and the addresses in them that are the network's gateways, from which this
	// machine itself calls. It is called for each request, must answer from memory
	// and be safe for concurrent use. Nil means there is no such network.
	Peers func() (prefixes []netip.Prefix, gateways []netip.Addr)
}

// Wrap lets only local requests through to next; all others are answered 403
// with the reason.
func (g LocalGuard) Wrap(next http.Handler) http.Handler {
	var allowed []string
	for _, host := range g.AllowedHosts {
		// An empty entry must not let in a request that names no host.
		if host = hostOnly(strings.TrimSpace(host)); host != "" {
			allowed = append(allowed, host)
		}
	}
	browsers := http.NewCrossOriginProtection()
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		host := hostOnly(r.Host)
		switch {
		case g.isFunction(r.RemoteAddr):
			refuse(w, http.StatusForbidden, "functions may not control the provider: switch on basic_auth and give the function the credentials if it must")
		case !isLoopback(host) && !slices.Contains(allowed, host):
			refuse(w, http.StatusForbidden, fmt.Sprintf("host %q is not a name of this machine's loopback: switch on basic_auth, or add it to allowed_hosts", host))
		case browsers.Check(r) != nil:
			refuse(w, http.StatusForbidden, "a web page of another site may not control the provider: switch on basic_auth to call it from elsewhere")
		default:
			next.ServeHTTP(w, r)
		}
	})
}

// isFunction reports whether the peer lives in the function network. A peer
// without an IP address came over a Unix socket, so it is on this machine.
func (g LocalGuard) isFunction(remote string) bool {
	peer, err := netip.ParseAddrPort(remote)
	if g.Peers == nil || err != nil {
		return false
	}
	address := peer.Addr().Unmap().WithZone("")
	prefixes, gateways := g.Peers()
	inside := slices.ContainsFunc(prefixes, func(p netip.Prefix) bool { return p.Contains(address) })
	return inside && !slices.Contains(gateways, address)
}

// hostOnly drops the port, the brackets of an IPv6 address, the root's dot and
// the case of a Host header.
func hostOnly(hostport string) string {
	host := strings.ToLower(hostport)
	if end := strings.LastIndexByte(host, ']'); strings.HasPrefix(host, "[") && end > 0 {
		return host[1:end]
	}
	if colon := strings.LastIndexByte(host, ':'); colon >= 0 && strings.Count(host, ":") == 1 {
		host = host[:colon]
	}
	return strings.TrimSuffix(host, ".")
}

func isLoopback(host string) bool {
	if host == "localhost" || strings.HasSuffix(host, ".localhost") {
		return true
	}
	address, err := netip.ParseAddr(host)
	return err == nil && address.Unmap().IsLoopback()
}
