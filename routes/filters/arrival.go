package filters

import (
	"cmp"
	"net/http"
	"strings"

	"faas-docker/grammar"
)

// Arrival is how a request reached the first server, as the client's address bar shows it.
type Arrival struct {
	// Scheme is "http" or "https".
	Scheme string
	// Host is as in a Host header, perhaps with a port.
	Host string
}

// ArrivalBehind says how requests reached the first server, where a trusted proxy tells.
func ArrivalBehind(trusted grammar.Proxies) func(*http.Request) Arrival {
	return func(r *http.Request) Arrival {
		a := Arrival{Scheme: "http", Host: r.Host}
		if r.TLS != nil {
			a.Scheme = "https"
		}
		if !trusted.Sent(r) {
			return a
		}
		if scheme := grammar.Lower(first(r.Header["X-Forwarded-Proto"])); scheme == "http" || scheme == "https" {
			a.Scheme = scheme
		}
		a.Host = cmp.Or(first(r.Header["X-Forwarded-Host"]), a.Host)
		return a
	}
}

// first is the first element of a list, that of the proxy nearest to the client.
func first(values []string) string {
	if len(values) == 0 {
		return ""
	}
	element, _, _ := strings.Cut(values[0], ",")
	return strings.TrimSpace(element)
}
