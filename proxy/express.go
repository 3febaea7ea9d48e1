package proxy

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"errors"
	"net/http"
	"net/netip"
	"runtime/debug"
	"time"

	"github.com/google/uuid"

	"faas-docker/front"
	"faas-docker/function"
	"faas-docker/grammar"
	"faas-docker/proxy/upstream"
	"faas-docker/resolver"
)

// express carries the plain calls of one client's connection, one after the other: from the bytes of a
// head to those that the function gets, and back. It keeps what call promises. What needs more it
// leaves to the other lane, before the client has any answer: a function with policies of its own, one
// that has no replica ready or speaks HTTP/2, the next try of a call that may be repeated.
type express struct {
	handler *Handler
	call    *front.Call
	plain   plain
	caller
	callee
	loan
	// head is the request's, for the function; id and start lie in it.
	head      []byte
	id, start []byte
	body      []byte
	request   upstream.Request
	outgoing  upstream.Plain
	answer    plainAnswer
	left      leftover
}

// caller is who calls.
type caller struct {
	// peer is the client's address; isTrusted is set when what it says of its own clients is believed.
	peer      string
	isTrusted bool
	// host is the last that was found to be in order.
	host string
}

// callee is the function that was called last.
type callee struct {
	// given is its name as the client wrote it, and name what that means.
	given  string
	name   function.Name
	policy function.CallPolicy
}

// loan is the replica of a call, and what the observer knows of that.
type loan struct {
	lease resolver.Lease
	// lent is set until the replica is given back.
	lent bool
	observation
}

// release gives the replica back, once.
func (l *loan) release() {
	if l.lent {
		l.lent = false
		l.lease.Release()
	}
}

// leftover is what the other lane has to know of a call that was begun here.
type leftover struct {
	// began is when it did; zero when there is no such call.
	began time.Time
	tries int32
	// early is the replica whose watchdog answered for its process; zero for none.
	early resolver.Lease
}

var (
	_ front.Lane       = (*Handler)(nil)
	_ upstream.Client  = (*plainAnswer)(nil)
	_ upstream.Watched = (*front.Call)(nil)
)

// Carry implements front.Lane.
func (h *Handler) Carry(call *front.Call) (verdict front.Verdict) {
	if h.Intercept != nil || h.CallPolicy != nil || h.FlushInterval > 0 {
		return front.Declined
	}
	e, known := call.Memory.(*express)
	if !known {
		e = newExpress(h, call)
		call.Memory = e
	}
	e.left, e.loan = leftover{}, loan{}
	defer func() {
		if failure := recover(); failure != nil {
			verdict = e.rescue(failure)
		}
		e.body, e.outgoing.Body = nil, nil // an idle connection keeps nothing of a buffer that was lent
	}()
	return e.carry()
}

func newExpress(h *Handler, call *front.Call) *express {
	e := &express{handler: h, call: call, head: make([]byte, 0, 1<<10)}
	e.answer.call = call
	address, _ := netip.ParseAddrPort(call.Remote())
	e.peer, e.isTrusted = hostOf(call.Remote()), h.TrustedProxies.Contain(address.Addr())
	return e
}

func (e *express) carry() front.Verdict {
	if e.isTrusted || len(e.call.Head) > maxPlainHead || !e.read() || !e.suits() || !e.takeBody() {
		return front.Declined
	}
	if e.lease, e.lent = e.handler.Resolver.Lend(e.name); !e.lent {
		return front.Declined
	}
	e.began = time.Now()
	e.complete()
	e.answer.begin(e.plain.method, e.id, e.start, e.plain.closes)
	e.started(e.handler, e.name)
	err := e.send()
	if e.answer.code == 0 && e.leaves(err) {
		e.release()
		return front.Declined
	}
	if err != nil {
		e.handler.findEnd(context.Background(), e.lease.Replica(), err)
	}
	e.release()
	return e.finish(err)
}

