package front

import (
	"errors"
	"io"
	"os"
	"sync/atomic"
	"time"

	"faas-docker/wire"
)

const (
	// readerSize is what a connection reads at once; longer heads, and bodies for the Lane,
	// make it grow for a while.
	readerSize = 8 << 10
	// drainTime is how long the end of a connection may take. The value is net/http's.
	drainTime = 500 * time.Millisecond
	// drainLimit is how much is read of a client that is turned away, in bytes.
	drainLimit = 256 << 10
	// lingerTime is how long a connection that ends is read from while the client goes on
	// sending, at least lingerPiece bytes in each drainTime.
	lingerTime  = 5 * time.Second
	lingerPiece = 1 << 10
)

// phase is who the next bytes of a connection are for.
type phase int32

const (
	// between: a request may begin. The Lane carries it, or net/http is given it.
	between phase = iota
	// within: net/http has a request, and gets nothing behind its end.
	within
	// through: everything is net/http's, or whose the connection is by now.
	through
	// over: nothing more is read.
	over
)

// conn is the connection of one client, as net/http sees it. Its Read gives net/http one request at a
// time: each has been judged by its head, and plain ones never appear, because the Lane has carried
// them. So no request passes by the rules of this package.
type conn struct {
	*wire.Conn
	input
	server *Server
	remote string
	phase  atomic.Int32
	// request is what net/http is being given.
	request incoming
	call    Call
	idling
	// parting is set when the connection ends with the call that the Lane carries.
	parting atomic.Bool
	// unread is set while net/http has not read all of its request: Close may come from any goroutine.
	unread atomic.Bool
	stall  stall
	// frames follows a client that speaks HTTP/2; nil for others.
	frames *frames
}

func newConn(s *Server, tcp *wire.Conn) *conn {
	c := &conn{Conn: tcp, server: s, remote: tcp.RemoteAddr().String(), input: newInput(tcp, &s.large)}
	c.call.conn = c
	c.rest(s.clock.now(), s.HTTP.ReadHeaderTimeout)
	return c
}

func (c *conn) is(p phase) bool { return phase(c.phase.Load()) == p }

func (c *conn) enter(p phase) { c.phase.Store(int32(p)) }

// Read is for net/http. It returns io.EOF when the connection is over.
func (c *conn) Read(into []byte) (int, error) {
	if c.is(between) {
		if err := c.advance(); err != nil {
			c.enter(over)
			return 0, err
		}
	}
	switch {
	case c.is(over):
		return 0, io.EOF
	case c.is(within):
		return c.readWithin(into)
	}
	n, err := c.readThrough(into)
	if c.frames != nil {
		if refused := c.frames.follow(into[:n]); refused != nil {
			return 0, refused
		}
	}
	return n, err
}

// advance carries plain calls until there is a request for net/http.
func (c *conn) advance() error {
	for {
		head, err := c.awaitHead()
		if err != nil {
			return err
		}
		if head == 0 || c.server.Lane == nil {
			return c.admit(head)
		}
		switch c.carry(head) {
		case Declined:
			return c.admit(head)
		case CarriedLast:
			c.Conn.Close()
			return io.EOF
		}
		c.rest(c.server.clock.now(), c.server.HTTP.IdleTimeout)
	}
}

// awaitHead waits for the next request, and returns the length of its head with the blank line.
// It is zero for half a head, and for one that is too long: net/http has answers to those.
func (c *conn) awaitHead() (int, error) {
	if err := c.awaitRequest(); err != nil {
		return 0, err
	}
	head, line := headEnd(c.ahead(), 0)
	if head > 0 {
		return head, nil
	}
	c.setReadDeadline(time.Now().Add(forever(c.server.HTTP.ReadHeaderTimeout)))
	defer c.liftDeadlines()
	for longest := c.server.longestHead(); head == 0 && len(c.ahead()) < longest; {
		_, err := c.fill()
		if err == io.EOF {
			return 0, nil
		}
		if err != nil {
			return 0, err
		}
		head, line = headEnd(c.ahead(), line)
	}
	return head, nil
}

// mostBlank is how many bytes of blank lines may stand before a request (RFC 9112, 2.2).
const mostBlank = 4

