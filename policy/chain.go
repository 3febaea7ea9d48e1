package policy

import (
	"context"
	"slices"

	"github.com/hashicorp/go-hclog"

	"faas-docker/function"
)

// Chain is a function's policies in their order. It is immutable; what policies remember, budgets and
// breaker, is safe for concurrent use. A nil Chain has no policies.
type Chain struct {
	policies function.Policies
	// outer and inner are the policies on both sides of the single call's own.
	outer, inner []Policy

	retry   *retry
	hedge   *hedge
	breaker *breaker
}

// newChain builds a function's chain. Policies that are as in old, which may be nil, keep what they remember.
func newChain(name function.Name, p function.Policies, old *Chain, log hclog.Logger) *Chain {
	if old == nil {
		old = &Chain{}
	}
	c := &Chain{policies: p}
	if p.Log.Level != "" {
		c.outer = append(c.outer, newLogging(p.Log, log))
	}
	if p.Retry.Attempts > 0 {
		if c.retry = old.retry; p.Retry != old.policies.Retry {
			c.retry = &retry{policy: p.Retry, log: log, budget: budget{share: p.Retry.Budget}}
		}
		c.outer = append(c.outer, c.retry)
	}
	if p.Hedge.After > 0 {
		if c.hedge = old.hedge; p.Hedge != old.policies.Hedge {
			c.hedge = &hedge{policy: p.Hedge, log: log, budget: budget{share: p.Hedge.Budget}}
		}
		c.outer = append(c.outer, c.hedge)
	}
	if p.Breaker.Failures > 0 || p.Breaker.Rate > 0 {
		if c.breaker = old.breaker; p.Breaker != old.policies.Breaker {
			c.breaker = newBreaker(p.Breaker, name, log)
		}
		c.outer = append(c.outer, c.breaker)
	}
	if p.TryTimeout > 0 {
		c.outer = append(c.outer, tryTimeout{p.TryTimeout})
	}
	if p.Fault != (function.FaultPolicy{}) {
		c.outer = append(c.outer, fault{p.Fault})
	}
	if p.Progress.Every > 0 {
		c.inner = append(c.inner, progress{p.Progress, log})
	}
	return c
}

// Do passes a request through the chain and the sender. own is this one call's policy, or nil. It sees each
// try: it stands behind the policies that decide on tries, and before those that watch bodies.
func (c *Chain) Do(ctx context.Context, request *Request, own Policy, send Sender) (Answer, error) {
	if c == nil {
		c = &Chain{}
	}
	next := wrap(c.inner, func(ctx context.Context, request *Request) (Answer, error) {
		request.tries.Add(1)
		return send(ctx, request)
	})
	if own != nil {
		next = wrap([]Policy{own}, next)
	}
	return wrap(c.outer, next)(ctx, request)
}

// wrap puts policies before a sender; the first is the outermost.
func wrap(policies []Policy, next Sender) Sender {
	for _, p := range slices.Backward(policies) {
		inner := next
		next = func(ctx context.Context, request *Request) (Answer, error) { return p.Do(ctx, request, inner) }
	}
	return next
}
