package proxy

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync/atomic"

	"faas-docker/function"
	"faas-docker/policy"
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

// deliverThrough has the call answered through its policies, then passes on the
// answer that they have settled on.
func (c *call) deliverThrough(chain *policy.Chain, own policy.Policy, lease resolver.Lease) error {
	sender := &sender{call: c}
	sender.first.Store(&lease)
	defer sender.close()
	to := policy.Call{HTTP: c.r, Function: c.target.name, ID: c.id, Folder: c.handler.SpoolDir}
	if hasBody(c.r) {
		// Several tries may read it, and this call has to end the reading.
		body := &requestBody{Reader: c.body}
		c.upload, to.Body = body, body
		c.answerEarly()
	}
	c.request = policy.NewRequest(to)
	answer, err := chain.Do(c.r.Context(), c.request, own, sender.send)
	if err != nil {
		return err
	}
	got, ok := answer.(*policedReply)
	if !ok {
		return fmt.Errorf("a policy answered with a %T: it may only return what it was given, or an error", answer)
	}
	defer got.lease.Release()
	return got.pass()
}

// passed tells the policies that a piece of the answer was passed on.
func (c *call) passed(n int) {
	if c.request != nil {
		c.request.Passed(n)
	}
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
	t := try{ctx: ctx, body: request.Body, held: &patient{}, request: request}
	lease, err := s.borrow(t)
	if err != nil {
		return nil, err
	}
	got, lease, err := c.send(t, lease)
	if err != nil {
		return nil, outcome(err)
	}
	return &policedReply{reply: got, lease: lease}, nil
}

func (s *sender) borrow(t try) (resolver.Lease, error) {
	if first := s.first.Swap(nil); first != nil {
		return *first, nil
	}
	return s.call.acquire(t, s.call.handler.wakeTimeout())
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
		{errRefused, policy.ErrRefused},
		{errUnreachable, policy.ErrUnsent},
		{errStale, policy.ErrUnsent},
		{errDied, policy.ErrBroken},
		{errBadAnswer, policy.ErrBroken},
		{errTooSlow, policy.ErrLate},
	} {
		if errors.Is(err, known.ours) {
			return fmt.Errorf("%w: %w", known.theirs, err)
		}
	}
	return err
}

// policedReply is a reply as policies see it, with the replica that it comes from.
type policedReply struct {
	reply
	lease resolver.Lease
}

// Status is the answer's.
func (r *policedReply) Status() int { return r.status() }

// Field is the first value of a field of the answer's header.
func (r *policedReply) Field(key string) string { return r.field(key) }

// Drop gives the answer and its replica up.
func (r *policedReply) Drop() {
	r.drop()
	r.lease.Release()
}

// speaks reports whether an interim answer may be passed on. It settles whose the
// answer is.
func (t *try) speaks() bool {
	if t.request == nil {
		return true
	}
	if t.request.Quiet {
		return false
	}
	t.request.Commit()
	return true
}

// hasBody reports whether a body comes with a request, perhaps an empty one.
func hasBody(r *http.Request) bool {
	return r.ContentLength != 0 && r.Body != nil && r.Body != http.NoBody
}
