package proxy

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"

	"faas-docker/function"
	"faas-docker/policy"
	"faas-docker/proxy/upstream"
	"faas-docker/resolver"
)

// ownPolicy is what the handler's owner wants to be done around this call.
func (c *call) ownPolicy() policy.Policy {
	if c.handler.CallPolicy == nil {
		return nil
	}
	return c.handler.CallPolicy(c.target.name, c.r)
}

// policies is what its function and its route want to be done around this call.
func (c *call) policies() *policy.Chain {
	if c.handler.Chains == nil {
		return nil
	}
	return c.handler.Chains.Of(c.target.name, c.policy.Policies, function.PoliciesFrom(c.r.Context()))
}

// deliverThrough has the call answered through its policies, and passes their answer on.
func (c *call) deliverThrough(chain *policy.Chain, own policy.Policy, lease resolver.Lease) error {
	defer c.out.end()
	sender := &sender{call: c}
	sender.first.Store(&lease)
	defer sender.close()
	to := policy.Call{HTTP: c.r, Function: c.target.name, ID: c.id, Spools: c.handler.keptBodies()}
	if upstream.HasBody(c.r) {
		// Several tries may read it, and this call has to end the reading.
		to.Body = c.sendBody(false)
	}
	c.request = policy.NewRequest(to)
	answer, err := chain.Do(c.r.Context(), c.request, own, sender.send)
	if err != nil {
		return err
	}
	got, ok := answer.(heldAnswer)
	if !ok {
		return fmt.Errorf("a policy answered with a %T: it may only return what it was given, or an error", answer)
	}
	return got.Pass()
}

// sender carries the tries of one call to replicas.
type sender struct {
	call *call
	// first is the replica that was borrowed before there was a try.
	first atomic.Pointer[resolver.Lease]
}

// send carries one try. It is called from several goroutines when the call is hedged.
func (s *sender) send(ctx context.Context, request *policy.Request) (policy.Answer, error) {
	c := s.call
	a := &attempt{request: request}
	lease, err := s.borrow(ctx, a)
	if err != nil {
		return nil, err
	}
	var body upstream.Body
	if upstream.HasBody(c.r) {
		body = keptBody{request.Body}
	}
	a.prepare(ctx, c, body)
	a.out.Beside = true
	got, lease, err := c.send(a, lease)
	if err != nil && c.pastGRPCDeadline() {
		return nil, err // the caller has set it, and it says nothing of the function
	}
	if err != nil {
		return nil, outcome(err)
	}
	return heldAnswer{got, lease.Release}, nil
}

func (s *sender) borrow(ctx context.Context, a *attempt) (resolver.Lease, error) {
	if first := s.first.Swap(nil); first != nil {
		return *first, nil
	}
	return a.acquire(ctx, s.call, s.call.handler.wakeTimeout())
}

// close gives the first replica back if there was no try.
func (s *sender) close() {
	if first := s.first.Swap(nil); first != nil {
		first.Release()
	}
}

// outcome adds the policies' word for a failure to it, where they have one.
func outcome(err error) error {
	for _, known := range []struct{ ours, theirs error }{
		{upstream.ErrRefused, policy.ErrRefused},
		{upstream.ErrUnreachable, policy.ErrUnsent},
		{upstream.ErrStale, policy.ErrUnsent},
		{errEarly, policy.ErrUnsent},
		{upstream.ErrDied, policy.ErrBroken},
		{upstream.ErrBadAnswer, policy.ErrBroken},
		{upstream.ErrTooSlow, policy.ErrLate},
	} {
		if errors.Is(err, known.ours) {
			return fmt.Errorf("%w: %w", known.theirs, err)
		}
	}
	return err
}
