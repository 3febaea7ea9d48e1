package proxy

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"golang.org/x/net/http2"
)

// errStopped says that the function wants no more of a request's body.
var errStopped = errors.New("the function wants no more of the body")

// stream is one call on a link. Its methods are for the goroutines of the call;
// what the link's reader does with it is in http2frames.go.
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
	// clock bounds the waits for what arrives; nil until the first.
	clock *time.Timer

	// The link's mu protects the fields below.

	// touched is set while the stream is to be woken soon.
	touched bool

	// early is called, once, when an answer arrives while the body is still being
	// sent; nil means that nobody needs to be told.
	early func()
	// interim are the interim answers that wait to be passed on, and informed how
	// many there were.
	interim  []head
	informed int
	// answer is the head of the answer, and answered is set when it has come.
	answer   head
	answered bool
	fields   []field
	// left is what remains of a body of announced length; -1 when none was.
	left int64
	// body is what has come of the body, and spare what is being passed on.
	body, spare []byte
	trailers    []field
	// ended is set when all of the answer has come, and sent when all of the request
	// has been written.
	ended, sent bool
	// err is why nothing more will come; nil while something may.
	err error
	// window is what the function takes of the body, allowance what it may send, and
	// taken what was passed on since it was last allowed to send more.
	window, allowance, taken int64
	// last is where in the link's batch lastBatch our last piece of body begins.
	last      int
	lastBatch uint64
}

// abort ends the stream before its time. It is called with mu held.
func (s *stream) abort(err error) {
	if s.err == nil && !s.ended {
		s.err = err
	}
	s.sent = true
	s.wake()
}

// wake tells the call that there is something new, in either direction.
func (s *stream) wake() {
	if s.early != nil && s.isAnswered() {
		early := s.early
		s.early = nil
		go early()
	}
	notify(s.arrived)
	notify(s.writable)
}

// isAnswered reports whether an answer has begun, or never will.
func (s *stream) isAnswered() bool { return s.answered || s.err != nil }

func notify(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// tell asks for early to be called when an answer arrives.
func (s *stream) tell(early func()) {
	s.link.mu.Lock()
	defer s.link.mu.Unlock()
	if s.isAnswered() {
		go early()
		return
	}
	s.early = early
}

// untold takes that back, and reports whether early was not called.
func (s *stream) untold() bool {
	s.link.mu.Lock()
	defer s.link.mu.Unlock()
	pending := s.early != nil
	s.early = nil
	return pending
}

// abandon ends the stream from the call's side: who waits on it gets the error.
func (s *stream) abandon(err error) {
	s.link.mu.Lock()
	defer s.link.mu.Unlock()
	s.reset(http2.ErrCodeCancel, err)
}

// close gives the stream back. What was not finished is cancelled.
func (s *stream) close() {
	l := s.link
	l.mu.Lock()
	defer l.mu.Unlock()
	if s.ended {
		s.reset(http2.ErrCodeNo, errStopped)
	} else {
		s.reset(http2.ErrCodeCancel, errClientGone)
	}
	s.clear()
	if len(l.free) < maxFreeStreams && cap(s.body)+cap(s.spare) <= keepSize {
		l.free = append(l.free, s)
	}
}

// maxFreeStreams bounds the streams that a link keeps for later calls.
const maxFreeStreams = 256

// clear makes a stream as new.
func (s *stream) clear() {
	select {
	case <-s.arrived:
	default:
	}
	select {
	case <-s.writable:
	default:
	}
	clear(s.fields[:cap(s.fields)])
	*s = stream{link: s.link, arrived: s.arrived, writable: s.writable, clock: s.clock,
		fields: s.fields[:0], body: s.body[:0], spare: s.spare[:0]}
}

// reset tells the function that the stream is over, unless it is for both sides.
// It is called with mu held.
func (s *stream) reset(code http2.ErrCode, err error) {
	l := s.link
	if l.streams[s.id] == s {
		l.writing(l.framer.WriteRSTStream(s.id, code))
		l.forget(s)
	}
	s.abort(err)
}

// await waits until something has arrived, for no longer than limit; zero means
// for as long as ctx lasts.
func (s *stream) await(ctx context.Context, limit time.Duration) error {
	return s.wait(ctx, s.arrived, limit)
}

func (s *stream) wait(ctx context.Context, event <-chan struct{}, limit time.Duration) error {
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
	case <-event:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("%w: %w", errClientGone, context.Cause(ctx))
	case <-late:
		return errTooSlow
	}
}

