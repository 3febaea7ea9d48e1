package upstream

import (
	"sync"
	"time"

	"faas-docker/wire"
)

// Conn is one connection to a replica. It carries one exchange at a time.
type Conn struct {
	socket
	// reused is set when the connection has carried an exchange before, so that
	// the function may have closed it meanwhile.
	reused bool
	// idleSince is when it was given back to the pool.
	idleSince time.Time

	// abort serves context.AfterFunc: made once, it costs the calls nothing.
	abort func()

	// mu protects awaiting, which is set while the head of an answer is awaited.
	mu       sync.Mutex
	awaiting bool
}

func newConn(tcp *wire.Conn, among *sockets) *Conn {
	c := &Conn{socket: socket{Conn: tcp, among: among}, abort: func() { tcp.Close() }}
	among.add(&c.socket)
	return c
}

// await bounds the wait for the head of an answer.
func (c *Conn) await(limit time.Duration) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.awaiting = true
	return c.SetReadDeadline(time.Now().Add(limit))
}

// extend begins the wait anew, if it is not over: the function was given something to do.
func (c *Conn) extend(limit time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.awaiting {
		// It fails only on a closed connection, which the reader notices.
		_ = c.SetReadDeadline(time.Now().Add(limit))
	}
}

// arrived ends the wait. A deadline that stays set is harmless while nothing more
// needs to be read, and costs less.
func (c *Conn) arrived(readOn bool) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.awaiting = false
	if !readOn {
		return nil
	}
	return c.SetReadDeadline(time.Time{})
}
