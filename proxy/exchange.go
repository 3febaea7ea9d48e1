package proxy

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"time"
)

const (
	// patience is how long the answer is awaited before anybody watches whether
	// the client is still there. Most answers come sooner, and cost less.
	patience = 50 * time.Millisecond
	// expectPatience is how long the function may take to ask for a body; then it
	// gets it unasked, as one that knows nothing of Expect needs.
	expectPatience = time.Second
	// maxInformational bounds the interim answers to one request.
	maxInformational = 100
)

// errStale says that a connection which had been used before ended without any
// answer, in a way that lets the request be sent again.
var errStale = errors.New("stale connection")

// exchange is one request and its answer over one connection.
type exchange struct {
	call *call
	try  try
	// upstream is where the connection comes from.
	upstream *upstream
	conn     *conn
	*scratch
	out  outgoing
	head head
	body body
	// pump sends the request's body; nil while there is none, or it is not wanted.
	pump *pump
	// unwatch ends the watch over the client; nil while nobody watches.
	unwatch func() bool
	// endless is set when only the end of the connection ends the answer.
	endless bool
	// reusable is set when the connection can carry another exchange.
	reusable bool
}

// carry sends a call to the replica and passes its answer on.
func (u *upstream) carry(c *call, t try) error {
	got, err := u.open(c, t)
	if err != nil {
		return err
	}
	return got.pass()
}

// open sends a try to the replica and waits for the head of its answer. An error is
// errUnreachable when the replica has certainly seen nothing of it.
func (u *upstream) open(c *call, t try) (reply, error) {
	s := c.handler.scratches.get()
	for fresh := false; ; fresh = true {
		// Not between the look whether the connection still stands and the write: the function
		// may close it meanwhile.
		c.handler.turns.GiveWay()
		conn, err := u.connect(t.ctx, fresh)
		if err == nil {
			s.exchange = exchange{call: c, try: t, upstream: u, conn: conn, scratch: s, out: newOutgoing(c)}
			s.reader.Reset(conn.Conn)
			err = s.exchange.begin()
		}
		if err == nil {
			return &s.exchange, nil
		}
		if !errors.Is(err, errStale) {
			c.handler.scratches.put(s)
			return nil, err
		}
	}
}

// begin sends the request and reads the head of the answer. Without one the
// connection is closed.
func (x *exchange) begin() (err error) {
	sound := false
	defer func() {
		if !sound {
			x.stopWatching()
			x.conn.Close()
		}
	}()
	if x.try.request != nil {
		// Policies end a try when they like, not when the client does.
		x.watch()
	}
	if err := x.send(); err != nil {
		return err
	}
	if x.head, err = x.receive(); err != nil {
		return x.blame(err)
	}
	sound = true
	return nil
}

func (x *exchange) status() int { return x.head.code }

func (x *exchange) field(key string) string { return x.head.field(key) }

// pass passes the answer on, and keeps the connection for the next call when it can
// be kept.
func (x *exchange) pass() (err error) {
	defer x.end()
	if x.head.code == http.StatusSwitchingProtocols {
		return x.switchProtocols(x.head)
	}
	if err := x.answer(x.head); err != nil {
		return x.blame(err)
	}
	whole := x.settle()
	x.call.alone = x.isAlone()
	x.reusable = x.stopWatching() && whole && !x.head.closes && !x.endless && x.reader.Buffered() == 0
	return nil
}

// isAlone reports whether no other goroutine has had to do with the call: none that sent
// its body, watched its client, bounded the writing of its answer, or belonged to a policy
// or a hook.
func (x *exchange) isAlone() bool {
	h := x.call.handler
	return x.pump == nil && x.unwatch == nil && !x.body.streams && x.try.request == nil && h.Intercept == nil && h.CallPolicy == nil
}

// drop gives the answer up, and with it the connection.
func (x *exchange) drop() {
	x.stopWatching()
	if x.pump != nil {
		x.pump.stopped.Store(true)
	}
	x.end()
}

// end gives back what the exchange was lent.
func (x *exchange) end() {
	if x.reusable {
		x.upstream.put(x.conn, x.call.handler.maxIdle())
	} else {
		x.conn.Close()
	}
	x.call.handler.scratches.put(x.scratch)
}

// send writes the head of the request and what goes along with it, and lets the body follow.
func (x *exchange) send() error {
	x.scratch.out = append(x.out.appendHead(x.scratch.out[:0]), x.out.small...)
	n, err := x.conn.Write(x.scratch.out)
	if err != nil {
		return x.lost(err, n > 0)
	}
	if x.out.follows() {
		x.call.answerEarly()
		if !x.out.expect {
			x.startPump()
		}
	}
	return nil
}

