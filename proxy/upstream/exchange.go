package upstream

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"time"

	"faas-docker/grammar"
)

const (
	// WatchAfter is how long the answer is awaited before anybody watches whether the client is
	// still there. Most answers come sooner, and a watch costs.
	WatchAfter = 50 * time.Millisecond
	// expectPatience is how long the function may take to ask for a body; then it
	// gets it unasked, as one that knows nothing of Expect needs.
	expectPatience = time.Second
	// MaxInformational bounds the interim answers to one request.
	MaxInformational = 100
)

// exchange is one request and its answer over one connection.
type exchange struct {
	out outgoing
	// pool is where the connection comes from.
	pool *Pool
	conn *Conn
	*scratch
	head Head
	body body
	// pump sends the request's body; nil while there is none, or it is not wanted.
	pump *pump
	// unwatch ends the watch over the client; nil while there is none.
	unwatch func() bool
	// began is when the request was written, and informed how many bytes of interim heads
	// have come since.
	began    time.Time
	informed int
	// reusable is set when the connection can carry another exchange.
	reusable bool
	// cutShort is set when not all of a plain request could be written.
	cutShort bool
	// pieces is used by the one write of a plain request; it is here to cost nothing.
	pieces [2][]byte
}

var _ Answer = (*exchange)(nil)

// Open sends a request to the replica in HTTP/1 and waits for the head of its answer. After
// ErrUnreachable, ErrExhausted and ErrBadField the replica has certainly seen nothing of it, unless Sent
// has grown; after that, and after ErrUnanswered, the request may be sent again.
func (u *Pool) Open(request *Request) (Answer, error) {
	s := u.all.scratches.get()
	for fresh := request.Sent > 0; ; fresh = true {
		// Before connect, which looks whether a kept connection still stands: it may be closed while
		// calls gather.
		u.all.batching.Gather()
		conn, err := u.connect(request.Context, fresh)
		if err == nil {
			s.exchange = exchange{pool: u, conn: conn, scratch: s, out: newOutgoing(request)}
			s.reader.Reset(conn.Conn)
			err = s.exchange.begin()
		}
		if err == nil {
			return &s.exchange, nil
		}
		if !errors.Is(err, ErrStale) {
			u.all.scratches.put(s)
			return nil, err
		}
	}
}

