package proxy

import (
	"cmp"
	"net"
	"net/http"
	"strings"

	"faas-docker/function"
	"faas-docker/proxy/upstream"
)

// forwardingOf replaces what the client claims, or adds to it if the client is a trusted proxy.
func (h *Handler) forwardingOf(r *http.Request) upstream.Forwarding {
	f := upstream.Forwarding{Address: hostOf(r.RemoteAddr), Host: r.Host, Proto: scheme(r), Prefix: prefixOf(r)}
	trusted := h.TrustedProxies.Sent(r)
	addMore(&f, r, trusted)
	if !trusted {
		return f
	}
	if before := r.Header["X-Forwarded-For"]; len(before) > 0 {
		f.Address = strings.Join(before, ", ") + ", " + f.Address
	}
	f.Host = cmp.Or(r.Header.Get("X-Forwarded-Host"), f.Host)
	f.Proto = cmp.Or(r.Header.Get("X-Forwarded-Proto"), f.Proto)
	if before := r.Header.Get("X-Forwarded-Prefix"); before != "" {
		f.Prefix = strings.TrimSuffix(before, "/") + f.Prefix
	}
	return f
}

// prefixOf is what is taken off the path of a request before the function sees it, as it
// was sent: by the route that it came by, or else /function/<name>.
func prefixOf(r *http.Request) string {
	if routed, known := function.PrefixFrom(r.Context()); known {
		return routed
	}
	name, found := strings.CutPrefix(requestTarget(r), prefix)
	if !found {
		return ""
	}
	if end := strings.IndexAny(name, "/?"); end >= 0 {
		name = name[:end]
	}
	return prefix + name
}

// addMore treats the relatives of X-Forwarded-For in the same way.
func addMore(f *upstream.Forwarding, r *http.Request, trusted bool) {
	if ip := r.Header["X-Real-Ip"]; len(ip) > 0 {
		own := f.Address
		if trusted {
			own = ip[0]
		}
		f.More = append(f.More, upstream.Field{Key: "X-Real-Ip", Value: own})
	}
	if before := r.Header["Forwarded"]; len(before) > 0 {
		own := forwarded(f)
		if trusted {
			own = strings.Join(before, ", ") + ", " + own
		}
		f.More = append(f.More, upstream.Field{Key: "Forwarded", Value: own})
	}
	if !trusted {
		return
	}
	for key, values := range r.Header {
		switch key {
		case "X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto", "X-Forwarded-Prefix":
			continue
		}
		if strings.HasPrefix(key, "X-Forwarded-") {
			f.More = append(f.More, upstream.Field{Key: key, Value: strings.Join(values, ", ")})
		}
	}
}

// forwarded is one element of the Forwarded header (RFC 7239).
func forwarded(f *upstream.Forwarding) string {
	node := f.Address
	if strings.Contains(node, ":") {
		node = "[" + node + "]"
	}
	return `for="` + node + `";host="` + f.Host + `";proto=` + f.Proto
}

// hostOf is an address without its port.
func hostOf(address string) string {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return address
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
