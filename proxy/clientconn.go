package proxy

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"sync"

	"faas-docker/function"
	"faas-docker/proxy/upstream"
)

// ClientConn is one connection to one replica, for a caller that wants to speak on
// it itself. The replica counts as in use until it is closed; Handler.Shutdown
// does not wait for it. It may be used by one goroutine at a time.
type ClientConn struct {
	conn   *leasedConn
	reader *bufio.Reader
}

// Connect borrows a replica of a function and connects to it. It waits for one as
// an invocation would, no longer than WakeTimeout. The error is the resolver's
// *function.Failure when there is no such function, or none of its replicas can be
// had.
func (h *Handler) Connect(ctx context.Context, name function.Name) (*ClientConn, error) {
	held := waitContext{Context: ctx, limit: h.wakeTimeout()}
	defer held.stop()
	lease, err := h.Resolver.Acquire(&held, name)
	if err != nil {
		return nil, fmt.Errorf("borrow a replica of %s: %w", name, err)
	}
	tcp, err := h.pools().Of(lease.Replica()).DialTCP(ctx)
	if err != nil {
		if ctx.Err() == nil && errors.Is(err, upstream.ErrUnreachable) {
			h.Resolver.Suspect(name, lease.Replica().ID)
		}
		lease.Release()
		return nil, fmt.Errorf("connect to a replica of %s: %w", name, err)
	}
	conn := &leasedConn{TCPConn: tcp.TCPConn, release: sync.OnceFunc(lease.Release)}
	return &ClientConn{conn: conn, reader: bufio.NewReaderSize(conn, upstream.ReaderSize)}, nil
}

// Do writes a request as it is and reads the head of its answer. The body of the
// answer must be read to its end before the next Do. The connection stays open
// whatever they say; the deadline of the request's context, and its end, hold until
// the head has come.
func (c *ClientConn) Do(r *http.Request) (*http.Response, error) {
	stop := context.AfterFunc(r.Context(), func() { c.conn.Close() })
	defer stop()
	err := r.Write(c.conn)
	if err != nil {
		return nil, errors.Join(context.Cause(r.Context()), fmt.Errorf("write request: %w", err))
	}
	answer, err := http.ReadResponse(c.reader, r)
	if err != nil {
		return nil, errors.Join(context.Cause(r.Context()), fmt.Errorf("read answer: %w", err))
	}
	return answer, nil
}

// Hijack hands the connection over, with a reader that holds what has been read
// ahead of it. Closing the connection gives the replica back. The ClientConn must
// not be used any more.
func (c *ClientConn) Hijack() (net.Conn, *bufio.Reader) { return c.conn, c.reader }

// Close closes the connection and gives the replica back.
func (c *ClientConn) Close() error { return c.conn.Close() }

// leasedConn gives its replica back when it is closed.
type leasedConn struct {
	*net.TCPConn
	release func()
}

// Close closes the connection; more than once does no harm.
func (c *leasedConn) Close() error {
	defer c.release()
	return c.TCPConn.Close()
}
