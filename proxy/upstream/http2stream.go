package upstream

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"golang.org/x/net/http2"
)

var errStopped = errors.New("the function wants no more of the body")

// stream is one call on a link. What the link's reader does with it is in http2frames.go.
type stream struct {
	link   *link
	id     uint32
	method string
	// batch is the one that its head goes out with.
	batch uint64
	// heard is how many frames the link had read when the call began.
	heard uint64
	// arrived and writable wake the call: something has come, or may be sent.
	arrived, writable chan struct{}
	// isBlocked is set while it is among the blocked ones of its link.
	isBlocked bool
	// clock bounds the waits for what arrives; nil until the first.
	clock *time.Timer

	// The link's mu protects the fields below.

	// touched is set while the stream is to be woken soon.
	touched bool

	in inflow
	// sent is set when all of the request has been written.
	sent bool
	// err is why nothing more will come; nil while something may.
	err error
	// window is what the function takes of the body.
	window int64
	// tail is the last piece of the request's body, which is kept until its frame can say
	// whether the body ends with it; empty when none is kept.
	tail []byte
}

// inflow is what has come of an answer.
type inflow struct {
	// interim are the interim answers that wait to be passed on, informed how many there
	// were, and informedSize how large.
	interim                []Head
	informed, informedSize int
	// head is that of the answer, and answered is set when it has come.
	head     Head
	answered bool
	fields   []Field
	// left is what remains of a body of announced length; -1 when none was.
	left int64
	// body is what has come of the body, and spare what is being passed on.
	body, spare []byte
	trailers    []Field
	// ended is set when all of the answer has come.
	ended bool
	// allowance is what the function may send, and taken what was passed on since it was
	// last allowed to send more.
	allowance, taken int64
}

// abort ends the stream before its time. It is called with mu held.
func (s *stream) abort(err error) {
	if s.err == nil && !s.in.ended {
		s.err = err
	}
	s.sent = true
	s.wake()
}

// wake tells the call that there is something new, in either direction.
func (s *stream) wake() {
	notify(s.arrived)
	notify(s.writable)
}

