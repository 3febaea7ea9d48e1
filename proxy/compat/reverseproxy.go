package compat

import (
	"errors"
	"log"
	"net/http"
	"net/http/httputil"
	"net/url"
	"time"
)

// ReverseProxy is a handler that takes an incoming request and sends it to another
// server, proxying the response back to the client. Set the fields before use; it is
// safe for concurrent use then.
//
// It removes what belongs to one connection and appends the client's address to
// X-Forwarded-For. Upgrades, interim answers and trailers pass. A server that cannot be
// reached is a 502.
type ReverseProxy struct {
	// Proxy is a function that either handles the request by sending back data, or
	// modifies the request to be sent. In the former case ErrHandled must be returned.
	// Any other error is logged and answered with 500. It gets a copy of the request, and
	// may be nil.
	Proxy func(http.ResponseWriter, *http.Request) error
	// Transport performs the requests. If nil, http.DefaultTransport is used.
	Transport http.RoundTripper
	// FlushInterval is the interval in which the response body is flushed to the client
	// while it is copied. If zero, no periodic flushing is done; if negative, each piece is
	// flushed at once, as server-sent events, and bodies of unknown length, always are.
	FlushInterval time.Duration
	// ErrorLog gets errors that occur when a request is proxied. If nil, the standard
	// logger of package log does.
	ErrorLog *log.Logger
	// BufferPool lends the buffers for copying bodies; nil means a new one for each.
	BufferPool BufferPool
	// Debug has a line logged for each request.
	Debug bool
}

// NewSingleHostReverseProxy returns a ReverseProxy to one server: it rewrites the URLs of
// requests to the target's scheme and host, and puts the target's path before theirs.
func NewSingleHostReverseProxy(target *url.URL) *ReverseProxy {
	return &ReverseProxy{Proxy: func(_ http.ResponseWriter, r *http.Request) error {
		(&httputil.ProxyRequest{In: r, Out: r}).SetURL(target)
		return nil
	}}
}

// ServeHTTP proxies one request.
func (p *ReverseProxy) ServeHTTP(rw http.ResponseWriter, req *http.Request) {
	began := time.Now()
	outgoing := req.Clone(req.Context())
	var err error
	if p.Proxy != nil {
		err = p.Proxy(rw, outgoing)
	}
	switch {
	case errors.Is(err, ErrHandled):
		p.debug("%s %s: handled", req.Method, req.URL)
		return
	case err != nil:
		p.logf("http: proxy error before %s %s was sent: %v", req.Method, req.URL, err)
		http.Error(rw, http.StatusText(http.StatusInternalServerError), http.StatusInternalServerError)
		return
	}
	// The standard library's proxy is told to leave the request as it is.
	carrier := httputil.ReverseProxy{
		Rewrite:       keep,
		Transport:     p.Transport,
		FlushInterval: p.FlushInterval,
		ErrorLog:      p.ErrorLog,
		BufferPool:    p.BufferPool,
	}
	carrier.ServeHTTP(rw, outgoing)
	p.debug("%s %s: proxied to %s in %s", req.Method, req.URL, outgoing.URL, time.Since(began))
}

// keep puts back what the standard library takes away, and adds the client's address,
// unless X-Forwarded-For was set to nil.
func keep(r *httputil.ProxyRequest) {
	r.Out.URL.RawQuery = r.In.URL.RawQuery
	restore(r.Out.Header, r.In.Header, "X-Forwarded-For")
	r.SetXForwarded()
	for _, key := range []string{"Forwarded", "X-Forwarded-Host", "X-Forwarded-Proto"} {
		restore(r.Out.Header, r.In.Header, key)
	}
	if values, set := r.In.Header["X-Forwarded-For"]; set && values == nil {
		r.Out.Header.Del("X-Forwarded-For")
	}
}

// restore makes a field what it is in another header.
func restore(header, original http.Header, key string) {
	delete(header, key)
	if values := original[key]; values != nil {
		header[key] = values
	}
}

func (p *ReverseProxy) debug(format string, args ...any) {
	if p.Debug {
		p.logf(format, args...)
	}
}

func (p *ReverseProxy) logf(format string, args ...any) {
	if p.ErrorLog != nil {
		p.ErrorLog.Printf(format, args...)
		return
	}
	log.Printf(format, args...)
}
