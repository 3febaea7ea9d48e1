package proxy

import (
	"context"
	"errors"
	"io"
	"sync/atomic"
	"time"

	"faas-docker/function"
	"faas-docker/policy"
	"faas-docker/resolver"
)

const (
	// maxReplays bounds how often a request is repeated that replicas died of, or
	// with. The kernel still accepts connections for a process that is ending: the
	// second try may meet the same one.
	maxReplays = 2
	// replayPause is the wait before the second of them; the first comes at once.
	replayPause = 20 * time.Millisecond
)

// try is one attempt to have a call answered. Without policies a call is one try.
type try struct {
	// ctx ends the try, and what is left of its answer.
	ctx context.Context
	// body is what is sent.
	body io.Reader
	// held bounds the wait for a replica.
	held *patient
	// request is the try as policies know it; nil without any.
	request *policy.Request
}

// reply is an answer whose head has arrived. Either pass or drop is called, once.
type reply interface {
	status() int
	// field is the first value of a header field, by its canonical name.
	field(key string) string
	// pass passes the answer on to the client, to its end.
	pass() error
	// drop gives the answer up.
	drop()
}

// deliver has the call answered in one try and passes the answer on.
func (c *call) deliver(lease resolver.Lease) error {
	if err := c.readSmall(); err != nil {
		lease.Release()
		return err
	}
	t := try{ctx: c.r.Context(), body: c.body, held: &c.held}
	got, lease, err := c.send(t, lease)
	if err != nil {
		return err
	}
	defer lease.Release()
	return got.pass()
}

// repeats is what is sent again without any policy. It is bounded once for a call,
// however many tries policies make of it.
type repeats struct {
	// until is how long another replica is looked for, from the call's beginning.
	until   time.Duration
	replays atomic.Int32
}

// send carries a try to the replica, and to others as long as one cannot be reached
// at all: no replica has seen anything of it then. It may have stopped a moment ago,
// and its successor be about to start. A request that may be repeated (RFC 9110,
// 9.2.2) also survives a replica that ends without a byte of an answer; but not
// many, since it may be what ended them. The lease is to be released when the answer
// has been passed on or dropped; there is none with an error.
func (c *call) send(t try, lease resolver.Lease) (reply, resolver.Lease, error) {
	for {
		got, err := c.open(&t, lease)
		if err == nil {
			return got, lease, nil
		}
		left := c.repeats.until - time.Since(c.began)
		if left <= 0 || t.ctx.Err() != nil || !c.mayRepeat(t, err) {
			return nil, lease, err
		}
		next, unavailable := c.acquire(t, left)
		if errors.Is(unavailable, errNotAwake) {
			return nil, lease, err
		}
		if unavailable != nil {
			return nil, lease, unavailable
		}
		lease = next
	}
}

// mayRepeat reports whether a try that failed is carried to another replica, and
// pauses before that where it may have been what ended this one.
func (c *call) mayRepeat(t try, err error) bool {
	if errors.Is(err, errUnreachable) {
		return true
	}
	if !errors.Is(err, errUnanswered) {
		return false
	}
	before := c.repeats.replays.Add(1) - 1
	if before >= maxReplays {
		return false
	}
	pause(t.ctx, time.Duration(before)*replayPause)
	return true
}

// pause waits, but not longer than anybody waits for it.
func pause(ctx context.Context, length time.Duration) {
	if length == 0 {
		return
	}
	select {
	case <-time.After(length):
	case <-ctx.Done():
	}
}

// open carries a try to the replica and waits for the head of its answer. Without
// one the replica is given back; if it cannot be reached it is not lent again until
// it has been seen to answer.
func (c *call) open(t *try, lease resolver.Lease) (got reply, err error) {
	defer func() {
		if got == nil {
			lease.Release()
		}
	}()
	if lease.Waking() {
		got, err = c.openAsleep(t, lease.Replica())
	} else {
		got, err = c.openOn(*t, lease.Replica())
	}
	if errors.Is(err, errUnreachable) && t.ctx.Err() == nil {
		c.handler.Resolver.Suspect(c.target.name, lease.Replica().ID)
	}
	return got, err
}

// openOn speaks to the replica as it wants it.
func (c *call) openOn(t try, replica *function.Replica) (reply, error) {
	upstream := c.handler.upstreams.of(replica)
	if c.wantsHTTP2() {
		return upstream.openHTTP2(c, t)
	}
	return upstream.open(c, t)
}

// acquire borrows a replica, waiting for one no longer than limit.
func (c *call) acquire(t try, limit time.Duration) (resolver.Lease, error) {
	*t.held = patient{Context: t.ctx, limit: limit}
	defer t.held.stop()
	borrow := c.handler.Resolver.Acquire
	if c.previous {
		borrow = c.handler.Resolver.AcquirePrevious
	}
	lease, err := borrow(t.held, c.target.name)
	if errors.Is(err, context.DeadlineExceeded) {
		err = errNotAwake
	}
	return lease, err
}

// patient is a context that ends when its parent does or the limit is over. Its
// clock starts when somebody waits for it: most callers are served at once. Only
// one goroutine may use it.
type patient struct {
	context.Context
	limit   time.Duration
	bounded context.Context
	cancel  context.CancelFunc
}

// Done starts the clock.
func (p *patient) Done() <-chan struct{} {
	if p.bounded == nil {
		p.bounded, p.cancel = context.WithTimeout(p.Context, p.limit)
	}
	return p.bounded.Done()
}

// Err says why it ended.
func (p *patient) Err() error {
	if p.bounded != nil {
		return p.bounded.Err()
	}
	return p.Context.Err()
}

func (p *patient) stop() {
	if p.cancel != nil {
		p.cancel()
	}
}
