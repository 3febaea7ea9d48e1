package proxy

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"sync/atomic"
	"time"

	"faas-docker/function"
	"faas-docker/function/clock"
	"faas-docker/policy"
	"faas-docker/proxy/upstream"
	"faas-docker/resolver"
)

const (
	// maxReplays bounds how often a request is repeated that replicas died of, or with: the kernel
	// accepts connections for a process that is ending, so the second try may meet the same one.
	maxReplays = 2
	// replayPause is the wait before the second of them; the first comes at once.
	replayPause = 20 * time.Millisecond
)

// attempt is one try to have a call answered. Without policies a call is one attempt. The
// answer goes to the call's client through it.
type attempt struct {
	call *call
	// out is what is sent.
	out upstream.Request
	// held bounds the wait for a replica.
	held waitContext
	// request is the attempt as policies know it; nil without any.
	request *policy.Request
	// early is the replica whose watchdog answered for its process; zero for none.
	early resolver.Lease
}

var _ upstream.Client = (*attempt)(nil)

// prepare makes an attempt of the call as it is now; ctx ends it.
func (a *attempt) prepare(ctx context.Context, c *call, body upstream.Body) {
	a.call = c
	a.out = upstream.Request{
		Context: ctx, HTTP: c.r, Incoming: c.incoming, Path: c.target.path, Forwarded: c.handler.forwardingOf(c.r),
		CallID: c.id, Start: c.start, Announced: c.announced, Body: body,
		HeadTimeout: c.headTimeout(), IdleTimeout: c.policy.IdleTimeout, Client: a, Sent: c.repeats.replays.Load(),
	}
}

// speaks reports whether an interim answer may be passed on. It settles whose the answer is.
func (a *attempt) speaks() bool {
	if a.request == nil {
		return true
	}
	if a.request.Quiet {
		return false
	}
	a.request.Commit()
	return true
}

func (a *attempt) Inform(h upstream.Head) {
	switch c := a.call; {
	case h.Code == http.StatusContinue:
		a.askForBody(h)
	case c.r.ProtoAtLeast(1, 1) && a.speaks():
		c.inform(h)
	}
}

// askForBody asks a client for its body that waits for that. Attempts beside others leave it
// to the reading of the body.
func (a *attempt) askForBody(h upstream.Head) {
	beside := a.request != nil && a.request.Quiet
	if !a.call.asked && !beside {
		a.call.asked = true
		a.call.inform(h)
	}
}

func (a *attempt) Begin(h upstream.Head, framing upstream.Framing) {
	c := a.call
	c.out = c.handler.newDelivery(c.w)
	h = a.typed(h)
	if h.Unframed {
		c.beginUnframed(h, framing != upstream.FramingNone, trailerNames(h))
		return
	}
	c.beginFramed(h, framing)
}

// typed names the type of an answer that names none, where the dialect has it named.
func (a *attempt) typed(h upstream.Head) upstream.Head {
	c := a.call
	fallback := c.handler.dialect.fallbackType
	isType := func(f upstream.Field) bool { return f.Key == "Content-Type" }
	if fallback == nil || c.w.Header()["Content-Type"] != nil || slices.ContainsFunc(h.Fields, isType) {
		return h
	}
	h.Fields = append(slices.Clip(h.Fields), upstream.Field{Key: "Content-Type", Value: fallback(c.r)})
	return h
}

func (a *attempt) Write(piece []byte) error {
	c := a.call
	if err := c.out.write(piece); err != nil {
		return fmt.Errorf("%w: %w", upstream.ErrClientGone, err)
	}
	if c.request != nil {
		c.request.Passed(len(piece))
	}
	return nil
}

func (a *attempt) Flush() error {
	if err := a.call.out.flush(); err != nil {
		return fmt.Errorf("%w: %w", upstream.ErrClientGone, err)
	}
	return nil
}

// SetTrailers passes on what followed the body.
func (a *attempt) SetTrailers(fields []upstream.Field) error {
	a.call.out.end()
	return a.call.setTrailers(fields)
}

// prepare prepares the only attempt of the call; release follows.
func (c *call) prepare() {
	var body upstream.Body
	if upstream.HasBody(c.r) {
		body = c.sendBody(true)
	}
	c.attempt.prepare(c.r.Context(), c, body)
}

// release ends what the attempt has begun with the client.
func (c *call) release() {
	if c.upload != nil {
		c.upload.release()
	}
	c.out.end()
}

// deliver has the call answered in one attempt and passes the answer on.
func (c *call) deliver(lease resolver.Lease) error {
	c.prepare()
	defer c.release()
	got, lease, err := c.send(&c.attempt, lease)
	if err != nil {
		return err
	}
	defer lease.Release()
	return got.Pass()
}