// takeInterim returns the interim answers that have come.
func (s *stream) takeInterim() []head {
	s.link.mu.Lock()
	defer s.link.mu.Unlock()
	interim := s.interim
	s.interim = nil
	return interim
}

// takeHead returns the head of the answer, if that has come, and whether the
// answer ends with it.
func (s *stream) takeHead() (h head, arrived, ended bool, err error) {
	s.link.mu.Lock()
	defer s.link.mu.Unlock()
	if !s.answered {
		return head{}, false, false, s.err
	}
	return s.answer, true, s.ended && len(s.body) == 0 && s.err == nil, nil
}

// takeBody returns what has come of the body, which is valid until the next call,
// and whether that was the end of it. What had come before an error comes first.
func (s *stream) takeBody() (piece []byte, ended bool, err error) {
	l := s.link
	l.mu.Lock()
	defer l.mu.Unlock()
	s.body, s.spare = s.spare[:0], s.body
	s.taken += int64(len(s.spare))
	if s.taken >= streamWindow/2 && !s.ended && s.err == nil {
		l.writing(l.framer.WriteWindowUpdate(s.id, uint32(s.taken)))
		s.allowance += s.taken
		s.taken = 0
	}
	if len(s.spare) > 0 {
		return s.spare, s.ended, nil
	}
	return nil, s.ended, s.err
}

// takeTrailers returns what followed the body.
func (s *stream) takeTrailers() []field {
	s.link.mu.Lock()
	defer s.link.mu.Unlock()
	return s.trailers
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
		if err := s.awaitRoom(ctx, limit); err != nil {
			return err
		}
	}
	return nil
}

// awaitRoom has a clock of its own: the answer may be awaited at the same time.
func (s *stream) awaitRoom(ctx context.Context, limit time.Duration) error {
	late := time.NewTimer(limit)
	defer late.Stop()
	select {
	case <-s.writable:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("%w: %w", errClientGone, context.Cause(ctx))
	case <-late.C:
		if s.hasBegun() {
			return nil
		}
		return fmt.Errorf("%w: it takes no more of the body", errTooSlow)
	}
}

// hasBegun reports whether an answer has begun, or never will.
func (s *stream) hasBegun() bool {
	s.link.mu.Lock()
	defer s.link.mu.Unlock()
	return s.isAnswered()
}

// offer sends what may be sent now of a piece, which can be nothing.
func (s *stream) offer(piece []byte) (int, error) {
	l := s.link
	l.mu.Lock()
	defer l.mu.Unlock()
	if s.sent || s.ended || s.err != nil {
		return 0, errStopped
	}
	n := min(len(piece), l.peer.frame, int(s.window), int(l.window))
	if n <= 0 || len(l.waiting) > maxWaiting {
		l.blocked = append(l.blocked, s)
		return 0, nil
	}
	s.window -= int64(n)
	l.window -= int64(n)
	s.last, s.lastBatch = len(l.waiting), l.batch
	l.writing(l.framer.WriteData(s.id, false, piece[:n]))
	return n, nil
}

// finish ends the request's body, with its trailers.
func (s *stream) finish(trailer http.Header) error {
	l := s.link
	l.mu.Lock()
	defer l.mu.Unlock()
	if s.sent || s.ended || s.err != nil {
		return errStopped
	}
	s.sent = true
	switch {
	case l.encodeTrailer(trailer):
		l.writeBlock(s.id, true)
	case s.lastBatch == l.batch:
		// The last piece still waits: it is told to be the last.
		const flags = 4
		l.waiting[s.last+flags] |= byte(http2.FlagDataEndStream)
	default:
		l.writing(l.framer.WriteData(s.id, true, nil))
	}
	return nil
}
