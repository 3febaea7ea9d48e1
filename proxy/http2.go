package proxy

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"
)

// maxRefusals bounds how often a call is tried on further connections when the
// function has certainly not begun with it.
const maxRefusals = 3

// graceTime is how long the rest of a request's body is awaited when the function
// has refused what came before it.
const graceTime = 50 * time.Millisecond

// carryHTTP2 sends a call to a replica in HTTP/2, on a connection that it shares
// with others. An error is errUnreachable when the replica has certainly seen
// nothing of it.
func (u *upstream) carryHTTP2(c *call, t try) error {
	x := http2Exchange{call: c, try: t, out: newOutgoing(c)}
	defer x.release()
	if x.out.hasBody {
		x.takeBody()
	}
	for refusals := 0; ; refusals++ {
		if err := x.open(u); err != nil {
			return err
		}
		err := x.run()
		if !errors.Is(err, errStale) || refusals == maxRefusals || !x.repeatable() {
			return x.blame(err)
		}
	}
}

// http2Exchange is one request and its answer in HTTP/2.
type http2Exchange struct {
	call *call
	try  try
	out  outgoing
	// stream is the one of the present try, and link the connection it is on.
	stream *stream
	link   *link
	// body is the request's; nil when it has none.
	body *requestBody
	// buffer is what the body is read into. While all of it that was read fits, the
	// first kept bytes of it, it can be sent again; then kept is -1.
	buffer *[]byte
	kept   int
	// done gets what became of an answer that was passed on early; panicked is set before.
	done     chan error
	panicked transported
	// grace ends the upload soon; nil unless the answer was that we try again.
	grace *time.Timer
	// uploaded is closed when the body has been sent beside the answer; nil unless it
	// is.
	uploaded chan struct{}
}

func (x *http2Exchange) takeBody() {
	c := x.call
	x.body = &requestBody{Reader: x.try.body, interrupt: c.interrupt}
	x.buffer = c.handler.getCopy()
	c.upload = x.body
	c.answerEarly()
}

func (x *http2Exchange) release() {
	if x.body != nil {
		x.body.release()
		x.call.handler.putCopy(x.buffer)
	}
}

// open begins the call on a link, but not on the one that has just refused it.
func (x *http2Exchange) open(u *upstream) error {
	refused := x.link
	for {
		for _, l := range u.currentLinks() {
			if l == refused {
				continue
			}
			s, err := l.open(&x.out)
			if err != nil {
				return err
			}
			if s != nil {
				x.link, x.stream = l, s
				return nil
			}
		}
		if err := u.addLink(x.try.ctx, x.call.headTimeout()); err != nil {
			return err
		}
	}
}

// run carries the request and its answer, and closes the stream.
func (x *http2Exchange) run() error {
	defer x.stream.close()
	if x.body == nil {
		return x.receive()
	}
	if x.call.policy.Timeout > 0 {
		// Else nobody would end the wait for a client that is silent.
		defer context.AfterFunc(x.try.ctx, func() { x.body.Close() })()
	}
	// Most functions answer when they have all of the body. The answer of one that
	// begins sooner is passed on beside it.
	x.done = make(chan error, 1)
	x.stream.tell(x.receiveEarly)
	uploaded := x.upload()
	if !x.stream.untold() {
		return x.settle(uploaded)
	}
	if uploaded != nil && !errors.Is(uploaded, errStopped) {
		return uploaded
	}
	return x.receive()
}

func (x *http2Exchange) receiveEarly() {
	err := x.receiveCaught()
	if errors.Is(err, errStale) {
		// The rest of the request is needed, if it comes before the client begins to
		// wait for the function.
		x.grace = time.AfterFunc(graceTime, func() { x.body.Close() })
	} else {
		x.body.Close()
	}
	x.done <- err
}

// receiveCaught is receive in another goroutine than the call's: nobody recovers there.
func (x *http2Exchange) receiveCaught() error {
	defer x.panicked.catch()
	return x.receive()
}

