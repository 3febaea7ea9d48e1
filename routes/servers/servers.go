// Package servers carries requests to backends of routes that are no functions.
package servers

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/hashicorp/go-hclog"

	"faas-docker/function"
	"faas-docker/grammar"
	"faas-docker/policy"
	"faas-docker/routes"
)

const (
	// viaUs is what this program adds to the field Via of what it sends to servers.
	viaUs = "1.1 faas-docker"
	// mostHops is how often a request may come back to this program.
	mostHops = 9
)

// Proxy carries requests to backends that are no functions. Functions take the way of
// package proxy; here it is enough to be correct.
type Proxy struct {
	transport *http.Transport
	// h2c speaks HTTP/2 without TLS.
	h2c *http.Transport
	// breakers are those that routes ask for.
	breakers policy.Chains
	trusted  grammar.Proxies
	logger   hclog.Logger
}

// New returns a Proxy for servers other than own. It believes trusted proxies about their clients. A
// server has timeout to begin its answer; zero means for ever.
func New(trusted grammar.Proxies, own OwnAddress, timeout time.Duration, logger hclog.Logger) *Proxy {
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.Proxy = nil
	transport.DialContext = own.dial
	transport.MaxIdleConnsPerHost = 64
	transport.DisableCompression = true
	transport.ResponseHeaderTimeout = timeout
	h2c := transport.Clone()
	h2c.Protocols = new(http.Protocols)
	h2c.Protocols.SetUnencryptedHTTP2(true)
	return &Proxy{transport: transport, h2c: h2c, trusted: trusted, logger: logger, breakers: policy.Chains{Logger: logger}}
}

// Close lets go of connections that wait for requests.
func (s *Proxy) Close() {
	s.transport.CloseIdleConnections()
	s.h2c.CloseIdleConnections()
}

// To returns the handler that passes requests on to a server.
func (s *Proxy) To(target *url.URL) http.Handler {
	forward := &httputil.ReverseProxy{
		Transport:    serverTransport{s, target},
		Rewrite:      func(r *httputil.ProxyRequest) { s.rewrite(r, target) },
		ErrorLog:     s.logger.StandardLogger(&hclog.StandardLoggerOptions{ForceLevel: hclog.Debug}),
		ErrorHandler: func(w http.ResponseWriter, r *http.Request, err error) { s.fail(w, r, target, err) },
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.Count(strings.Join(r.Header["Via"], ","), viaUs) >= mostHops {
			refuse(w, r, http.StatusLoopDetected, fmt.Sprintf("this request comes back again and again: a route sends it to %s, which sends it here", target))
			return
		}
		if key := grammar.Unsendable(r.Header); key != "" || r.Host != "" && !grammar.IsHost(r.Host) {
			refuse(w, r, http.StatusBadRequest, fmt.Sprintf("the host, or the field %.80q, would have a control character in it, or a name that is none: look at what filters make of the path, the query and the cookies", key))
			return
		}
		own := *forward
		own.ModifyResponse = func(answer *http.Response) error { return showSwitch(w, answer) }
		own.ServeHTTP(w, r)
	})
}

// showSwitch has the filters see the fields of an answer that switches protocols: they look
// at the header when the connection is taken over, which is before the answer is copied there.
func showSwitch(w http.ResponseWriter, answer *http.Response) error {
	if answer.StatusCode != http.StatusSwitchingProtocols {
		return nil
	}
	if n := len(answer.Header["Upgrade"]); n != 1 {
		return fmt.Errorf("it switches to %d protocols at once", n)
	}
	for key, values := range answer.Header {
		if key != "Connection" && key != "Upgrade" {
			w.Header()[key] = values
			delete(answer.Header, key)
		}
	}
	return nil
}

// fail answers in the place of a server that did not, or was not asked.
func (s *Proxy) fail(w http.ResponseWriter, r *http.Request, target *url.URL, err error) {
	if open, ok := errors.AsType[*function.Failure](err); ok {
		w.Header().Set("X-Circuit-Open", "true")
		w.Header().Set("Retry-After", strconv.Itoa(int(math.Ceil(open.RetryAfter.Seconds()))))
		refuse(w, r, http.StatusServiceUnavailable, fmt.Sprintf("%s: %s", target, open.Text))
		return
	}
	if errors.Is(err, errOwnAddress) {
		refuse(w, r, http.StatusLoopDetected, fmt.Sprintf("this request would come back again and again: a route sends it to %s, which is the provider itself", target))
		return
	}
	if errors.As(err, new(brokenBody)) {
		if tooLarge, ok := errors.AsType[*http.MaxBytesError](err); ok {
			text := fmt.Sprintf("the request's body is larger than %d bytes", tooLarge.Limit)
			refuse(w, r, http.StatusRequestEntityTooLarge, text)
			return
		}
		refuse(w, r, http.StatusBadRequest, "the request's body cannot be read to its end")
		return
	}
	s.logger.Warn("server of a route did not answer", "url", target, "err", err)
	if late, ok := errors.AsType[net.Error](err); ok && late.Timeout() {
		refuse(w, r, http.StatusGatewayTimeout, fmt.Sprintf("%s, where a route sends this request, has not begun to answer in time: the variable upstream_timeout sets how long it may take", target))
		return
	}
	refuse(w, r, http.StatusBadGateway, fmt.Sprintf("%s, where a route sends this request, cannot be reached: the provider's log says more", target))
}

