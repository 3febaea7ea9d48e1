package front

import (
	"context"
	"net"
	"sync"
	"sync/atomic"
	"time"
)

// Lane carries plain calls from the bytes of a client's connection to the bytes of an answer,
// past net/http.
type Lane interface {
	// Carry carries one call. It is called in the goroutine of the connection, and keeps
	// nothing of the call when it returns, but for Memory.
	Carry(*Call) Verdict
}

// Verdict is what became of a call that a Lane was given.
type Verdict int

const (
	// Declined: the call is net/http's. Nothing has happened, and nothing was sent.
	Declined Verdict = iota
	// Carried: it was answered, and another request may follow.
	Carried
	// CarriedLast: it was answered, and the connection ends.
	CarriedLast
)

// bodyPatience is how long a body may take to arrive behind its head and still be carried by the Lane.
const bodyPatience = 10 * time.Millisecond

// Call is a request of which the head has arrived. It serves one goroutine, but for Gone.
type Call struct {
	// Head are the bytes of the head, with its blank line. They are not judged.
	Head []byte
	// Memory is the Lane's, as long as the connection lasts.
	Memory any

	conn *conn
	// body is the length of the body, of which Body was asked.
	body  int
	watch clientWatch
	// pieces is used by one write at a time; it is here to cost nothing.
	pieces [2][]byte
}

type callKey struct{}

func withCall(ctx context.Context, of net.Conn) context.Context {
	return context.WithValue(ctx, callKey{}, &of.(*conn).call)
}

// CallOf returns the Call of the connection that a request has come by, for its Memory; nil when
// the request is not a Server's.
func CallOf(ctx context.Context) *Call {
	call, _ := ctx.Value(callKey{}).(*Call)
	return call
}

// Remote is the address of the client, with its port.
func (c *Call) Remote() string { return c.conn.remote }

// Date is the line "Date: ..." with its end.
func (c *Call) Date() string { return c.conn.server.dateField() }

// IsLast reports whether no request may follow this one: the server is about to end.
func (c *Call) IsLast() bool {
	return c.conn.server.tracker.stopping.Load() || c.conn.parting.Load()
}

// Body returns the body, which is so long, if all of it is here or comes at once. What has
// come of another one stays for net/http. Head may stand elsewhere then.
func (c *Call) Body(length int) (body []byte, whole bool) {
	head := len(c.Head)
	if !c.conn.await(head+length, bodyPatience) {
		return nil, false
	}
	c.body = length
	ahead := c.conn.ahead()
	c.Head = ahead[:head]
	return ahead[head : head+length], true
}

// Write sends bytes to the client, in one go. When the client does not take them within the
// server's StallTimeout, the connection ends.
func (c *Call) Write(gathered, piece []byte) error {
	c.conn.server.batching.Gather()
	c.conn.stall.begin()
	defer c.conn.stall.end()
	if len(piece) == 0 {
		_, err := c.conn.Conn.Write(gathered)
		return err
	}
	c.pieces = [2][]byte{gathered, piece}
	both := net.Buffers(c.pieces[:])
	_, err := both.WriteTo(c.conn.TCPConn)
	return err
}

// Watch calls abort when the client goes away, until stop is called, which reports whether
// the client was still there. A client that has sent its next request cannot be watched.
func (c *Call) Watch(abort func()) (stop func() bool) {
	if len(c.conn.ahead()) > len(c.Head)+c.body {
		return func() bool { return true }
	}
	return c.watch.begin(c.conn, abort)
}

// Gone reports whether the client was seen to go away.
func (c *Call) Gone() bool { return c.watch.gone.Load() }

// carry gives the request that begins with a head of so many bytes to the Lane.
func (c *conn) carry(head int) Verdict {
	call := &c.call
	call.Head, call.body = c.ahead()[:head], 0
	call.watch.gone.Store(false)
	verdict := c.server.Lane.Carry(call)
	if verdict != Declined {
		c.skip(head + call.body)
		c.shrink()
	}
	call.Head = nil
	return verdict
}

// watchDelay is how long a client is not watched yet: most answers are over sooner, and cost less.
const watchDelay = 20 * time.Millisecond

// clientWatch learns that a client goes away while its call is carried. It takes nothing of
// what the client sends.
type clientWatch struct{ gone atomic.Bool }

func (w *clientWatch) begin(c *conn, abort func()) (stop func() bool) {
	ended := make(chan struct{})
	later := time.AfterFunc(watchDelay, func() {
		defer close(ended)
		if c.Conn.AwaitEnd() {
			w.gone.Store(true)
			abort()
		}
	})
	return sync.OnceValue(func() bool {
		if later.Stop() {
			return true
		}
		c.setReadDeadline(time.Unix(1, 0))
		<-ended
		c.liftDeadlines()
		return !w.gone.Load()
	})
}
