package proxy

import (
	"cmp"
	"errors"
	"fmt"
	"log"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"time"

	"faas-docker/function"
	"faas-docker/proxy/upstream"
	"github.com/gorilla/mux"
	"github.com/hashicorp/go-hclog"
	"github.com/openfaas/faas-provider/types"
)

// BaseURLResolver finds the URL of a function for NewHandlerFunc. Resolve gets
// the name as the router gives it, "figlet" or "figlet.openfaas-fn"; the URL's
// scheme and host are used, its port is 8080 when it has none. An error is
// answered with 503.
type BaseURLResolver interface {
	Resolve(functionName string) (url.URL, error)
}

// NewHandlerFunc returns a handler that invokes functions, for the FunctionProxy
// of any OpenFaaS provider. It is what faas-provider's proxy package offers under
// this name, on the engine of this package: requests with the methods GET, POST,
// PUT, PATCH, DELETE, OPTIONS and HEAD go to the URL that resolver gives, with their
// query, header and body as they came, and with X-Forwarded-Host and
// X-Forwarded-For, which are added to when the client sent them.
//
// The router in front names the function by the variable "name", and what the function
// sees of the path by the variable "params", if there is one: those of gorilla/mux, and
// http.Request.PathValue, which net/http's and other routers set. The path need not begin
// with /function/. Without a router /function/{name}, /function/{name}/ and
// /function/{name}/{path} are understood.
//
// A function that does not begin to answer within config's ReadTimeout, or cannot
// be reached, is answered with 500; an answer that has begun may take as long as
// it likes. Failures carry the header "X-OpenFaaS-Internal: proxy". Errors, those of
// the resolver among them, and how long each call took, are logged; without a logger
// the errors go to the standard library's.
//
// It panics when resolver is nil.
func NewHandlerFunc(config types.FaaSConfig, resolver BaseURLResolver, logger hclog.Logger) http.HandlerFunc {
	if resolver == nil {
		panic("NewHandlerFunc: empty proxy handler resolver, cannot be nil")
	}
	secure := newTransport(config.GetReadTimeout(), config.GetMaxIdleConns(), config.GetMaxIdleConnsPerHost())
	secure.DisableCompression = true
	timings := logger
	if logger == nil {
		logger, timings = hclog.FromStandardLogger(log.Default(), &hclog.LoggerOptions{Level: hclog.Warn}), hclog.NewNullLogger()
	}
	s := &resolved{
		resolver: resolver,
		timings:  timings,
		secure:   secure,
		engine: Handler{
			Timeouts: Timeouts{Timeout: config.GetReadTimeout()},
			Rules:    Rules{TrustedProxies: []netip.Prefix{netip.MustParsePrefix("0.0.0.0/0"), netip.MustParsePrefix("::/0")}},
			Logs:     Logs{Logger: logger},
			Limits:   Limits{MaxIdlePerReplica: config.GetMaxIdleConnsPerHost(), MaxIdle: config.GetMaxIdleConns()},
			dialect:  dialect{refusal: seedRefusal, fallbackType: fallbackType},
		},
	}
	return s.serve
}

// NewProxyClientFromConfig returns a client for proxying requests with the
// timeout and the numbers of idle connections that config names, or their
// defaults: 10 s, 1024 and 1024.
func NewProxyClientFromConfig(config types.FaaSConfig) *http.Client {
	return NewProxyClient(config.GetReadTimeout(), config.GetMaxIdleConns(), config.GetMaxIdleConnsPerHost())
}

