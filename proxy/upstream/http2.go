package upstream

import (
	"errors"
	"fmt"
	"io"
	"time"
)

// MaxRefusals bounds how often a call is tried on further connections when the
// function has certainly not begun with it.
const MaxRefusals = 3

// graceTime is how long the rest of a request's body is awaited when the function
// has refused what came before it.
const graceTime = 50 * time.Millisecond

// OpenHTTP2 sends a request to the replica in HTTP/2, on a connection that it shares with
// others, and waits for the head of its answer. An error is ErrUnreachable when the replica has
// certainly seen nothing of it.
func (u *Pool) OpenHTTP2(request *Request) (Answer, error) {
	x, sound := &http2Exchange{pool: u, out: newOutgoing(request)}, false
	defer func() {
		if !sound {
			x.release()
		}
	}()
	if err := x.begin(); err != nil {
		return nil, err
	}
	sound = true
	return x, nil
}

// http2Exchange is one request and its answer in HTTP/2.
type http2Exchange struct {
	pool *Pool
	out  outgoing
	// stream is the one of the present try, link the connection it is on, and began when.
	stream *stream
	link   *link
	began  time.Time
	// informed is set when an interim answer has come.
	informed bool
	// head is that of the answer, and ended is set when it was all of it.
	head  Head
	ended bool
	// buffer is what the request's body is read into; nil before it is. While all of it
	// that was read fits, the first kept bytes of it, it can be sent again; then kept is -1.
	// over is set when all was read. They are the upload's until it has ended.
	buffer *[]byte
	kept   int
	over   bool
	// uploaded is closed when the body has been sent, at the time sent, or is not to be sent
	// any more; nil without a body.
	uploaded chan struct{}
	sent     time.Time
}

var _ Answer = (*http2Exchange)(nil)

// begin sends the request, again if the function has refused it, and awaits the head of the answer.
func (x *http2Exchange) begin() error {
	for refusals := 0; ; refusals++ {
		if err := x.open(); err != nil {
			return err
		}
		err := x.try()
		if err == nil || !errors.Is(err, ErrStale) || refusals == MaxRefusals || !x.isRepeatable() {
			return x.blame(err)
		}
	}
}

// maxLinksTried bounds the connections that are made for one call: other calls may have taken a
// few of them, but a function may also allow no call as soon as it is connected to.
const maxLinksTried = 32

// open begins the call on a link, but not on the one that has just refused it.
func (x *http2Exchange) open() error {
	refused := x.link
	for range maxLinksTried {
		for _, l := range x.pool.currentLinks() {
			if l == refused {
				continue
			}
			s, err := l.open(&x.out)
			if err != nil {
				return err
			}
			if s != nil {
				x.link, x.stream, x.began = l, s, time.Now()
				return nil
			}
		}
		if err := x.pool.addLink(x.out.Context, x.out.HeadTimeout); err != nil {
			return err
		}
	}
	return fmt.Errorf("%w: %d new connections one after the other took no call", ErrRefused, maxLinksTried)
}

// try sends the body and awaits the head of the answer. Without one the stream is ended.
func (x *http2Exchange) try() (err error) {
	sound := false
	defer func() {
		if !sound {
			x.interrupt()
			x.end()
		}
	}()
	if x.out.hasBody {
		x.uploaded = make(chan struct{})
		// Who tries again may give the request another body meanwhile.
		go x.uploadBeside(x.out.Body)
	}
	err = x.receiveHead()
	if errors.Is(err, ErrStale) && x.isUploading() && !x.out.Beside {
		// The rest of the request is needed, if it comes soon.
		select {
		case <-x.uploaded:
		case <-time.After(graceTime):
		}
	}
	sound = err == nil
	return err
}

// uploadBeside sends the body while the answer is awaited and passed on.
func (x *http2Exchange) uploadBeside(body Body) {
	defer close(x.uploaded)
	if x.buffer == nil {
		x.buffer = x.pool.all.Buffers.Get()
	}
	if x.out.Beside {
		defer x.pool.all.Buffers.Put(x.buffer)
	}
	if err := x.upload(body); err != nil && !errors.Is(err, errStopped) {
		x.stream.abandon(err)
	}
	x.sent = time.Now()
}

