package proxy

import (
	"net"
	"net/http"
	"net/netip"
	"strings"
)

// forwarding is what the function is told about who called.
type forwarding struct {
	address, host, proto string
	// more are further fields of that kind, which are only sent when the client
	// sent them.
	more []field
}

// forwardingOf replaces what the client claims, unless it is a trusted proxy:
// then it is added to.
func (h *Handler) forwardingOf(r *http.Request) forwarding {
	f := forwarding{address: peer(r), host: r.Host, proto: scheme(r)}
	trusted := h.trusts(f.address)
	f.addMore(r, trusted)
	if !trusted {
		return f
	}
	if before := r.Header["X-Forwarded-For"]; len(before) > 0 {
		f.address = strings.Join(before, ", ") + ", " + f.address
	}
	if host := r.Header.Get("X-Forwarded-Host"); host != "" {
		f.host = host
	}
	if proto := r.Header.Get("X-Forwarded-Proto"); proto != "" {
		f.proto = proto
	}
	return f
}

// addMore treats the relatives of X-Forwarded-For in the same way.
func (f *forwarding) addMore(r *http.Request, trusted bool) {
	if ip := r.Header["X-Real-Ip"]; len(ip) > 0 {
		f.more = append(f.more, field{"X-Real-Ip", chosen(trusted, ip[0], f.address)})
	}
	if before := r.Header["Forwarded"]; len(before) > 0 {
		own := f.forwarded()
		f.more = append(f.more, field{"Forwarded", chosen(trusted, strings.Join(before, ", ")+", "+own, own)})
	}
	if !trusted {
		return
	}
	for key, values := range r.Header {
		switch key {
		case "X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto":
			continue
		}
		if strings.HasPrefix(key, "X-Forwarded-") {
			f.more = append(f.more, field{key, strings.Join(values, ", ")})
		}
	}
}

// forwarded is one element of the Forwarded header (RFC 7239).
func (f *forwarding) forwarded() string {
	node := f.address
	if strings.Contains(node, ":") {
		node = "[" + node + "]"
	}
	return `for="` + node + `";host="` + f.host + `";proto=` + f.proto
}

func chosen(first bool, a, b string) string {
	if first {
		return a
	}
	return b
}

// trusts reports whether the peer may say who its client is.
func (h *Handler) trusts(peer string) bool {
	if len(h.TrustedProxies) == 0 {
		return false
	}
	address, err := netip.ParseAddr(peer)
	if err != nil {
		return false
	}
	for _, prefix := range h.TrustedProxies {
		if prefix.Contains(address.Unmap()) {
			return true
		}
	}
	return false
}

// peer is the address the request came from, without its port.
func peer(r *http.Request) string {
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		return r.RemoteAddr
	}
	return host
}

// scheme is what the client spoke to us, as X-Forwarded-Proto names it.
func scheme(r *http.Request) string {
	if r.TLS != nil {
		return "https"
	}
	return "http"
}
