package proxy

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/google/uuid"

	"faas-docker/function"
	"faas-docker/policy"
)

// lingerTime is how long the connection of a client that was refused stays open,
// so that it can read why.
const lingerTime = time.Second

// call is one invocation on its way.
type call struct {
	handler *Handler
	w       http.ResponseWriter
	r       *http.Request
	target  target
	// previous is set when the revision before is wanted.
	previous bool
	policy   function.CallPolicy
	began    time.Time
	// incoming is the request as the server gave it; r may be bound to a deadline, until
	// unbind is called: only when the call has been finished, which asks how r ended. It
	// is nil for one that is not bound.
	incoming *http.Request
	unbind   context.CancelFunc
	// body is what the client sends, perhaps limited.
	body io.Reader
	// announced are the trailers that are to follow it. Whoever reads the body adds
	// their values to the request at its end, when another try may be about to begin.
	announced []string
	// id and start are what X-Call-Id and X-Start-Time say, to both sides.
	id, start string
	// code is the status that was sent; zero while none was.
	code int
	// fallbackType is the content type of an answer that names none; empty leaves
	// it without.
	fallbackType string
	// words tells some failures in its own way; nil when nobody does.
	words func(*call, error) (refusal, bool)
	// upload sends the request's body; nil before it is wanted.
	upload upload
	// small is a body that came with the head of its request, and goes on with that; empty
	// for none such.
	small []byte
	// known is set when the function exists; the observer was told it started.
	known bool
	// observed is set when the observer was told how the call has ended.
	observed bool
	// dismissed is set when the client's connection ends with this call.
	dismissed bool
	// alone is set when nobody but the goroutine of the call has seen it, or the request,
	// or the writer; over, when nobody else ever will.
	alone, over bool
	// duplex is set when the answer may begin before the request has ended.
	duplex bool
	// interrupted is set when we ended the reading of the request, not the client.
	interrupted atomic.Bool
	// held bounds the wait for a replica; calls with policies have one for each try.
	held patient
	// repeats bounds what is repeated without any policy.
	repeats repeats
	// request is the call as its policies know it; nil without any.
	request *policy.Request
}

// identify gives the call its number and its time, and tells the client both.
func (c *call) identify() {
	if given := c.r.Header["X-Call-Id"]; len(given) > 0 && given[0] != "" {
		c.id = given[0]
	} else {
		c.id = uuid.NewString()
	}
	c.start = strconv.FormatInt(c.began.UnixNano(), 10)
	header, values := c.w.Header(), []string{c.id, c.start}
	header["X-Call-Id"] = values[0:1:1]
	header["X-Start-Time"] = values[1:2:2]
}

// intercept asks the hook. Nobody will read the body that it has replaced.
func (c *call) intercept() error {
	hook, sent := c.handler.Intercept, c.r.Body
	if hook == nil {
		return nil
	}
	if err := hook(c.w, c.r); err != nil {
		return fmt.Errorf("%w: %w", errIntercepted, err)
	}
	if c.r.Body != sent {
		c.dismiss()
	}
	return nil
}

// run finds the function and carries the call to one of its replicas.
func (c *call) run() (err error) {
	if !allowed(c.r.Method) {
		return errMethod
	}
	if c.target, err = parseTarget(c.r, c.handler.defaultNamespace()); err != nil {
		return err
	}
	if err := c.applyPolicy(); err != nil {
		return err
	}
	own := c.ownPolicy()
	lease, err := c.acquire(try{ctx: c.r.Context(), held: &c.held}, c.handler.wakeTimeout())
	if !isUnknown(err) {
		c.started()
	}
	if err != nil {
		return err
	}
	c.repeats.until = time.Since(c.began) + c.handler.retryTimeout()
	if chain := c.policies(); chain != nil || own != nil {
		return c.deliverThrough(chain, own, lease)
	}
	return c.deliver(lease)
}

// take takes the request as it is now.
func (c *call) take() {
	c.incoming, c.body = c.r, c.r.Body
	for name := range c.r.Trailer {
		c.announced = append(c.announced, name)
	}
}

// applyPolicy asks how the function wants to be invoked, and bounds the call so.
func (c *call) applyPolicy() error {
	c.take()
	if c.handler.Policy != nil {
		c.policy = c.handler.Policy(c.target.name)
	}
	if limit := cmp.Or(c.policy.MaxRequestBody, c.handler.MaxRequestBody); limit > 0 && c.r.ContentLength != 0 {
		if c.r.ContentLength > limit {
			return errLargeBody
		}
		c.body = http.MaxBytesReader(c.w, c.r.Body, limit)
	}
	if c.policy.Timeout <= 0 {
		return nil
	}
	ctx, cancel := context.WithDeadlineCause(c.r.Context(), c.began.Add(c.policy.Timeout), errExpired)
	c.r, c.unbind = c.r.WithContext(ctx), cancel
	return nil
}

// headTimeout bounds the wait for the head of the answer.
func (c *call) headTimeout() time.Duration {
	if c.policy.HeadTimeout > 0 {
		return c.policy.HeadTimeout
	}
	return c.handler.timeout()
}

