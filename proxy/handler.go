// Package proxy carries one invocation to one live replica and its answer back.
//
// A Handler finds the function that a request names, borrows one of its replicas
// from the resolver, passes the request on and the answer back, both as streams,
// and gives the replica back. What the function sends is not altered; what fails
// on the way always looks failed to the client.
package proxy

import (
	"cmp"
	"context"
	"errors"
	"log"
	"net/http"
	"net/http/httputil"
	"sync"
	"time"

	"github.com/hashicorp/go-hclog"
	"golang.org/x/time/rate"

	"faas-docker/function"
	"faas-docker/grammar"
	"faas-docker/policy"
	"faas-docker/proxy/upstream"
	"faas-docker/resolver"
)

// Observer is told of every invocation of a function that exists. Its methods
// are called from many goroutines at once and must not block.
type Observer interface {
	// Started is called when an invocation has been given a replica, or has been refused one.
	Started(function.Name)
	// Finished is called when the call has ended: with the status code that was
	// sent, 101 for an upgrade, 499 when the client went away, and 502 when the
	// function's answer broke off.
	Finished(name function.Name, code int, took time.Duration)
}

// Handler serves the invocations: every path that begins with /function/, and
// gRPC calls on any path. A gRPC call names its function by the path
// /function/<name>/pkg.Service/Method, by the metadata x-function, or by an
// authority <function>.<namespace>[.anything].
//
// Set the fields before use; its methods are safe for concurrent use. The server
// that it is mounted in must have neither ReadTimeout nor WriteTimeout: they would cut
// streams and upgrades.
//
// A Handler is also the Lane of a front.Server, which has plain calls carried faster.
type Handler struct {
	// Resolver lends the replicas; it must not be nil.
	Resolver *resolver.Resolver
	// Timeouts bound what is waited for.
	Timeouts
	// Limits bound what is kept.
	Limits
	// Rules say how functions are called.
	Rules
	// Hooks see the calls.
	Hooks
	// Logs get what callers are not told.
	Logs

	// once gives the settings above to upstreams and spools.
	once      sync.Once
	upstreams upstream.Pools
	spools    policy.Spools
	tunnels   tunnels
	thaws     thaws
	// complaints are those of having no descriptors.
	complaints rate.Sometimes
	// dialect is how the seed's handler differs.
	dialect dialect
}

// Timeouts are the times that a Handler waits.
type Timeouts struct {
	// Timeout bounds the wait for the head of the function's answer, counted from
	// the last byte of the request that was passed on; past it the client gets a
	// 504. Zero means 60 s.
	Timeout time.Duration
	// WakeTimeout is how long a caller is held until a replica is ready; past it
	// the client gets a 503. Zero means 30 s.
	WakeTimeout time.Duration
	// RetryTimeout is how long a call is tried on further replicas, and the
	// successor of one that died is awaited, when a replica cannot be reached at all;
	// past it the client gets a 502. Zero means 10 s.
	RetryTimeout time.Duration
	// StallTimeout is how long a client may take to accept a piece of an answer;
	// one that takes longer is cut off. Zero means 60 s. Behind a front.Server its StallTimeout
	// counts, too; of calls that Carry carries it alone.
	StallTimeout time.Duration
	// FlushInterval is how long a piece of an answer may lie in a buffer before it
	// is sent to the client. Zero, and anything negative, means not at all: the
	// client sees at once what the function flushed.
	FlushInterval time.Duration
}

// Limits are how much a Handler takes and keeps.
type Limits struct {
	// MaxRequestBody bounds the body of a request, in bytes, where the function's policy
	// does not; past it the client gets a 413. Zero means no bound.
	MaxRequestBody int64
	// SpoolDir is the folder for request bodies that are kept to be sent again and are
	// too long for memory; empty means the system's folder for temporary files.
	SpoolDir string
	// MaxSpool bounds what all these bodies take together, in memory and on disk, in bytes; a
	// call whose body does not fit is not repeated. Zero means 1 GiB, and a negative number
	// that none is kept.
	MaxSpool int64
	// MaxIdlePerReplica bounds the idle HTTP/1 connections that are kept to one
	// replica. Zero means 1024; negative means that none is kept.
	MaxIdlePerReplica int
	// MaxIdle bounds those that are kept to all replicas together. Zero means 1024.
	MaxIdle int
	// BufferPool lends the buffers that long bodies are copied with, and gets
	// them back; it gets a new one of 32 KiB for each that is shorter than 512 bytes.
	// Nil means a pool of our own, of 32 KiB each.
	BufferPool httputil.BufferPool
}

// Rules are how a Handler calls functions.
type Rules struct {
	// DefaultNamespace is the namespace of a function named without one. Empty
	// means function.DefaultNamespace.
	DefaultNamespace string
	// TrustedProxies are the peers whose X-Forwarded-* and Forwarded headers are
	// kept and added to; from everybody else they are replaced. Empty trusts none.
	TrustedProxies grammar.Proxies
	// Policy says how a function wants to be invoked; it is asked once per
	// invocation, also for functions that do not exist. Nil means the defaults.
	Policy func(function.Name) function.CallPolicy
	// Awaited says what callers of a function wait for that has no replica ready, such as
	// "replica x: answers 503 on /_/health since 20s"; empty is unknown, and so is nil.
	Awaited func(function.Name) string
	// Guarded reports whether calls of a function have to be looked at by a handler in front: they
	// are not carried past net/http then. Nil means that none have.
	Guarded func(function.Name) bool
	// Chains makes policies of what functions and routes ask for (CallPolicy.Policies,
	// function.WithPolicies); nil means that nothing is done around their calls.
	Chains *policy.Chains
	// CallPolicy chooses a policy for one call, whose place in the chain is marked in
	// policy.Chain.Do; it is asked for functions that do not exist, too. Nil means none,
	// and so does what it returns.
	CallPolicy func(function.Name, *http.Request) policy.Policy
	// HasEnded tells whether a replica that broke a call off has ended, or one whose watchdog answered in
	// its process's place; see upstream.HasEnded. Nil means that no replica is asked.
	HasEnded func(context.Context, function.Replica) bool
}

