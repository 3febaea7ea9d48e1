package proxy

import (
	"net"
	"sync"
	"syscall"
	"time"
)

// conn is one connection to a replica. It carries one exchange at a time.
type conn struct {
	*net.TCPConn
	raw syscall.RawConn
	// reused is set when the connection has carried an exchange before, so that
	// the function may have closed it meanwhile.
	reused bool
	// idleSince is when it was given back to the pool.
	idleSince time.Time

	// probe and quiet serve isQuiet, abort serves context.AfterFunc: made once,
	// they cost the calls nothing.
	probe func(fd uintptr)
	quiet bool
	abort func()

	// mu protects awaiting, which is set while the head of an answer is awaited.
	mu       sync.Mutex
	awaiting bool
}

func newConn(tcp *net.TCPConn) (*conn, error) {
	raw, err := tcp.SyscallConn()
	if err != nil {
		return nil, err
	}
	c := &conn{TCPConn: tcp, raw: raw}
	c.probe = func(fd uintptr) { c.quiet = isQuiet(fd) }
	c.abort = func() { tcp.Close() }
	return c, nil
}

// usable reports whether an idle connection is still open and nothing has arrived
// on it that nobody asked for.
func (c *conn) usable() bool {
	c.quiet = false
	return c.raw.Control(c.probe) == nil && c.quiet
}

// await bounds the wait for the head of an answer.
func (c *conn) await(limit time.Duration) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.awaiting = true
	return c.SetReadDeadline(time.Now().Add(limit))
}

// extend begins the wait anew, if it is not over: the function was given
// something to do.
func (c *conn) extend(limit time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.awaiting {
		// It fails only on a closed connection, which the reader notices.
		_ = c.SetReadDeadline(time.Now().Add(limit))
	}
}

// arrived ends the wait. A deadline that stays set is harmless while nothing more
// needs to be read, and costs less.
func (c *conn) arrived(readOn bool) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.awaiting = false
	if !readOn {
		return nil
	}
	return c.SetReadDeadline(time.Time{})
}
