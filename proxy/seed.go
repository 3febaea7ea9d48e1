package proxy

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/openfaas/faas-provider/types"

	"faas-docker/function"
)

// BaseURLResolver finds the URL of a function for NewHandlerFunc. Resolve gets
// the name as it stands in the path, "figlet" or "figlet.openfaas-fn"; the URL's
// scheme and host are used, its port is 8080 when it has none. An error is
// answered with 503.
type BaseURLResolver interface {
	Resolve(functionName string) (url.URL, error)
}

// NewHandlerFunc returns a handler that invokes functions, for the FunctionProxy
// of any OpenFaaS provider. It is what faas-provider's proxy package offers under
// this name, on the engine of this package: requests with the methods GET, POST,
// PUT, PATCH, DELETE, OPTIONS and HEAD to /function/{name}, /function/{name}/ and
// /function/{name}/{path} go to the URL that resolver gives, with their path,
// query, header and body as they came, and with X-Forwarded-Host and
// X-Forwarded-For, which are added to when the client sent them.
//
// A function that does not begin to answer within config's ReadTimeout, or cannot
// be reached, is answered with 500; an answer that has begun may take as long as
// it likes. Failures carry the header "X-OpenFaaS-Internal: proxy". Errors, and
// how long each call took, are logged; a nil logger logs nothing.
//
// It panics when resolver is nil.
func NewHandlerFunc(config types.FaaSConfig, resolver BaseURLResolver, logger hclog.Logger) http.HandlerFunc {
	if resolver == nil {
		panic("NewHandlerFunc: empty proxy handler resolver, cannot be nil")
	}
	secure := newTransport(config.GetReadTimeout(), config.GetMaxIdleConns(), config.GetMaxIdleConnsPerHost())
	secure.DisableCompression = true
	s := &resolved{
		resolver: resolver,
		secure:   secure,
		engine: Handler{
			Timeout:           config.GetReadTimeout(),
			TrustedProxies:    []netip.Prefix{netip.MustParsePrefix("0.0.0.0/0"), netip.MustParsePrefix("::/0")},
			Logger:            logger,
			MaxIdlePerReplica: config.GetMaxIdleConnsPerHost(),
			MaxIdle:           config.GetMaxIdleConns(),
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
	// secure reaches functions whose URL is an https one.
	secure http.RoundTripper
}

// The seed's own failures.
var (
	errNoName     = errors.New("no function name")
	errNoEndpoint = errors.New("no endpoint")
)

func (s *resolved) serve(w http.ResponseWriter, r *http.Request) {
	c := call{handler: &s.engine, w: w, r: r, began: time.Now()}
	c.identify()
	c.take()
	c.fallbackType = fallbackType(r)
	c.words = s.words
	err := s.run(&c)
	s.engine.log().Debug("function invoked", "function", c.target.given, "call_id", c.id, "took", time.Since(c.began))
	c.finish(err)
}

func (s *resolved) run(c *call) (err error) {
	if !allowed(c.r.Method) {
		return errMethod
	}
	if c.target, err = parseTarget(c.r, function.DefaultNamespace); err != nil {
		return errNoName
	}
	err = s.carry(c)
	if errors.Is(err, errUnreachable) {
		// The resolver may know of another endpoint.
		err = s.carry(c)
	}
	return err
}

func (s *resolved) carry(c *call) error {
	base, err := s.resolver.Resolve(c.target.given)
	if err != nil {
		return fmt.Errorf("%w: %w", errNoEndpoint, err)
	}
	host := base.Host
	if base.Port() == "" {
		host = net.JoinHostPort(base.Hostname(), "8080")
	}
	if base.Scheme != "https" {
		return s.engine.upstreams.at(host).carry(c, try{ctx: c.r.Context(), body: c.body})
	}
	return c.roundTrip(s.secure, func(o *outgoing) (*url.URL, error) {
		target, err := url.ParseRequestURI(o.rootedPath())
		if err != nil {
			return nil, err
		}
		target.Scheme, target.Host = base.Scheme, host
		return target, nil
	})
}

// words tells failures as the seed does.
func (s *resolved) words(c *call, err error) (refusal, bool) {
	switch {
	case errors.Is(err, errNoName):
		return refusal{code: http.StatusBadRequest, text: "Provide function name in the request path"}, true
	case errors.Is(err, errNoEndpoint):
		return refusal{code: http.StatusServiceUnavailable, text: fmt.Sprintf("No endpoints available for: %s.", c.target.given)}, true
	case errors.Is(err, errUnreachable), errors.Is(err, errDied), errors.Is(err, errTooSlow), errors.Is(err, errBadAnswer):
		return refusal{code: http.StatusInternalServerError, text: fmt.Sprintf("Can't reach service for: %s.", c.target.given)}, true
	}
	return refusal{}, false
}

// fallbackType is the type of an answer that names none: the request's, or plain
// text.
func fallbackType(r *http.Request) string {
	if named := r.Header.Get("Content-Type"); named != "" {
		return named
	}
	return "text/plain"
}