func notify(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// abandon ends the stream from the call's side: who waits on it gets the error.
func (s *stream) abandon(err error) {
	s.link.mu.Lock()
	defer s.link.mu.Unlock()
	s.cancel(err)
}

// close gives the stream back. What was not finished is cancelled.
func (s *stream) close() {
	l := s.link
	l.mu.Lock()
	defer l.mu.Unlock()
	s.cancel(ErrClientGone)
	s.clear()
	if len(l.free) < maxFreeStreams && cap(s.in.body)+cap(s.in.spare)+cap(s.tail) <= keepSize && cap(s.in.fields) <= keepFields {
		l.free = append(l.free, s)
	}
}

// maxFreeStreams bounds the streams that a link keeps for later calls.
const maxFreeStreams = 256

func (s *stream) clear() {
	for _, c := range []chan struct{}{s.arrived, s.writable} {
		select {
		case <-c:
		default:
		}
	}
	clear(s.in.fields[:cap(s.in.fields)])
	*s = stream{
		link: s.link, arrived: s.arrived, writable: s.writable, clock: s.clock, tail: s.tail[:0],
		in: inflow{fields: s.in.fields[:0], body: s.in.body[:0], spare: s.in.spare[:0]},
	}
}

// cancel is reset from the call's side: nothing is wrong with a stream whose answer has come.
func (s *stream) cancel(err error) {
	code := http2.ErrCodeCancel
	if s.in.ended {
		code = http2.ErrCodeNo
	}
	s.reset(code, err)
}

// reset tells the function that the stream is over, unless it knows. It is called with mu held.
func (s *stream) reset(code http2.ErrCode, err error) {
	l := s.link
	s.writeTail(false)
	if l.streams[s.id] == s {
		l.out.writing(l.out.framer.WriteRSTStream(s.id, code))
		l.forget(s)
	}
	s.abort(err)
}

// await waits until something has arrived, for no longer than limit; zero means
// for as long as ctx lasts.
func (s *stream) await(ctx context.Context, limit time.Duration) error {
	var late <-chan time.Time
	if limit > 0 {
		if s.clock == nil {
			s.clock = time.NewTimer(limit)
		} else {
			s.clock.Reset(limit)
		}
		defer s.clock.Stop()
		late = s.clock.C
	}
	select {
	case <-s.arrived:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("%w: %w", ErrClientGone, context.Cause(ctx))
	case <-late:
		return ErrTooSlow
	}
}

// takeHead returns the interim answers that have come since the last call, and the head of the
// final one, nil before that has come, and whether the answer ends with it.
func (s *stream) takeHead() (interim []Head, head *Head, ended bool, err error) {
	s.link.mu.Lock()
	defer s.link.mu.Unlock()
	interim, s.in.interim = s.in.interim, nil
	if !s.in.answered {
		return interim, nil, false, s.err
	}
	return interim, &s.in.head, s.in.ended && len(s.in.body) == 0 && s.err == nil, nil
}

// takeBody returns what has come of the body, which is valid until the next call,
// and whether that was the end of it. What had come before an error comes first.
func (s *stream) takeBody() (piece []byte, ended bool, err error) {
	l := s.link
	l.mu.Lock()
	defer l.mu.Unlock()
	s.in.body, s.in.spare = s.in.spare[:0], s.in.body
	s.in.taken += int64(len(s.in.spare))
	if s.in.taken >= StreamWindow/2 && !s.in.ended && s.err == nil {
		l.out.writing(l.out.framer.WriteWindowUpdate(s.id, uint32(s.in.taken)))
		s.in.allowance += s.in.taken
		s.in.taken = 0
	}
	if len(s.in.spare) > 0 {
		return s.in.spare, s.in.ended, nil
	}
	return nil, s.in.ended, s.err
}

func (s *stream) takeTrailers() []Field {
	s.link.mu.Lock()
	defer s.link.mu.Unlock()
	return s.in.trailers
}

// write sends a piece of the request's body, and waits until the function takes
// it. One that has not begun to answer may take limit for a part of it.
func (s *stream) write(ctx context.Context, piece []byte, limit time.Duration) error {
	for len(piece) > 0 {
		n, err := s.offer(piece)
		if err != nil {
			return err
		}
		piece = piece[n:]
		if n > 0 {
			continue
		}
		if err := s.awaitWindow(ctx, limit); err != nil {
			return err
		}
	}
	return nil
}

// awaitWindow has a clock of its own: the answer may be awaited at the same time.
func (s *stream) awaitWindow(ctx context.Context, limit time.Duration) error {
	late := time.NewTimer(limit)
	defer late.Stop()
	select {
	case <-s.writable:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("%w: %w", ErrClientGone, context.Cause(ctx))
	case <-late.C:
	}
	s.link.mu.Lock()
	defer s.link.mu.Unlock()
	if s.in.answered || s.err != nil {
		return nil
	}
	return fmt.Errorf("%w: it takes no more of the body", ErrTooSlow)
}

// offer sends what may be sent now of a piece, which can be nothing.
func (s *stream) offer(piece []byte) (int, error) {
	l := s.link
	l.mu.Lock()
	defer l.mu.Unlock()
	if s.sent || s.in.ended || s.err != nil {
		return 0, errStopped
	}
	n := min(len(piece), l.out.peer.frame, int(s.window), int(l.out.window))
	if n <= 0 || l.out.unwritten() > maxWaiting {
		if !s.isBlocked {
			s.isBlocked = true
			l.out.blocked = append(l.out.blocked, s)
		}
		return 0, nil
	}
	s.window -= int64(n)
	l.out.window -= int64(n)
	s.writeTail(false)
	s.keepTail(piece[:n])
	return n, nil
}

// keepTail keeps a piece of the body until it is known whether it is the last, but not
// longer than until the link is written.
func (s *stream) keepTail(piece []byte) {
	l := s.link
	s.tail = append(s.tail[:0], piece...)
	l.out.tails.streams = append(l.out.tails.streams, s)
	l.out.tails.size += len(piece)
	notify(l.out.ready)
}

// writeTail writes the piece that was kept, if one was. The link's writer has been told of it before.
func (s *stream) writeTail(last bool) {
	if len(s.tail) == 0 {
		return
	}
	l := s.link
	l.out.tails.size -= len(s.tail)
	if err := l.out.framer.WriteData(s.id, last, s.tail); err != nil {
		l.out.fail(fmt.Errorf("%w: %w", ErrDied, err))
	}
	s.tail = s.tail[:0]
}

func (s *stream) finish(trailer http.Header) error {
	l := s.link
	l.mu.Lock()
	defer l.mu.Unlock()
	if s.sent || s.in.ended || s.err != nil {
		return errStopped
	}
	s.sent = true
	switch {
	case l.out.encodeTrailer(trailer):
		s.writeTail(false)
		l.out.writeBlock(s.id, true)
	case len(s.tail) > 0:
		s.writeTail(true)
	default:
		l.out.writing(l.out.framer.WriteData(s.id, true, nil))
	}
	return nil
}
