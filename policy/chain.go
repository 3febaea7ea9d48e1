package policy

import (
	"context"
	"slices"

	"github.com/hashicorp/go-hclog"

	"faas-docker/function"
)

// Chain is the policies of one function, in their order. It is immutable; what
// policies remember from call to call, the budgets and the breaker, is safe for
// concurrent use. A nil Chain has no policies.
type Chain struct {
	policies function.Policies
	// before and behind are the policies on both sides of the place of the one that
	// belongs to a single call.
	before, behind []Policy

	retry   *retry
	hedge   *hedge
	breaker *breaker
}

// newChain builds the chain of a function. What the one before it remembers is
// kept by the policies that stay as they were; before may be nil.
func newChain(name function.Name, p function.Policies, before *Chain, log hclog.Logger) *Chain {
	c := &Chain{policies: p}
	if before != nil {
		c.inherit(before)
	}
	if p.Log.Level != "" {
		c.before = append(c.before, newLogging(p.Log, log))
	}
	if p.Retry.Attempts > 0 {
		if c.retry == nil {
			c.retry = newRetry(p.Retry, log)
		}
		c.before = append(c.before, c.retry)
	}
	if p.Hedge.After > 0 {
		if c.hedge == nil {
			c.hedge = newHedge(p.Hedge, log)
		}
		c.before = append(c.before, c.hedge)
	}
	if p.Breaker.Failures > 0 || p.Breaker.Rate > 0 {
		if c.breaker == nil {
			c.breaker = newBreaker(p.Breaker, name, log)
		}
		c.before = append(c.before, c.breaker)
	}
	if p.TryTimeout > 0 {
		c.before = append(c.before, tryTimeout{p.TryTimeout})
	}
	if p.Fault != (function.FaultPolicy{}) {
		c.before = append(c.before, fault{p.Fault})
	}
	if p.Progress.Every > 0 {
		c.behind = append(c.behind, progress{p.Progress, log})
	}
	return c
}

// inherit takes over what has a memory and is to be as it was.
func (c *Chain) inherit(before *Chain) {
	if c.policies.Retry == before.policies.Retry {
		c.retry = before.retry
	}
	if c.policies.Hedge == before.policies.Hedge {
		c.hedge = before.hedge
	}
	if c.policies.Breaker == before.policies.Breaker {
		c.breaker = before.breaker
	}
}

// Do passes a request through the chain and the sender. own is the policy of this
// one call, which sees each try: it stands behind the policies that decide whether
// there is a try, and before those that watch its bodies. Nil means none.
func (c *Chain) Do(ctx context.Context, request *Request, own Policy, send Sender) (Answer, error) {
	next := func(ctx context.Context, request *Request) (Answer, error) {
		request.tries.Add(1)
		return send(ctx, request)
	}
	if c != nil {
		next = wrap(c.behind, next)
	}
	if own != nil {
		next = wrap([]Policy{own}, next)
	}
	if c != nil {
		next = wrap(c.before, next)
	}
	return next(ctx, request)
}

// wrap puts policies before a sender; the first is the outermost.
func wrap(policies []Policy, next Sender) Sender {
	for _, p := range slices.Backward(policies) {
		inner := next
		next = func(ctx context.Context, request *Request) (Answer, error) { return p.Do(ctx, request, inner) }
	}
	return next
}