// settle waits for an answer that began before the body was sent.
func (x *http2Exchange) settle(uploaded error) error {
	if uploaded != nil && !errors.Is(uploaded, errStopped) && !x.call.interrupted.Load() {
		x.stream.abandon(uploaded)
	}
	err := <-x.done
	x.panicked.rethrow()
	if x.grace != nil {
		x.grace.Stop()
		x.grace = nil
	}
	return err
}

// upload sends the body, beginning with what an earlier try has read of it.
func (x *http2Exchange) upload() error {
	ctx, limit := x.try.ctx, x.call.headTimeout()
	if err := x.stream.write(ctx, (*x.buffer)[:max(0, x.kept)], limit); err != nil {
		return err
	}
	for !x.body.isOver() {
		room := (*x.buffer)[max(0, x.kept):]
		n, err := readBody(x.body, room)
		if err != nil && err != io.EOF {
			return explainBody(ctx, x.call.incoming, err)
		}
		if x.kept += n; n == len(room) || x.kept < n {
			x.kept = -1
		}
		if err := x.stream.write(ctx, room[:n], limit); err != nil {
			return err
		}
	}
	return x.stream.finish(x.call.incoming.Trailer)
}

// repeatable reports whether the call can be sent again, as it was, by us.
func (x *http2Exchange) repeatable() bool {
	return x.call.code == 0 && x.kept >= 0 && !x.call.interrupted.Load() && x.try.ctx.Err() == nil
}

// blame finds words for what ended the exchange.
func (x *http2Exchange) blame(err error) error {
	if err == nil || x.call.code != 0 || !errors.Is(err, errDied) {
		return err
	}
	if x.out.replayable() {
		return fmt.Errorf("%w: %w", errUnanswered, err)
	}
	return err
}

// receive passes the answer on.
func (x *http2Exchange) receive() error {
	h, ended, err := x.receiveHead()
	if err != nil {
		return err
	}
	return x.passOn(h, ended)
}

// passOn passes on an answer whose head has come; ended says that this was all of it.
func (x *http2Exchange) passOn(h head, ended bool) error {
	hasBody := !ended && !h.bodyless(x.call.r.Method)
	x.call.beginUnframed(h, hasBody, trailerNames(h))
	if hasBody {
		if err := x.copyBody(); err != nil {
			return err
		}
	}
	return x.call.setTrailers(x.stream.takeTrailers())
}

// receiveHead awaits the head of the answer, and passes interim answers on.
func (x *http2Exchange) receiveHead() (h head, ended bool, err error) {
	limit := x.call.headTimeout()
	for {
		for _, interim := range x.stream.takeInterim() {
			x.call.forwardInformational(x.try, interim)
		}
		h, arrived, ended, err := x.stream.takeHead()
		if arrived || err != nil {
			return h, ended, err
		}
		if err := x.stream.await(x.try.ctx, limit); err != nil {
			if errors.Is(err, errTooSlow) && x.isUploading() {
				continue
			}
			if errors.Is(err, errTooSlow) {
				x.link.suspect(x.stream.heard)
			}
			return head{}, false, err
		}
	}
}

// copyBody passes on what comes, at once.
func (x *http2Exchange) copyBody() error {
	c := x.call
	out := newPromptWriter(c.w, c.handler.stallTimeout(), c.handler.FlushInterval)
	defer out.stop()
	for first := true; ; first = false {
		piece, ended, err := x.stream.takeBody()
		if err != nil {
			return err
		}
		if len(piece) > 0 {
			if err := out.write(piece); err != nil {
				return fmt.Errorf("%w: %w", errClientGone, err)
			}
			c.passed(len(piece))
		}
		if ended {
			return nil
		}
		if len(piece) > 0 {
			continue
		}
		if first {
			out.sendSoon()
		}
		if err := x.stream.await(x.try.ctx, c.policy.IdleTimeout); err != nil {
			return err
		}
	}
}

// trailerNames are those that an answer announces.
func trailerNames(h head) []string {
	var names []string
	for _, f := range h.fields {
		if f.key != "Trailer" {
			continue
		}
		for name := range strings.SplitSeq(f.value, ",") {
			names = append(names, http.CanonicalHeaderKey(trimBlanks(name)))
		}
	}
	return names
}