// awaitRequest waits for the first byte of the next request; a blank line is none.
func (c *conn) awaitRequest() error {
	for blank := 0; ; {
		if err := c.awaitFirstByte(); err != nil {
			return err
		}
		for ; blank < mostBlank && len(c.ahead()) > 0 && isLineEnd(c.ahead()[0]); blank++ {
			c.skip(1)
		}
		if len(c.ahead()) > 0 {
			return nil
		}
		c.rest(c.server.clock.now(), c.server.HTTP.IdleTimeout)
	}
}

// awaitFirstByte waits for the next request for as long as the connection may be idle.
func (c *conn) awaitFirstByte() error {
	c.liftDeadlines()
	var err error
	if len(c.ahead()) == 0 {
		if c.server.tracker.stopping.Load() {
			return io.EOF
		}
		c.server.batching.Gather()
		_, err = c.fill()
	}
	if !c.wake() {
		return io.EOF
	}
	return err
}

// admit lets net/http have the request that begins here, unless there is an objection to it.
func (c *conn) admit(head int) error {
	ahead := c.ahead()
	switch {
	case head == 0:
		c.enter(through)
		return nil
	case string(ahead[:head]) == http2Preface+"\r\n":
		return c.admitHTTP2()
	case head < len(http2Preface)-len("\r\n"):
		// net/http looks at so much of a connection first, and would wait for the rest.
		return c.refuse("not a request of HTTP/1")
	}
	request, why := judge(string(ahead[:head]))
	if why != "" {
		return c.refuse(why)
	}
	c.request = request
	c.enter(within)
	return nil
}

// admitHTTP2 lets net/http have a connection that begins as those of HTTP/2 do. Others
// are refused: net/http would read them as HTTP/1.
func (c *conn) admitHTTP2() error {
	c.setReadDeadline(time.Now().Add(forever(c.server.HTTP.ReadHeaderTimeout)))
	defer c.liftDeadlines()
	for len(c.ahead()) < len(wholePreface) {
		if _, err := c.fill(); err != nil {
			return err
		}
	}
	if string(c.ahead()[:len(wholePreface)]) != wholePreface || !c.server.speaksHTTP2() {
		return c.refuse("not the preface of HTTP/2")
	}
	c.frames = newFrames()
	c.enter(through)
	return nil
}

// refuse answers a request that is not served, and ends the connection.
func (c *conn) refuse(why string) error {
	_, _ = io.WriteString(c, "HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain; charset=utf-8\r\nConnection: close\r\n\r\n"+refusal(why)+"\n")
	c.closeGently()
	return io.EOF
}

// closeGently ends a connection on which the client may still be sending: closing
// it at once would take the unread answer from the client.
func (c *conn) closeGently() {
	defer c.Conn.Close()
	if c.CloseWrite() != nil {
		return
	}
	for end := time.Now().Add(lingerTime); time.Now().Before(end); {
		if c.Conn.SetReadDeadline(time.Now().Add(drainTime)) != nil {
			return
		}
		n, err := io.Copy(io.Discard, c.Conn)
		if n < lingerPiece || !errors.Is(err, os.ErrDeadlineExceeded) {
			return
		}
	}
}

// Close is for net/http, which may think a connection idle while the Lane is using it: that ends
// behind the present call. A client that is still sending gets time to read its answer.
func (c *conn) Close() error {
	switch {
	case c.server.tracker.closed.Err() != nil:
		return c.Conn.Close()
	case c.is(within) && c.unread.Load():
		c.closeGently()
		return nil
	case !c.is(between):
		return c.Conn.Close()
	}
	c.parting.Store(true)
	if c.isIdleUntil(never) {
		c.Conn.Close()
	}
	return nil
}

// SetReadDeadline is for net/http and its handlers. Between requests the waiting is bounded here.
func (c *conn) SetReadDeadline(at time.Time) error {
	if c.is(between) {
		return nil
	}
	if !at.IsZero() {
		c.timed.Store(true)
	}
	return c.Conn.SetReadDeadline(at)
}

// smallWrite is the size up to which a write of HTTP/2 waits for others.
const smallWrite = 4 << 10

// Write is for net/http. Its server of HTTP/2 writes whenever it has nothing else to do, be it one
// frame of a call with two more to come; giving way before small writes lets it add those.
func (c *conn) Write(piece []byte) (int, error) {
	if c.frames != nil && len(piece) <= smallWrite {
		c.server.batching.Gather()
	}
	c.stall.begin()
	defer c.stall.end()
	return c.Conn.Write(piece)
}
