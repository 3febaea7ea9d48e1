package front

import (
	"context"
	"sync"
	"time"
)

// requestContext ends when the request has been answered, or its client has gone
// away. Nobody watches for the client until somebody wants to know: most answers
// come before that. It is safe for concurrent use.
type requestContext struct {
	// Context is the connection's, which carries values and does not end.
	context.Context
	// watch begins to look for the client's going away.
	watch func()

	// mu protects the fields below. inner is nil until somebody asks for Done.
	mu    sync.Mutex
	inner context.Context
	stop  context.CancelFunc
	ended bool
}

// Deadline reports that there is none.
func (c *requestContext) Deadline() (time.Time, bool) { return time.Time{}, false }

// Done begins to watch the client.
func (c *requestContext) Done() <-chan struct{} {
	inner, began := c.real()
	if began {
		c.watch()
	}
	return inner.Done()
}

// real returns the context that tells the end, and whether it was made just now
// for a request that goes on.
func (c *requestContext) real() (inner context.Context, began bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.inner != nil {
		return c.inner, false
	}
	c.inner, c.stop = context.WithCancel(c.Context)
	if c.ended {
		c.stop()
	}
	return c.inner, !c.ended
}

// Err is context.Canceled after the end. Before anybody has asked for Done, the end
// is that of the answer.
func (c *requestContext) Err() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.ended {
		return context.Canceled
	}
	return nil
}

// Value also answers package context, which looks for a context of its own kind to
// tie others to.
func (c *requestContext) Value(key any) any {
	c.mu.Lock()
	inner := c.inner
	c.mu.Unlock()
	if inner != nil {
		return inner.Value(key)
	}
	return c.Context.Value(key)
}

// isTied reports whether somebody has asked for Done, and may still hold what it returned.
func (c *requestContext) isTied() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.inner != nil
}

// end ends the context; it may be called more than once.
func (c *requestContext) end() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.ended = true
	if c.stop != nil {
		c.stop()
	}
}