// Hooks are told of the calls of a Handler.
type Hooks struct {
	// Observer is told of the invocations; nil means that none is.
	Observer Observer
	// Intercept sees every request before anything else does. It answers the request
	// itself and returns ErrHandled, or lets it pass with nil, perhaps with another
	// header or body (the connection of an HTTP/1 client whose body is replaced ends
	// with the answer); the function that is invoked, and the path it sees, are read
	// from the request's RequestURI. A *function.Failure is answered as such, any
	// other error with 500; the text of that is for the log only. Nil lets all pass.
	Intercept func(http.ResponseWriter, *http.Request) error
}

// Logs are where a Handler writes.
type Logs struct {
	// Logger gets what callers are not told; nil means ErrorLog.
	Logger hclog.Logger
	// ErrorLog gets it when Logger is nil, as in net/http; nil discards it.
	ErrorLog *log.Logger
}

// dialect is how a handler words failures and names types beside this package's own way.
type dialect struct {
	// refusal tells some failures; nil when it tells none.
	refusal func(*call, error) (refusal, bool)
	// fallbackType is the content type of an answer that names none; nil leaves it without.
	fallbackType func(*http.Request) string
}

// ServeHTTP carries one invocation.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) { h.serve(w, r, false) }

// Previous returns a handler that carries invocations to the revision before the
// present one, while that is kept to be lent, and else as ServeHTTP does.
func (h *Handler) Previous() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { h.serve(w, r, true) })
}

func (h *Handler) serve(w http.ResponseWriter, r *http.Request, previous bool) {
	c := &call{handler: h, client: client{w: w, r: stripped(r), incoming: r}, previous: previous}
	c.began = time.Now()
	c.takeOver()
	defer c.unwind()
	c.identify(c.began)
	err := c.intercept()
	if errors.Is(err, ErrHandled) {
		return
	}
	if err == nil {
		err = c.run()
	}
	c.finish(err)
}

// Sever breaks off the calls that are in flight on a replica which has died; see upstream.Pools.Sever.
func (h *Handler) Sever(replica function.Replica) { h.upstreams.Sever(&replica) }

// Drop closes the pooled connections to a replica. It is meant for a replica
// that has left, or that is about to be paused; it does not disturb invocations
// that are under way.
func (h *Handler) Drop(replica function.Replica) { h.upstreams.Drop(replica.ID) }

// Shutdown waits until every upgraded connection has ended, or ctx has; then it
// cuts those that remain, and returns the context's error. Call it after, or
// beside, the server's own Shutdown, which does not know of them.
func (h *Handler) Shutdown(ctx context.Context) error {
	err := h.tunnels.shutdown(ctx)
	h.upstreams.Close()
	return err
}

// setUp hands the settings on.
func (h *Handler) setUp() {
	h.upstreams.MaxIdle, h.upstreams.MaxIdlePerReplica = h.MaxIdle, h.MaxIdlePerReplica
	h.upstreams.Buffers.Pool = h.BufferPool
	h.complaints.Interval = 10 * time.Second
	h.spools.Folder, h.spools.MaxBytes = h.SpoolDir, h.MaxSpool
}

// pools are the connections to all replicas.
func (h *Handler) pools() *upstream.Pools {
	h.once.Do(h.setUp)
	return &h.upstreams
}

// keptBodies bounds what is kept of all requests together.
func (h *Handler) keptBodies() *policy.Spools {
	h.once.Do(h.setUp)
	return &h.spools
}

func (h *Timeouts) timeout() time.Duration { return cmp.Or(max(0, h.Timeout), 60*time.Second) }

func (h *Timeouts) wakeTimeout() time.Duration { return cmp.Or(max(0, h.WakeTimeout), 30*time.Second) }

func (h *Timeouts) retryTimeout() time.Duration {
	return cmp.Or(max(0, h.RetryTimeout), 10*time.Second)
}

func (h *Timeouts) stallTimeout() time.Duration {
	return cmp.Or(max(0, h.StallTimeout), 60*time.Second)
}

// awaited advises a caller whose function has no replica ready.
func (h *Handler) awaited(name function.Name) string {
	if h.Awaited != nil {
		if what := h.Awaited(name); what != "" {
			return what
		}
	}
	if h.Resolver != nil && h.Resolver.Load(name).Ready > 0 {
		return "those that are ready have as many calls in flight as they take (max_inflight)"
	}
	return "try again, or look at its logs and its status"
}

func (h *Rules) defaultNamespace() string {
	return cmp.Or(h.DefaultNamespace, function.DefaultNamespace)
}

func (h *Logs) log() hclog.Logger {
	switch {
	case h.Logger != nil:
		return h.Logger
	case h.ErrorLog != nil:
		return hclog.FromStandardLogger(h.ErrorLog, &hclog.LoggerOptions{})
	}
	return hclog.NewNullLogger()
}