// lost explains a connection that ended before any byte of an answer.
func (x *exchange) lost(err error, sent bool) error {
	if x.pump != nil || x.try.ctx.Err() != nil {
		return fmt.Errorf("%w: %w", errDied, err)
	}
	replayable := x.out.replayable()
	switch {
	case x.conn.reused && !x.conn.severed.Load() && (!sent || replayable):
		return fmt.Errorf("%w: %w", errStale, err)
	case !sent:
		return fmt.Errorf("%w: %w", errUnreachable, err)
	case replayable:
		return fmt.Errorf("%w: %w: %w", errUnanswered, errDied, err)
	}
	return fmt.Errorf("%w: %w", errDied, err)
}

// receive reads heads until the final one, or the one that switches protocols.
func (x *exchange) receive() (head, error) {
	for range maxInformational {
		if err := x.awaitFirstByte(); err != nil {
			return head{}, err
		}
		h, err := x.readHead()
		if err != nil {
			return head{}, err
		}
		switch {
		case h.code == http.StatusContinue:
			x.startPump()
		case h.code == http.StatusSwitchingProtocols || h.code >= 200:
			return h, nil
		default:
			x.call.forwardInformational(x.try, h)
		}
	}
	return head{}, fmt.Errorf("%w: more than %d interim answers", errBadAnswer, maxInformational)
}

// awaitFirstByte waits until the function begins to answer. At first it only
// waits; then it gives the body to a function that does not ask for it, and
// watches whether the client is still there.
func (x *exchange) awaitFirstByte() error {
	limit := x.call.headTimeout()
	if x.pump == nil && (x.unwatch == nil || x.out.follows()) {
		short := patience
		if x.out.expect {
			short = expectPatience
		}
		err := x.peek(min(short, limit))
		if !errors.Is(err, os.ErrDeadlineExceeded) || short >= limit {
			return err
		}
		limit -= short
		x.startPump()
	}
	x.watch()
	return x.peek(limit)
}

// peek waits for a byte of the answer.
func (x *exchange) peek(limit time.Duration) error {
	if x.reader.Buffered() > 0 {
		return nil
	}
	if err := x.conn.await(limit); err != nil {
		return x.lost(err, true)
	}
	x.call.handler.turns.GiveWay()
	if _, err := x.reader.Peek(1); err != nil {
		if errors.Is(err, os.ErrDeadlineExceeded) {
			return fmt.Errorf("%w: %w", errTooSlow, err)
		}
		return x.lost(err, true)
	}
	return nil
}

// readHead reads a head of which a byte has arrived.
func (x *exchange) readHead() (head, error) {
	if !hasHead(x.reader) {
		// The wait for the first byte may have been a short one.
		x.watch()
		if err := x.conn.await(x.call.headTimeout()); err != nil {
			return head{}, x.broken(err)
		}
	}
	var err error
	if x.raw, err = readRaw(x.reader, x.raw[:0]); err != nil {
		return head{}, x.broken(err)
	}
	h, err := parseHead(string(x.raw), x.fields[:0])
	if err == nil {
		x.fields = h.fields
	}
	return h, err
}

// broken explains an answer that broke off.
func (x *exchange) broken(err error) error {
	switch {
	case errors.Is(err, os.ErrDeadlineExceeded):
		return fmt.Errorf("%w: %w", errTooSlow, err)
	case errors.Is(err, errBadAnswer):
		return err
	case err == io.EOF:
		err = io.ErrUnexpectedEOF
	}
	return fmt.Errorf("%w: %w", errDied, err)
}

// blame finds out who ended the exchange: when the request's body could not be
// read, the connection was closed for that.
func (x *exchange) blame(err error) error {
	if x.unwatch != nil {
		x.unwatch()
	}
	if x.pump == nil {
		return err
	}
	if failure := x.pump.failure.Load(); failure != nil {
		return *failure
	}
	if errors.Is(err, errTooSlow) && !x.pump.ended.Load() && !x.pump.passing.Load() {
		return fmt.Errorf("%w: %w", errSlowClient, err)
	}
	return err
}

// watch closes the connection when the client goes away.
func (x *exchange) watch() {
	if x.unwatch == nil {
		x.unwatch = context.AfterFunc(x.try.ctx, x.conn.abort)
	}
}

// stopWatching reports whether the client was still there.
func (x *exchange) stopWatching() bool { return x.unwatch == nil || x.unwatch() }

func (x *exchange) startPump() {
	if x.pump == nil && x.out.follows() {
		x.pump = newPump(x)
		if x.try.request == nil {
			x.call.upload = x.pump
		}
		go x.pump.run()
	}
}

// settle waits for the end of the request's body, if it is near, and reports
// whether the function was sent all of the request.
func (x *exchange) settle() bool {
	if x.pump == nil {
		return !x.out.follows()
	}
	if !x.pump.ended.Load() {
		x.pump.stopped.Store(true)
		return false
	}
	// What is left to be written does not wait for the client.
	_ = x.conn.SetWriteDeadline(time.Now().Add(time.Second))
	<-x.pump.done
	_ = x.conn.SetWriteDeadline(time.Time{})
	return x.pump.whole
}