// upload sends the body, beginning with what an earlier try has read of it.
func (x *http2Exchange) upload(body Body) error {
	ctx, limit := x.out.Context, x.out.HeadTimeout
	if err := x.stream.write(ctx, (*x.buffer)[:max(0, x.kept)], limit); err != nil {
		return err
	}
	for !x.over {
		space := (*x.buffer)[max(0, x.kept):]
		n, err := readBody(body, space)
		if err != nil && err != io.EOF {
			return ExplainBody(ctx, x.out.Incoming, err)
		}
		x.over = err == io.EOF
		if x.kept += n; n == len(space) || x.kept < n {
			x.kept = -1
		}
		if err := x.stream.write(ctx, space[:n], limit); err != nil {
			return err
		}
	}
	return x.stream.finish(x.out.Incoming.Trailer)
}

// isUploading reports whether the body is on its way still.
func (x *http2Exchange) isUploading() bool {
	select {
	case <-x.uploaded:
		return false
	default:
		return x.uploaded != nil
	}
}

// release gives the buffer back. The upload of a try beside others does so itself.
func (x *http2Exchange) release() {
	if !x.out.Beside && x.buffer != nil {
		x.pool.all.Buffers.Put(x.buffer)
	}
}

// isRepeatable reports whether the call can be sent again, as it was, by us. What reads the
// body of a try beside others may outlive it.
func (x *http2Exchange) isRepeatable() bool {
	if x.out.hasBody && (x.out.Beside || x.kept < 0 || x.out.Body.IsInterrupted()) {
		return false
	}
	return x.out.Context.Err() == nil
}

// blame finds words for what ended the exchange before its answer.
func (x *http2Exchange) blame(err error) error {
	if !errors.Is(err, ErrDied) {
		return err
	}
	died := &CutOff{After: lifeSince(x.link, x.began), Err: err}
	if x.informed || errors.Is(err, ErrReset) || died.After >= WorkTime || !x.out.IsReplayable() {
		return died
	}
	return fmt.Errorf("%w: %w", ErrUnanswered, died)
}

// receiveHead awaits the head of the answer, and passes interim answers on.
func (x *http2Exchange) receiveHead() error {
	for {
		interim, head, ended, err := x.stream.takeHead()
		for _, h := range interim {
			x.informed = true
			x.out.Client.Inform(h)
		}
		if head != nil {
			x.head, x.ended = *head, ended
			return nil
		}
		if err == nil {
			err = x.awaitHead()
		}
		if err != nil {
			return err
		}
	}
}

// awaitHead waits until something has arrived. The function's time begins when all is sent.
func (x *http2Exchange) awaitHead() error {
	for limit := x.out.HeadTimeout; ; {
		err := x.stream.await(x.out.Context, limit)
		if !errors.Is(err, ErrTooSlow) {
			return err
		}
		if x.isUploading() {
			continue
		}
		if limit = x.out.HeadTimeout - time.Since(x.sent); limit <= 0 {
			x.link.suspect(x.stream.heard)
			return err
		}
	}
}

func (x *http2Exchange) Status() int { return x.head.Code }

func (x *http2Exchange) Field(key string) string { return x.head.Field(key) }

// Pass passes the answer on.
func (x *http2Exchange) Pass() error {
	defer x.Drop()
	defer x.interrupt()
	framing := FramingNone
	if !x.ended && !x.head.Bodyless(x.out.HTTP.Method) {
		framing = FramingClose
	}
	x.head.Unframed = true
	x.out.Client.Begin(x.head, framing)
	if framing != FramingNone {
		if err := x.copyBody(); err != nil {
			return err
		}
	}
	return x.out.Client.SetTrailers(x.stream.takeTrailers())
}

// copyBody passes on what comes, at once.
func (x *http2Exchange) copyBody() error {
	for {
		piece, ended, err := x.stream.takeBody()
		if err != nil {
			return err
		}
		if len(piece) > 0 {
			if err := x.out.Client.Write(piece); err != nil {
				return err
			}
		}
		if ended {
			return nil
		}
		if len(piece) > 0 {
			continue
		}
		if err := x.out.Client.Flush(); err != nil {
			return err
		}
		if err := x.stream.await(x.out.Context, x.out.IdleTimeout); err != nil {
			return err
		}
	}
}

func (x *http2Exchange) Drop() {
	x.end()
	x.release()
}

// interrupt ends the reading of a body that is not wanted any more, unless the client's end does so.
func (x *http2Exchange) interrupt() {
	_, bounded := x.out.Context.Deadline()
	if x.isUploading() && (bounded || x.out.Context.Err() == nil) {
		x.out.Body.Interrupt()
	}
}

// end ends the stream, and the upload; that of a try beside others may outlive it, by one read.
func (x *http2Exchange) end() {
	if x.isUploading() {
		x.stream.abandon(errStopped)
		if x.out.Beside {
			return
		}
		<-x.uploaded
	}
	x.stream.close()
}