// NewProxyClient returns a client for proxying requests. It follows no redirects,
// goes through the proxy that the environment names, and gives up after timeout,
// which bounds the whole of a request.
func NewProxyClient(timeout time.Duration, maxIdleConns int, maxIdleConnsPerHost int) *http.Client {
	return &http.Client{
		Transport:     newTransport(timeout, maxIdleConns, maxIdleConnsPerHost),
		Timeout:       timeout,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

func newTransport(timeout time.Duration, maxIdleConns int, maxIdleConnsPerHost int) *http.Transport {
	return &http.Transport{
		Proxy:                 http.ProxyFromEnvironment,
		DialContext:           (&net.Dialer{Timeout: timeout, KeepAlive: time.Second}).DialContext,
		MaxIdleConns:          maxIdleConns,
		MaxIdleConnsPerHost:   maxIdleConnsPerHost,
		IdleConnTimeout:       5 * time.Second,
		TLSHandshakeTimeout:   10 * time.Second,
		ExpectContinueTimeout: 1500 * time.Millisecond,
	}
}

// resolved serves invocations of functions that somebody else finds.
type resolved struct {
	resolver BaseURLResolver
	engine   Handler
	// timings gets how long each call took.
	timings hclog.Logger
	// secure reaches functions whose URL is an https one.
	secure http.RoundTripper
}

// The seed's own failures.
var (
	errNoName     = errors.New("no function name")
	errNoEndpoint = errors.New("no endpoint")
)

func (s *resolved) serve(w http.ResponseWriter, r *http.Request) {
	c := call{handler: &s.engine, client: client{w: w, r: stripped(r), incoming: r}}
	c.began = time.Now()
	c.identify(c.began)
	c.take()
	err := s.run(&c)
	s.timings.Info("function invoked", "function", c.target.given, "call_id", c.id, "took", time.Since(c.began))
	c.finish(err)
}

func (s *resolved) run(c *call) (err error) {
	if !allowed(c.r.Method) {
		return errMethod
	}
	if c.target, err = routedTarget(c.r); err != nil {
		return err
	}
	err = s.carry(c)
	if errors.Is(err, upstream.ErrUnreachable) {
		// The resolver may know of another endpoint.
		err = s.carry(c)
	}
	return err
}

func (s *resolved) carry(c *call) error {
	base, err := s.resolver.Resolve(c.target.given)
	if err != nil {
		s.engine.log().Error("resolver error", "function", c.target.given, "err", err)
		return fmt.Errorf("%w: %w", errNoEndpoint, err)
	}
	if base.Port() == "" {
		base.Host = net.JoinHostPort(base.Hostname(), "8080")
	}
	if base.Scheme == "https" {
		return c.attempt.roundTrip(c, s.secure, base)
	}
	c.prepare()
	defer c.release()
	got, err := s.engine.pools().At(base.Host).Open(&c.attempt.out)
	if err != nil {
		return err
	}
	return got.Pass()
}

// routedTarget reads what the router in front has found, or else the path.
func routedTarget(r *http.Request) (target, error) {
	asked, err := parseTarget(r, function.DefaultNamespace)
	name := routed(r, "name")
	switch {
	case err == nil && (name == "" || name == asked.given):
		return asked, nil // as the client spelled it
	case name == "":
		return target{}, errNoName
	case !isHost(r.Host):
		return target{}, errBadTarget
	}
	path := routedPath(r)
	if !isVisible(path) {
		return target{}, errBadTarget
	}
	return target{name: function.ParseName(name, function.DefaultNamespace), given: name, path: path}, nil
}

// routed returns a variable of the router in front; empty without one.
func routed(r *http.Request, variable string) string {
	return cmp.Or(mux.Vars(r)[variable], r.PathValue(variable))
}

// routedPath is what the function sees of the path, with the query.
func routedPath(r *http.Request) string {
	path := ""
	if params := routed(r, "params"); params != "" {
		path = "/" + spelled(requestTarget(r), params)
	}
	if _, query, found := strings.Cut(requestTarget(r), "?"); found {
		path += "?" + query
	}
	return path
}

// spelled is the end of a path, which a router has found and perhaps decoded, as the client wrote it.
func spelled(path, found string) string {
	path, _, _ = strings.Cut(path, "?")
	for slash := strings.IndexByte(path, '/'); slash >= 0; slash = strings.IndexByte(path, '/') {
		path = path[slash+1:]
		if end, err := url.PathUnescape(path); path == found || err == nil && end == found {
			return path
		}
	}
	return (&url.URL{Path: found}).EscapedPath()
}

// seedRefusal tells failures as the seed does.
func seedRefusal(c *call, err error) (refusal, bool) {
	switch {
	case errors.Is(err, errNoName):
		return refusal{code: http.StatusBadRequest, text: "Provide function name in the request path"}, true
	case errors.Is(err, errNoEndpoint):
		return refusal{code: http.StatusServiceUnavailable, text: fmt.Sprintf("No endpoints available for: %s.", c.target.given)}, true
	case errors.Is(err, upstream.ErrUnreachable), errors.Is(err, upstream.ErrDied), errors.Is(err, upstream.ErrTooSlow), errors.Is(err, upstream.ErrBadAnswer):
		return refusal{code: http.StatusInternalServerError, text: fmt.Sprintf("Can't reach service for: %s.", c.target.given)}, true
	}
	return refusal{}, false
}

// fallbackType is the type of an answer that names none: the request's, or plain text.
func fallbackType(r *http.Request) string {
	if named := r.Header.Get("Content-Type"); named != "" {
		return named
	}
	return "text/plain"
}