// serverTransport sends requests to one server, through the breaker that their route asks for.
type serverTransport struct {
	*Proxy
	target *url.URL
}

// RoundTrip sends one request. That a breaker is open is a *function.Failure.
func (c serverTransport) RoundTrip(r *http.Request) (*http.Response, error) {
	asked := function.PoliciesFrom(r.Context())
	if asked == nil || asked.Breaker == (function.BreakerPolicy{}) {
		return c.carry(r)
	}
	server := function.Name{Name: c.target.String()}
	chain := c.breakers.Of(server, nil, &function.Policies{Breaker: asked.Breaker})
	got, err := chain.Do(r.Context(), policy.NewRequest(policy.Call{HTTP: r, Function: server}), nil, c.send)
	if err != nil {
		return nil, err
	}
	return got.(serverAnswer).Response, nil
}

// carrier speaks HTTP/2 if the URL says so, or for gRPC, which knows no other protocol.
func (c serverTransport) carrier(r *http.Request) *http.Transport {
	if c.target.Scheme == "h2c" || c.target.Scheme == "http" && grammar.IsGRPC(r) {
		return c.h2c
	}
	return c.transport
}

// send carries a request that no breaker stops. A body that breaks off is no failure of the server.
func (c serverTransport) send(_ context.Context, request *policy.Request) (policy.Answer, error) {
	got, err := c.carry(request.HTTP)
	switch {
	case errors.As(err, new(brokenBody)):
		return nil, err
	case err != nil:
		return nil, fmt.Errorf("%w: %w", policy.ErrBroken, err)
	}
	return serverAnswer{got}, nil
}

// carry sends a request. That the client's body cannot be read is a brokenBody.
func (c serverTransport) carry(r *http.Request) (*http.Response, error) {
	if r.Body == nil || r.Body == http.NoBody {
		return c.carrier(r).RoundTrip(r)
	}
	body := &watchedBody{ReadCloser: r.Body}
	sent := r.WithContext(r.Context())
	sent.Body = body
	answer, err := c.carrier(r).RoundTrip(sent)
	if failed := body.failed.Load(); err != nil && failed != nil {
		return nil, brokenBody{*failed}
	}
	return answer, err
}

// watchedBody keeps why the body of a request could not be read.
type watchedBody struct {
	io.ReadCloser
	failed atomic.Pointer[error]
}

func (b *watchedBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if err != nil && err != io.EOF {
		b.failed.CompareAndSwap(nil, &err)
	}
	return n, err
}

// brokenBody says that the body of a request could not be read, and why.
type brokenBody struct{ error }

func (b brokenBody) Unwrap() error { return b.error }

// serverAnswer is an answer as policies see it.
type serverAnswer struct{ *http.Response }

func (a serverAnswer) Status() int             { return a.StatusCode }
func (a serverAnswer) Field(key string) string { return a.Header.Get(key) }
func (a serverAnswer) Drop()                   { _ = a.Body.Close() }

// refuse answers in words that the client understands.
func refuse(w http.ResponseWriter, r *http.Request, status int, text string) {
	answer := routes.Refusal(status, text)
	if grammar.IsGRPC(r) {
		const unavailable = "14"
		answer = &routes.Response{Header: http.Header{
			"Content-Type": {"application/grpc"}, "Grpc-Status": {unavailable}, "Grpc-Message": {text}, "X-Openfaas-Internal": {"routes"},
		}}
	}
	answer.ServeHTTP(w, r)
}

// rewrite makes the server's request: like a function's it has the client's host, and what only a trusted
// proxy may say of the client. The query stays as it was sent.
func (s *Proxy) rewrite(r *httputil.ProxyRequest, target *url.URL) {
	r.Out.URL.Opaque = "" // it would be sent in place of the path
	r.Out.URL.RawQuery, r.Out.URL.ForceQuery = r.In.URL.RawQuery, r.In.URL.ForceQuery
	server := *target
	if server.Scheme == "h2c" {
		server.Scheme = "http"
	}
	r.SetURL(&server)
	r.Out.Host = r.In.Host
	r.Out.Header.Add("Via", viaUs)
	isTrusted := s.trusted.Sent(r.In)
	for key, values := range r.In.Header {
		if !grammar.IsForwarding(key) {
			continue
		}
		delete(r.Out.Header, key)
		if isTrusted && !strings.Contains(key, "_") {
			r.Out.Header[key] = values
		}
	}
	r.SetXForwarded()
	for _, key := range []string{"X-Forwarded-Host", "X-Forwarded-Proto"} {
		if said := r.In.Header.Get(key); isTrusted && said != "" {
			r.Out.Header.Set(key, said)
		}
	}
	if prefix, _ := function.PrefixFrom(r.In.Context()); prefix != "" {
		r.Out.Header.Set("X-Forwarded-Prefix", strings.TrimSuffix(r.Out.Header.Get("X-Forwarded-Prefix"), "/")+prefix)
	}
}
