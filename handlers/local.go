package handlers

import (
	"fmt"
	"net/http"
	"slices"
	"strings"

	"faas-docker/function"
)

// LocalGuard protects a system API without credentials: it lets in programs of this machine, and
// clients that the configuration names. It keeps out all others, names that were bent to point
// here, functions, and what a route has passed on. The zero value is usable. Its fields must not
// change once Wrap has been called.
type LocalGuard struct {
	// AllowedHosts are names and addresses, beside the loopback ones, under which
	// the API may be called; ports do not matter. Empty allows loopback only.
	AllowedHosts []string
	// Peers judges the callers; nil knows loopback only.
	Peers *Peers
}

// Wrap lets only local requests through to next. Others are a 403 with the reason, and a 503 as
// long as it is not known whether they are local.
func (g LocalGuard) Wrap(next http.Handler) http.Handler {
	if g.Peers == nil {
		g.Peers = new(Peers)
	}
	var allowed []string
	for _, entry := range g.AllowedHosts {
		// An empty entry must not let in a request that names no host.
		if host, ok := ParseAllowedHost(entry); ok {
			allowed = append(allowed, host)
		}
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if status, reason := g.objection(r, allowed); status != 0 {
			if status == http.StatusServiceUnavailable {
				w.Header().Set("Retry-After", "1")
			}
			refuse(w, status, reason)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// objection is why a request may not enter; the status is zero when it may.
func (g LocalGuard) objection(r *http.Request, allowed []string) (status int, reason string) {
	host, ok := parseHost(r.Host)
	if !ok {
		return http.StatusBadRequest, fmt.Sprintf("host %q is malformed: want a name or an address, perhaps with a port", function.Clip(r.Host))
	}
	const starting = "the provider is starting and does not yet know which clients are this machine: the container engine has not told its networks; try again, or switch on basic_auth"
	const functions = "functions may not control the provider: switch on basic_auth and give the function the credentials if it must"
	switch g.Peers.Standing(r) {
	case Function:
		return http.StatusForbidden, functions
	case Undecided:
		return http.StatusServiceUnavailable, starting
	case Stranger:
		return http.StatusForbidden, fmt.Sprintf("client %s is not known to be this machine: switch on basic_auth, or add it to allowed_clients; if the provider runs in a container, publish its port on 127.0.0.1 only", function.Clip(r.RemoteAddr))
	}
	switch g.Peers.PassedOnFor(r) {
	case Function:
		return http.StatusForbidden, functions
	case Undecided:
		return http.StatusServiceUnavailable, starting
	}
	if !IsLoopback(host) && !slices.Contains(allowed, host) {
		return http.StatusForbidden, fmt.Sprintf("host %q is not a name of this machine's loopback: switch on basic_auth, or add it to allowed_hosts", host)
	}
	if strings.Contains(strings.Join(r.Header["Via"], ","), "faas-docker") {
		return http.StatusForbidden, "a route may not lead to the system API: switch on basic_auth, or take the route away"
	}
	return 0, ""
}
