package proxy

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"faas-docker/function"
	"faas-docker/grammar"
	"faas-docker/policy"
	"faas-docker/proxy/upstream"
)

// call is one invocation on its way.
type call struct {
	// client is where it comes from.
	client
	handler *Handler
	target  target
	policy  function.CallPolicy
	observation
	// attempt is the only one of a call without policies.
	attempt attempt
	// repeats bounds what is repeated without any policy.
	repeats repeats
	// request is the call as its policies know it; nil without any.
	request *policy.Request
	// unbind lets go of the deadline that r is bound to: only when the call has been
	// finished, which asks how r ended. It is nil for one that is not bound.
	unbind context.CancelFunc
	// previous is set when the revision before is wanted.
	previous bool
}

// observation is since when a call has been going on, and whether the observer knows of it: it does not
// where the function may not exist, nor when the call has ended.
type observation struct {
	began time.Time
	known bool
}

func (o *observation) started(h *Handler, name function.Name) {
	o.known = true
	if h.Observer != nil {
		h.Observer.Started(name)
	}
}

// ended tells the observer how the call has ended, once.
func (o *observation) ended(h *Handler, name function.Name, code int) {
	if o.known && h.Observer != nil {
		o.known = false
		h.Observer.Finished(name, code, time.Since(o.began))
	}
}

// intercept asks the hook. The body that it has replaced will not be read.
func (c *call) intercept() error {
	hook, sent := c.handler.Intercept, c.r.Body
	if hook == nil {
		return nil
	}
	if err := hook(c.w, c.r); err != nil {
		return fmt.Errorf("%w: %w", errIntercepted, err)
	}
	if c.r.Body != sent {
		c.dismiss()
	}
	return nil
}

// run finds the function and carries the call to one of its replicas.
func (c *call) run() (err error) {
	if !allowed(c.r.Method) {
		return errMethod
	}
	if c.target, err = parseTarget(c.r, c.handler.defaultNamespace()); err != nil {
		return err
	}
	if err := c.applyPolicy(); err != nil {
		return err
	}
	own := c.ownPolicy()
	if err := c.attempt.checkEarly(c); err != nil {
		return err
	}
	lease, err := c.attempt.acquire(c.r.Context(), c, c.handler.wakeTimeout())
	if !errors.Is(err, function.ErrNotFound) && !c.known {
		c.started(c.handler, c.target.name)
	}
	if err != nil {
		return err
	}
	if c.attempt.early.HasDied() {
		lease.Release()
		return c.attempt.diedEarly()
	}
	c.repeats.until = time.Since(c.began) + c.handler.retryTimeout()
	if chain := c.policies(); chain != nil || own != nil {
		return c.deliverThrough(chain, own, lease)
	}
	return c.deliver(lease)
}

// applyPolicy asks how the function wants to be invoked, and bounds the call so.
func (c *call) applyPolicy() error {
	c.take()
	if c.handler.Policy != nil {
		c.policy = c.handler.Policy(c.target.name)
	}
	if limit := cmp.Or(c.policy.MaxRequestBody, c.handler.MaxRequestBody); limit > 0 && c.r.ContentLength != 0 {
		if c.r.ContentLength > limit {
			return upstream.ErrLargeBody
		}
		c.body = http.MaxBytesReader(c.w, c.body, limit)
	}
	if c.policy.Timeout <= 0 {
		return nil
	}
	ctx, cancel := context.WithDeadlineCause(c.r.Context(), c.began.Add(c.policy.Timeout), expiry{})
	c.r, c.unbind = c.r.WithContext(ctx), cancel
	return nil
}

// watchdogMargin lets a watchdog say itself that a call took too long.
const watchdogMargin = time.Second

// headTimeout bounds the wait for an answer's head. A watchdog that gives a call more time is let.
func (h *Handler) headTimeout(policy *function.CallPolicy) time.Duration {
	if policy.HeadTimeout > 0 {
		return policy.HeadTimeout
	}
	if own := policy.WatchdogTime; own > 0 {
		return max(h.timeout(), own+watchdogMargin)
	}
	return h.timeout()
}

func (c *call) headTimeout() time.Duration { return c.handler.headTimeout(&c.policy) }

// wantsHTTP2 reports whether the function speaks HTTP/2: it says so, or nothing, and the call is gRPC's.
func (c *call) wantsHTTP2() bool {
	return c.policy.Protocol == function.ProtocolH2C || c.policy.Protocol == "" && grammar.IsGRPC(c.r)
}

// errUnwound says that somebody around the call, or in it, has panicked.
var errUnwound = errors.New("panic while the call was carried")

// unwind lets go of a call, and tells the observer and the policies of one that did not
// come to its end: somebody around us answers what panics.
func (c *call) unwind() {
	c.ended(c.handler, c.target.name, http.StatusInternalServerError)
	if c.request != nil {
		c.request.End(http.StatusInternalServerError, errUnwound)
	}
	if c.unbind != nil {
		c.unbind()
	}
}

// finish answers what is still unanswered and tells the observer. An answer that has begun and cannot
// be completed is cut: nothing else would tell the client.
func (c *call) finish(err error) {
	code, cut := c.code, false
	if err != nil {
		begun := c.code != 0
		code = c.fail(err)
		// For a client that went away the server would make up an empty 200.
		cut = begun || code == statusClientGone
	}
	c.ended(c.handler, c.target.name, code)
	if c.request != nil {
		c.request.End(code, err)
	}
	switch {
	case cut && grammar.IsGRPC(c.r) && code != statusClientGone:
		c.setGRPCTrailers(code, c.naming("its answer broke off"))
	case cut:
		c.cut()
	}
	if c.dismissed {
		c.linger()
	}
}
