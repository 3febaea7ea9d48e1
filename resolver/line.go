package resolver

import (
	"context"
	"slices"
	"time"
)

// line is the callers of a function that wait for a replica, first come, first served. The
// zero value is empty and open.
type line struct {
	callers []*waiter
	// refusal is what newcomers are turned away with until refusedUntil; nil lets them wait.
	refusal      error
	refusedUntil time.Time
}

// waiter is one caller in line; done is closed after lease or err is set.
type waiter struct {
	pool  *pool
	done  chan struct{}
	lease Lease
	err   error
}

// closed is why newcomers are turned away; nil when they may wait.
func (l *line) closed() error {
	if l.refusal == nil || !time.Now().Before(l.refusedUntil) {
		return nil
	}
	return l.refusal
}

func (l *line) join(p *pool) *waiter {
	w := &waiter{pool: p, done: make(chan struct{})}
	l.callers = append(l.callers, w)
	return w
}

func (l *line) serve(lease Lease) {
	w := l.callers[0]
	l.callers = l.callers[1:]
	w.lease = lease
	close(w.done)
}

// leave takes a waiter out of the line and reports whether it was still there.
func (l *line) leave(w *waiter) bool {
	i := slices.Index(l.callers, w)
	if i < 0 {
		return false
	}
	l.callers = slices.Delete(l.callers, i, i+1)
	return true
}

func (l *line) turnAway(err error) {
	for _, w := range l.callers {
		w.err = err
		close(w.done)
	}
	l.callers = nil
}

// wait returns what the waiter is given. When ctx ends it returns the context's
// error, together with a lease if one was given in the same moment.
func (w *waiter) wait(ctx context.Context) (Lease, error) {
	select {
	case <-w.done:
		return w.lease, w.err
	case <-ctx.Done():
	}
	left := false
	w.pool.locked(func(p *pool) { left = p.line.leave(w) })
	if left {
		return Lease{}, ctx.Err()
	}
	<-w.done
	return w.lease, ctx.Err()
}
