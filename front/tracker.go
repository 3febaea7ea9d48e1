package front

import (
	"context"
	"net"
	"sync"
	"sync/atomic"
	"time"
)

// tracker knows the connections of a server, and when it ends.
type tracker struct {
	// stopping is set, under mu, when no further request is wanted.
	stopping atomic.Bool

	// mu protects the fields below.
	mu       sync.Mutex
	listener net.Listener
	conns    map[*conn]struct{}
	// empty is closed when the last connection has ended and no other will come.
	empty chan struct{}
	// closed is ended by end, when the server is told to close.
	closed context.Context
	end    context.CancelFunc
}

// prepare completes the zero value, and reports whether it had to.
func (t *tracker) prepare() bool {
	if t.conns != nil {
		return false
	}
	t.conns = map[*conn]struct{}{}
	t.empty = make(chan struct{})
	t.closed, t.end = context.WithCancel(context.Background())
	return true
}

// add reports whether a new connection is still wanted.
func (t *tracker) add(c *conn) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.stopping.Load() {
		return false
	}
	t.conns[c] = struct{}{}
	return true
}

func (t *tracker) remove(c *conn) {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.conns, c)
	if len(t.conns) == 0 && t.stopping.Load() {
		close(t.empty)
	}
}

// stop closes the listener and the idle connections, and returns a channel that is closed when
// no connection is left. The caller holds mu, and has called prepare.
func (t *tracker) stop() <-chan struct{} {
	stopped := t.stopping.Swap(true)
	if t.listener != nil {
		t.listener.Close()
	}
	for c := range t.conns {
		if c.isIdleUntil(never) {
			c.Conn.Close()
		}
	}
	if !stopped && len(t.conns) == 0 {
		close(t.empty)
	}
	return t.empty
}

func (t *tracker) closeAll() {
	t.end()
	t.mu.Lock()
	defer t.mu.Unlock()
	for c := range t.conns {
		c.Conn.Close()
	}
}

// closeOneIdle closes a connection that has been idle for a while, and reports whether there was one.
func (t *tracker) closeOneIdle(now time.Duration) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	looked := 0
	for c := range t.conns {
		if c.hasRested(now) {
			c.Conn.Close()
			return true
		}
		if looked++; looked == looksAt {
			return false
		}
	}
	return false
}

// sweep closes connections that have been idle for too long, or whose clients have not read for limit.
func (t *tracker) sweep(now, limit time.Duration) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for c := range t.conns {
		if c.isIdleUntil(now) || c.stall.lasts(now, limit) {
			c.Conn.Close()
		}
	}
}