// rescue ends a call that has panicked, and its connection. The other lane gets one that has not begun.
func (e *express) rescue(failure any) front.Verdict {
	if e.began.IsZero() {
		return front.Declined
	}
	e.handler.log().Error("a call panicked", "function", function.Clip(e.name.String()), "call_id", string(e.id), "err", failure, "stack", string(debug.Stack()))
	e.release()
	e.answer.closes = true
	return e.finish(errUnwound)
}

// read reads the head of a plain request for a function that is not guarded.
func (e *express) read() (ok bool) {
	if e.head, ok = e.plain.parse(e.call.Head, e.head[:0]); !ok {
		return false
	}
	if string(e.plain.host) != e.host {
		host := string(e.plain.host)
		if !grammar.IsHost(host) {
			return false
		}
		e.host = host
	}
	if string(e.plain.given) != e.given {
		e.given = string(e.plain.given)
		e.name = function.ParseName(e.given, e.handler.defaultNamespace())
	}
	return e.handler.Guarded == nil || !e.handler.Guarded(e.name)
}

// takeBody takes a body that has come with its head.
func (e *express) takeBody() bool {
	e.body = nil
	if e.plain.length == 0 {
		return true
	}
	before := e.call.Head
	body, whole := e.call.Body(e.plain.length)
	if !whole {
		return false
	}
	e.body = body
	if &before[0] != &e.call.Head[0] {
		// The head has moved, and what was read points to its old place.
		e.head, _ = e.plain.parse(e.call.Head, e.head[:0])
	}
	return true
}

// suits reports whether the function wants its calls carried without more ado.
func (e *express) suits() bool {
	e.policy = function.CallPolicy{}
	if e.handler.Policy != nil {
		e.policy = e.handler.Policy(e.name)
	}
	limit := cmp.Or(e.policy.MaxRequestBody, e.handler.MaxRequestBody)
	return e.policy.Timeout <= 0 && e.policy.Policies == nil && e.policy.Protocol != function.ProtocolH2C &&
		(limit <= 0 || int64(e.plain.length) <= limit)
}

// complete adds to the head what the function is told about the call.
func (e *express) complete() {
	b := e.head
	b = append(append(append(b, "X-Forwarded-For: "...), e.peer...), "\r\nX-Forwarded-Host: "...)
	b = append(append(append(b, e.host...), "\r\nX-Forwarded-Proto: http\r\nX-Forwarded-Prefix: "+prefix...), e.given...)
	b = append(b, "\r\nX-Call-Id: "...)
	id := len(b)
	if given := string(e.plain.callID); grammar.IsCallID(given) {
		b = append(b, given...)
	} else {
		b = append(b, uuid.NewString()...)
	}
	idEnd := len(b)
	b = append(b, "\r\nX-Start-Time: "...)
	start := len(b)
	b = appendStart(b, e.began)
	e.id, e.start = b[id:idEnd], b[start:]
	b = append(b, "\r\n"...)
	if e.plain.saysEmpty() {
		b = append(b, "Content-Length: 0\r\n"...)
	}
	e.head = append(b, "\r\n"...)
}

// send carries the request to the replica and its answer back.
func (e *express) send() error {
	e.outgoing = upstream.Plain{Head: e.head, Body: e.body, Method: e.plain.method, IsReplayable: e.plain.isReplayable(), Client: e.call}
	if len(e.body) > 0 && len(e.body) <= maxSmall {
		// Both in one piece cost the function and us half as much.
		e.outgoing.Head, e.outgoing.Body = append(e.head, e.body...), nil
		e.head = e.outgoing.Head[:len(e.head)]
	}
	e.request = upstream.Request{
		Context: context.Background(), Plain: &e.outgoing, Client: &e.answer,
		HeadTimeout: e.handler.headTimeout(&e.policy), IdleTimeout: e.policy.IdleTimeout,
	}
	got, err := e.handler.pools().Of(e.lease.Replica()).Open(&e.request)
	if err != nil {
		return err
	}
	if !e.lease.IsProven() {
		if e.isEarly(got) {
			got.Drop()
			return errEarly
		}
		if isProof(got, string(e.plain.path)) {
			e.lease.Prove()
		}
	}
	return got.Pass()
}

