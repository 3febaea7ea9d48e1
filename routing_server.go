package main

import (
	"fmt"
	"net/http"
	"net/http/httputil"
	"net/netip"
	"net/url"
	"slices"
	"strings"

	"github.com/hashicorp/go-hclog"
)

const (
	// viaUs is what this program adds to the field Via of what it sends to servers.
	viaUs = "1.1 faas-docker"
	// mostHops is how often a request may come back to this program.
	mostHops = 9
)

// servers carries requests to backends that are no functions. Functions take the way of
// package proxy; here it is enough to be correct.
type servers struct {
	transport *http.Transport
	trusted   []netip.Prefix
	logger    hclog.Logger
}

func newServers(trusted []netip.Prefix, logger hclog.Logger) *servers {
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.Proxy = nil
	transport.MaxIdleConnsPerHost = 64
	transport.DisableCompression = true
	return &servers{transport: transport, trusted: trusted, logger: logger}
}

// to returns the handler that passes requests on to a server.
func (s *servers) to(target *url.URL) http.Handler {
	forward := &httputil.ReverseProxy{
		Transport: s.transport,
		Rewrite:   func(r *httputil.ProxyRequest) { s.rewrite(r, target) },
		ErrorLog:  s.logger.StandardLogger(&hclog.StandardLoggerOptions{ForceLevel: hclog.Debug}),
		ErrorHandler: func(w http.ResponseWriter, _ *http.Request, err error) {
			s.logger.Warn("server of a route did not answer", "url", target, "err", err)
			refuse(w, http.StatusBadGateway, fmt.Sprintf("%s, where a route sends this request, cannot be reached: the provider's log says more", target))
		},
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.Count(strings.Join(r.Header["Via"], ","), viaUs) >= mostHops {
			refuse(w, http.StatusLoopDetected, fmt.Sprintf("this request comes back again and again: a route sends it to %s, which sends it here", target))
			return
		}
		forward.ServeHTTP(w, r)
	})
}

func refuse(w http.ResponseWriter, status int, text string) {
	w.Header().Set("X-OpenFaaS-Internal", "routes")
	http.Error(w, text, status)
}

// rewrite makes the request for the server: as functions see theirs, it has the
// client's host, and what only a trusted proxy may say of the client.
func (s *servers) rewrite(r *httputil.ProxyRequest, target *url.URL) {
	r.SetURL(target)
	r.Out.Host = r.In.Host
	r.Out.Header.Add("Via", viaUs)
	peer, _ := netip.ParseAddrPort(r.In.RemoteAddr)
	isTrusted := slices.ContainsFunc(s.trusted, func(p netip.Prefix) bool { return p.Contains(peer.Addr().Unmap()) })
	if isTrusted {
		r.Out.Header["X-Forwarded-For"] = r.In.Header["X-Forwarded-For"]
	}
	r.SetXForwarded()
	for _, key := range []string{"X-Forwarded-Host", "X-Forwarded-Proto"} {
		if said := r.In.Header.Get(key); isTrusted && said != "" {
			r.Out.Header.Set(key, said)
		}
	}
}