// repeats is what is sent again without any policy. It is bounded once for a call,
// however many tries policies make of it.
type repeats struct {
	// until is how long another replica is looked for, from the call's beginning.
	until   time.Duration
	replays atomic.Int32
}

// send carries a try to the replica, and to others as long as one cannot be reached at all: it may
// have stopped a moment ago, and its successor be about to start. A request that may be repeated
// (RFC 9110, 9.2.2) also survives a replica that ends at once (upstream.WorkTime), without a byte of
// an answer; but not many, and not a kept connection to each besides, since it may be what ended them.
// The lease, which is none with an error, is to be released when the answer has been passed on or dropped.
func (c *call) send(a *attempt, lease resolver.Lease) (upstream.Answer, resolver.Lease, error) {
	for {
		before := a.out.Sent
		got, err := a.open(lease)
		if err == nil {
			return got, lease, nil
		}
		c.repeats.replays.Add(a.out.Sent - before)
		a.out.Sent = max(1, a.out.Sent)
		left := c.retryUntil(err) - time.Since(c.began)
		if left <= 0 || a.out.Context.Err() != nil || !c.mayRepeat(a, err) {
			c.handler.findEnd(a.out.Context, lease.Replica(), err)
			return nil, lease, err
		}
		if errors.Is(err, errEarly) {
			if dead := a.watchEarly(); dead != nil {
				return nil, lease, dead
			}
		}
		next, unavailable := a.acquire(a.out.Context, c, left)
		if errors.Is(unavailable, errNotAwake) {
			return nil, lease, err
		}
		if unavailable != nil {
			return nil, lease, unavailable
		}
		if a.early.HasDied() {
			next.Release()
			return nil, lease, a.diedEarly()
		}
		lease = next
	}
}

// mayRepeat reports whether a try that failed is carried to another replica, and
// pauses before that where it may have been what ended this one.
func (c *call) mayRepeat(a *attempt, err error) bool {
	if errors.Is(err, upstream.ErrUnreachable) || errors.Is(err, errEarly) {
		return true
	}
	if !errors.Is(err, upstream.ErrUnanswered) {
		return false
	}
	before := c.repeats.replays.Add(1) - 1
	if before >= maxReplays {
		return false
	}
	clock.Sleep(a.out.Context, time.Duration(before)*replayPause)
	return true
}

// open carries the attempt to the replica and waits for the head of the answer. Without one the replica
// is given back; one that cannot be reached is not lent again until it has been seen to answer.
func (a *attempt) open(lease resolver.Lease) (got upstream.Answer, err error) {
	defer func() {
		if got == nil {
			lease.Release()
		}
	}()
	if lease.IsProven() {
		got, err = a.openLent(lease)
	} else {
		got, err = a.openUnproven(lease)
	}
	if errors.Is(err, upstream.ErrUnreachable) && a.out.Context.Err() == nil {
		a.call.handler.Resolver.Suspect(a.call.target.name, lease.Replica().ID)
	}
	return got, err
}

// openLent speaks to a replica that may be frozen still.
func (a *attempt) openLent(lease resolver.Lease) (upstream.Answer, error) {
	if lease.Waking() {
		return a.openFrozen(lease.Replica())
	}
	return a.openOn(lease.Replica())
}

// openOn speaks to the replica as it wants it.
func (a *attempt) openOn(replica *function.Replica) (upstream.Answer, error) {
	pool := a.call.handler.pools().Of(replica)
	if a.call.wantsHTTP2() {
		return pool.OpenHTTP2(&a.out)
	}
	return pool.Open(&a.out)
}

// acquire borrows a replica, waiting for one no longer than limit, and than ctx lasts.
func (a *attempt) acquire(ctx context.Context, c *call, limit time.Duration) (resolver.Lease, error) {
	a.held = waitContext{Context: ctx, limit: limit}
	defer a.held.stop()
	borrow := c.handler.Resolver.Acquire
	if c.previous {
		borrow = c.handler.Resolver.AcquirePrevious
	}
	lease, err := borrow(&a.held, c.target.name)
	if errors.Is(err, context.DeadlineExceeded) {
		err = errNotAwake
	}
	return lease, err
}

// waitContext ends when its parent does or the limit is over, whose clock starts when somebody waits:
// most callers are served at once. Only one goroutine may use it.
type waitContext struct {
	context.Context
	limit   time.Duration
	bounded context.Context
	cancel  context.CancelFunc
}

func (w *waitContext) Done() <-chan struct{} {
	if w.bounded == nil {
		w.bounded, w.cancel = context.WithTimeout(w.Context, w.limit)
	}
	return w.bounded.Done()
}

func (w *waitContext) Err() error {
	if w.bounded != nil {
		return w.bounded.Err()
	}
	return w.Context.Err()
}

func (w *waitContext) stop() {
	if w.cancel != nil {
		w.cancel()
	}
}