// begin sends the request and reads the head of the answer. Without one the connection is closed.
func (x *exchange) begin() (err error) {
	sound := false
	defer func() {
		if !sound {
			x.stopWatching()
			x.conn.Close()
		}
	}()
	if x.out.Beside {
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

func (x *exchange) Status() int { return x.head.Code }

func (x *exchange) Field(key string) string { return x.head.Field(key) }

// Pass passes the answer on, and keeps the connection for the next call when it can be kept.
func (x *exchange) Pass() (err error) {
	defer x.end()
	if x.head.Code == http.StatusSwitchingProtocols {
		return x.switchProtocols(x.head)
	}
	if err := x.answer(x.head); err != nil {
		return x.blame(err)
	}
	whole := x.settle()
	x.reusable = x.stopWatching() && whole && !x.head.closes && x.body.framing != FramingClose && x.reader.Buffered() == 0
	return nil
}

func (x *exchange) answer(h Head) error {
	b := x.newBody(h)
	if err := x.conn.arrived(!b.isBuffered()); err != nil {
		return x.broken(err)
	}
	if !b.isBuffered() {
		x.askLate(h)
		x.watch()
	}
	x.out.Client.Begin(h, b.framing)
	if b.framing == FramingNone {
		return nil
	}
	return b.copy()
}

// askLate asks the client for a body that the function has not asked for, but may still
// want: it has begun an answer that is no refusal, and not ended it.
func (x *exchange) askLate(h Head) {
	if x.pump == nil && x.out.hasBody && h.Code < http.StatusMultipleChoices {
		x.askForBody()
	}
}

// switchProtocols passes a 101 on, and the connection with it.
func (x *exchange) switchProtocols(h Head) error {
	if err := x.checkUpgrade(h); err != nil {
		return x.blame(err)
	}
	if !x.stopWatching() {
		return ErrClientGone
	}
	if err := x.conn.arrived(true); err != nil {
		return x.broken(err)
	}
	ahead, _ := x.reader.Peek(x.reader.Buffered())
	return x.out.Client.Switch(h, x.conn, ahead)
}

func (x *exchange) checkUpgrade(h Head) error {
	if x.out.upgrade == "" || !grammar.EqualFold(x.out.upgrade, h.Upgrade) {
		return fmt.Errorf("%w: switches to %q when %q was asked for", ErrBadAnswer, h.Upgrade, x.out.upgrade)
	}
	if x.pump != nil && !x.settle() {
		return fmt.Errorf("%w: switches protocols within a request", ErrBadAnswer)
	}
	return nil
}

// Drop gives the answer up, and with it the connection.
func (x *exchange) Drop() {
	x.stopWatching()
	if x.pump != nil {
		x.pump.stopped.Store(true)
	}
	x.end()
}

// end gives back what the exchange was lent.
func (x *exchange) end() {
	all := x.pool.all
	if x.reusable {
		x.pool.put(x.conn)
	} else {
		x.conn.Close()
	}
	all.scratches.put(x.scratch)
}

// send writes the head of the request and what goes along with it, and lets the body follow.
func (x *exchange) send() error {
	n, err := x.write()
	if errors.Is(err, ErrBadField) {
		return err
	}
	if x.cutShort = err != nil && n > 0 && x.out.Plain != nil; x.cutShort {
		return nil // the function may have answered already, and take no more for that reason
	}
	if err != nil {
		return x.lost(err, n > 0)
	}
	if x.out.hasBody && !x.out.expect {
		x.startPump()
	}
	return nil
}

// write writes the head of the request, and the body of a plain one.
func (x *exchange) write() (int, error) {
	var head, body []byte
	if plain := x.out.Plain; plain != nil {
		head, body = plain.Head, plain.Body
	} else {
		x.scratch.out = x.out.appendHead(x.scratch.out[:0])
		head = x.scratch.out
	}
	if err := x.out.check(); err != nil {
		return 0, err
	}
	x.began = time.Now()
	if len(body) == 0 {
		return x.conn.Write(head)
	}
	// Nobody reads the answer meanwhile: a function that does not take the body would block it for ever.
	_ = x.conn.SetWriteDeadline(x.began.Add(x.out.HeadTimeout))
	defer func() { _ = x.conn.SetWriteDeadline(time.Time{}) }()
	x.pieces = [2][]byte{head, body}
	both := net.Buffers(x.pieces[:])
	n, err := both.WriteTo(x.conn.TCPConn)
	return int(n), err
}

// lost explains a connection that ended before any byte of an answer.
func (x *exchange) lost(err error, sent bool) error {
	after := x.conn.lifeSince(x.began)
	died := &CutOff{After: after, Gone: x.conn.IsSevered(), Err: err}
	if x.pump != nil || x.informed > 0 || x.out.hasEnded() {
		return died
	}
	repeatable := !sent || x.out.IsReplayable() && after < WorkTime
	switch {
	case x.conn.reused && !x.conn.IsSevered() && repeatable:
		if sent {
			x.out.Sent++
		}
		return fmt.Errorf("%w: %w", ErrStale, err)
	case !sent:
		return fmt.Errorf("%w: %w", ErrUnreachable, err)
	case repeatable:
		return fmt.Errorf("%w: %w", ErrUnanswered, died)
	}
	return died
}

// receive reads heads until the final one, or the one that switches protocols.
func (x *exchange) receive() (Head, error) {
	for interim := 0; ; interim++ {
		if err := x.awaitFirstByte(); err != nil {
			return Head{}, err
		}
		h, err := x.readHead()
		if err != nil {
			return Head{}, err
		}
		if h.Code == http.StatusSwitchingProtocols || h.Code >= 200 {
			return h, nil
		}
		x.informed += len(x.raw)
		switch {
		case x.informed > MaxHead:
			return Head{}, fmt.Errorf("%w: interim answers of more than %d bytes", ErrBadAnswer, MaxHead)
		case interim == MaxInformational:
			return Head{}, fmt.Errorf("%w: more than %d interim answers", ErrBadAnswer, MaxInformational)
		}
		if h.Code == http.StatusContinue {
			x.askForBody()
			continue
		}
		x.out.Client.Inform(h)
	}
}

// awaitFirstByte waits until the function begins to answer: for WatchAfter without anything else; then it
// gives the body to a function that does not ask for it, and watches whether the client is still there.
func (x *exchange) awaitFirstByte() error {
	limit := x.out.HeadTimeout
	if x.pump == nil && (x.unwatch == nil || x.out.hasBody) {
		short := WatchAfter
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

func (x *exchange) peek(limit time.Duration) error {
	if x.reader.Buffered() > 0 {
		return nil
	}
	if err := x.conn.await(limit); err != nil {
		return x.lost(err, true)
	}
	x.pool.all.batching.Gather()
	if _, err := x.reader.Peek(1); err != nil {
		if errors.Is(err, os.ErrDeadlineExceeded) {
			return fmt.Errorf("%w: %w", ErrTooSlow, err)
		}
		return x.lost(err, true)
	}
	return nil
}

// readHead reads a head of which a byte has arrived.
func (x *exchange) readHead() (Head, error) {
	if !hasHead(x.reader) {
		// The wait for the first byte may have been a short one.
		x.watch()
		if err := x.conn.await(x.out.HeadTimeout); err != nil {
			return Head{}, x.broken(err)
		}
	}
	var err error
	if x.raw, err = readRaw(x.reader, x.raw[:0]); err != nil {
		return Head{}, x.broken(err)
	}
	h, err := parseHead(string(x.raw), x.fields[:0])
	if err == nil {
		x.fields = h.Fields
	}
	return h, err
}

// broken explains an answer that broke off.
func (x *exchange) broken(err error) error {
	switch {
	case errors.Is(err, os.ErrDeadlineExceeded):
		return fmt.Errorf("%w: %w", ErrTooSlow, err)
	case errors.Is(err, ErrBadAnswer):
		return err
	case err == io.EOF:
		err = io.ErrUnexpectedEOF
	}
	return fmt.Errorf("%w: %w", ErrDied, err)
}

// blame ends the watch over the client and finds out who ended the exchange: when the request's body
// could not be read, the connection was closed for that; and a function that waits for a slow body is
// not slow itself.
func (x *exchange) blame(err error) error {
	x.stopWatching()
	if x.pump == nil {
		return err
	}
	if failure := x.pump.failure.Load(); failure != nil {
		return *failure
	}
	if errors.Is(err, ErrTooSlow) && !x.pump.ended.Load() && !x.pump.passing.Load() {
		return fmt.Errorf("%w: %w", ErrSlowClient, err)
	}
	return err
}

// watch closes the connection when the client goes away.
func (x *exchange) watch() {
	if x.unwatch == nil {
		x.unwatch = x.out.watch(x.conn.abort)
	}
}

// stopWatching reports whether the client was still there.
func (x *exchange) stopWatching() bool { return x.unwatch == nil || x.unwatch() }

// askForBody lets the body follow. The client is asked for it before anything else can be
// said to it: whoever reads the body asks as well, but perhaps behind the answer.
func (x *exchange) askForBody() {
	if x.out.expect && x.pump == nil {
		x.out.Client.Inform(Head{Code: http.StatusContinue})
	}
	x.startPump()
}

func (x *exchange) startPump() {
	if x.pump == nil && x.out.hasBody {
		x.pump = newPump(x)
		go x.pump.run()
	}
}

// settle waits for the end of the request's body, if it is near, and reports
// whether the function was sent all of the request.
func (x *exchange) settle() bool {
	if x.pump == nil {
		return !x.out.hasBody && !x.cutShort
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