// wantsHTTP2 reports whether the function is to be spoken to in HTTP/2: when it
// says so, or when it says nothing and the call is gRPC's.
func (c *call) wantsHTTP2() bool {
	return c.policy.Protocol == function.ProtocolH2C || c.policy.Protocol == "" && IsGRPC(c.r)
}

func (c *call) started() {
	c.known = true
	if c.handler.Observer != nil {
		c.handler.Observer.Started(c.target.name)
	}
}

// ended tells the observer how the call has ended, once.
func (c *call) ended(code int) {
	if c.known && !c.observed && c.handler.Observer != nil {
		c.observed = true
		c.handler.Observer.Finished(c.target.name, code, time.Since(c.began))
	}
}

// errUnwound says that somebody around the call, or in it, has panicked.
var errUnwound = errors.New("panic while the call was carried")

// leave gives the memory of a call that was alone to later ones. Not every server makes
// use of that.
func (c *call) leave(err error) {
	c.over = err == nil && c.alone
	if w, ok := c.w.(interface{ Reuse(*http.Request) }); ok && c.over {
		w.Reuse(c.r)
	}
}

// unwind lets go of a call, and tells the observer and the policies of one that did not
// come to its end: somebody around us answers what panics.
func (c *call) unwind() {
	c.ended(http.StatusInternalServerError)
	if c.request != nil {
		c.request.End(http.StatusInternalServerError, errUnwound)
	}
	if c.unbind != nil {
		c.unbind()
	}
	if c.over {
		c.handler.scratches.putCall(c)
	}
}

// answerEarly lets the answer begin before the request has ended.
func (c *call) answerEarly() {
	if !c.duplex {
		c.duplex = true
		// Not every writer can; one that cannot answers when the body has been read.
		_ = http.NewResponseController(c.w).EnableFullDuplex()
	}
}

// begin sends the status and the header.
func (c *call) begin(code int) {
	c.code = code
	c.w.WriteHeader(code)
}

// finish answers what is still unanswered and tells the observer. An answer that
// has begun and cannot be completed is cut, which is the only way to tell the
// client.
func (c *call) finish(err error) {
	code, cut := c.code, false
	if err != nil {
		begun := c.code != 0
		code = c.fail(err)
		// For a client that went away the server would make up an empty 200.
		cut = begun || code == statusClientGone
	}
	c.ended(code)
	if c.request != nil {
		c.request.End(code, err)
	}
	if cut {
		c.cut(code)
	}
	if c.dismissed {
		c.linger()
	}
}

// cut ends the client's connection, or its stream, so that the answer cannot be
// taken for a whole one. The end of a connection is what an HTTP/1.0 client may
// wait for: there it has to be a reset.
func (c *call) cut(code int) {
	if IsGRPC(c.r) && code != statusClientGone {
		c.setGRPCTrailers(code)
		return
	}
	if !c.r.ProtoAtLeast(1, 1) {
		if conn, _, err := http.NewResponseController(c.w).Hijack(); err == nil {
			if abrupt, ok := conn.(interface{ SetLinger(seconds int) error }); ok {
				_ = abrupt.SetLinger(0)
			}
			conn.Close()
		}
	}
	panic(http.ErrAbortHandler)
}

// isUnread reports whether the client may still be sending its request.
func (c *call) isUnread() bool {
	return c.r.ContentLength != 0 && (c.upload == nil || !c.upload.isOver())
}

// dismiss lets go of a client that may still be sending: it gets the answer at
// once, and then its connection ends. Only HTTP/1 needs that: there, what is left
// of a request could be taken for the next one.
func (c *call) dismiss() {
	if c.r.ProtoMajor == 1 {
		c.dismissed = true
		c.w.Header()["Connection"] = []string{"close"}
	}
}

// linger gives a client that was dismissed a moment to read the answer. The
// server then reads what is left of the request, within the same moment.
func (c *call) linger() {
	control := http.NewResponseController(c.w)
	if control.Flush() != nil || control.SetReadDeadline(time.Now().Add(lingerTime)) != nil {
		return
	}
	if c.upload != nil {
		c.upload.retire()
	}
}

// maxSmall is how long a body may be, in bytes, that is sent with the head.
const maxSmall = 8 << 10

// readSmall reads a body that has come with the head: to send both in one piece costs the
// function and us half as much.
func (c *call) readSmall() error {
	body, ok := c.r.Body.(interface{ HasArrived() bool })
	if !ok || c.r.ContentLength <= 0 || c.r.ContentLength > maxSmall || len(c.announced) > 0 || c.wantsHTTP2() || !body.HasArrived() {
		return nil
	}
	c.small = slices.Grow(c.small, int(c.r.ContentLength))[:c.r.ContentLength]
	if _, err := io.ReadFull(c.r.Body, c.small); err != nil {
		return explainBody(c.r.Context(), c.r, err)
	}
	c.upload = sent{}
	return nil
}

// sent is the upload of a body that has been read, and goes along with the head.
type sent struct{}

func (sent) isOver() bool { return true }

func (sent) retire() {}

// upload is a request's body on its way to the function.
type upload interface {
	// isOver reports whether the body has been read to its end.
	isOver() bool
	// retire ends the reading of the body. It waits for a read that is under way,
	// which the client's connection must bound.
	retire()
}