// isEarly reports whether an answer may be that of a watchdog whose process does not listen yet.
func (e *express) isEarly(got upstream.Answer) bool {
	if !isEmpty(got) {
		return isEarly(got)
	}
	if !e.plain.isReplayable() && !e.policy.HasWatchdog {
		return false
	}
	r, err := e.parsed()
	return err == nil && acceptsStream(r.Header)
}

// parsed is the request as the other lane gets it, without its body.
func (e *express) parsed() (*http.Request, error) {
	return http.ReadRequest(bufio.NewReader(bytes.NewReader(e.call.Head)))
}

// maxSmall is how long a body may be, in bytes, that is copied to its head.
const maxSmall = 4 << 10

// leaves reports whether a try that failed is left to the other lane, which may repeat it: the
// function has seen nothing of it, or may see it twice.
func (e *express) leaves(err error) bool {
	if e.call.Gone() {
		return false
	}
	e.left = leftover{began: e.began, tries: e.request.Sent}
	switch {
	case errors.Is(err, errEarly):
		e.handler.Resolver.Deny(e.name, e.lease.Replica().ID)
		e.left.early = e.lease
	case errors.Is(err, upstream.ErrUnreachable):
		e.handler.Resolver.Suspect(e.name, e.lease.Replica().ID)
	case errors.Is(err, upstream.ErrUnanswered):
		e.left.tries++
	default:
		e.left = leftover{}
		return false
	}
	return true
}

func (e *express) finish(err error) front.Verdict {
	code := e.answer.code
	switch {
	case err == nil:
		err = e.answer.end()
	case code == 0:
		code = e.fail(err)
	default:
		// An answer that broke off must not look whole: its connection ends.
		e.answer.cut()
		code = e.fail(err)
	}
	if err != nil && e.call.Gone() {
		code = statusClientGone
	}
	e.ended(e.handler, e.name, code)
	if err != nil && (e.answer.code == 0 || e.answer.isCut) || e.answer.closes || errors.Is(err, upstream.ErrClientGone) {
		return front.CarriedLast
	}
	return front.Carried
}

// fail is call.fail for a call of this lane: both give the same answers.
func (e *express) fail(err error) int {
	if e.call.Gone() {
		return statusClientGone
	}
	r, unread := e.parsed()
	if unread != nil {
		return http.StatusBadGateway // it was read before
	}
	r.ContentLength, r.Body = 0, http.NoBody // it was read, too
	w := &failedAnswer{header: http.Header{}}
	c := call{
		handler: e.handler, policy: e.policy, observation: observation{began: e.began},
		target: target{name: e.name, given: e.given},
		client: client{w: w, r: r, incoming: r, id: string(e.id), start: string(e.start), code: e.answer.code},
	}
	code := c.fail(err)
	if e.answer.code == 0 && w.code != 0 {
		e.answer.whole(w)
	}
	return code
}

// failedAnswer is the answer to a call that failed, as a whole.
type failedAnswer struct {
	header http.Header
	code   int
	text   []byte
}

func (w *failedAnswer) Header() http.Header { return w.header }

func (w *failedAnswer) WriteHeader(code int) { w.code = code }

func (w *failedAnswer) Write(piece []byte) (int, error) {
	w.text = append(w.text, piece...)
	return len(piece), nil
}

// takeOver continues a call that the short lane began.
func (c *call) takeOver() {
	from := front.CallOf(c.incoming.Context())
	if from == nil {
		return
	}
	e, known := from.Memory.(*express)
	if !known || e.left.began.IsZero() {
		return
	}
	c.began, c.known = e.left.began, true
	c.repeats.replays.Store(e.left.tries)
	c.attempt.early = e.left.early
	e.left = leftover{}
}
