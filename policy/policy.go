// Package policy wraps the outgoing call: retry, deadline per try, breaker, fault, log, progress.
//
// A call passes a chain of policies on its way to a replica. Each sees the request, passes it to the next
// one (or not, or more than once), and sees the head of the answer. The order is fixed, the outermost
// first:
//
//	log        one line for the call, when it has ended
//	retry      sends it again after some outcomes
//	hedge      sends it a second time when the answer is late
//	breaker    sends nothing for a while to a function that fails
//	tryTimeout bounds each try
//	fault      delays or aborts tries, for tests
//	(the policy of this one call, see Chain.Do)
//	progress   tells how far long bodies have come
//	sender     carries the try to a replica
//
// So each try counts for the breaker, has its own time, and may be made to fail; and a breaker that is open
// ends the tries of a call.
//
// The body of an answer is not seen by policies: the chain's caller passes it on to the client after the
// chain has returned. Until then the client has nothing of the answer, and a policy may drop it and have
// another. Interim answers (1xx) are passed on as they come: they settle the answer (Request.Committed).
package policy

import (
	"context"
	"io"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"faas-docker/function"
)

// Policy is one link of the chain. Do is called from many goroutines at once.
type Policy interface {
	// Do answers a request, usually with what next answers. Of the answers that next
	// gives it returns at most one, and drops the others.
	Do(ctx context.Context, request *Request, next Sender) (Answer, error)
}

// Func is a Policy that is a function.
type Func func(ctx context.Context, request *Request, next Sender) (Answer, error)

// Do calls the function.
func (f Func) Do(ctx context.Context, request *Request, next Sender) (Answer, error) {
	return f(ctx, request, next)
}

// Sender sends one try and waits for the head of its answer. The try, and the rest of the answer, end with
// ctx. Errors that are ErrUnsent, ErrBroken or ErrLate may go away with another try; others do not.
type Sender func(ctx context.Context, request *Request) (Answer, error)

// Answer is an answer whose head has arrived.
type Answer interface {
	// Status is a final status, or 101.
	Status() int
	// Field is the first value of a field, by its canonical name; empty when there is none.
	Field(key string) string
	// Drop gives the answer up: once at most, and not when the answer is passed on.
	Drop()
}

// Call is a request to a function.
type Call struct {
	// HTTP is the request as the client sent it; it is never modified.
	HTTP     *http.Request
	Function function.Name
	// ID is the call's number, for logs.
	ID string
	// Body is what the client sends; nil when there is none.
	Body io.Reader
	// Spools bounds the kept bodies of all calls; nil means that only the policy bounds this one.
	Spools *Spools
}

// Request is one try of a call. A policy that changes it does so with a copy.
type Request struct {
	Call
	// Quiet tries pass no interim answers on: another one may answer yet.
	Quiet bool
	*callState
}

// callState is what all tries of a call share.
type callState struct {
	began          time.Time
	committed      atomic.Bool
	tries          atomic.Int32
	sent, received atomic.Int64
	// noted is done when the progress of the answer is watched.
	noted sync.Once

	// mu protects the fields below.
	mu      sync.Mutex
	kept    *spool
	onPiece []func(total int64)
	onEnd   []func(End)
}

// End is how a call ended.
type End struct {
	// Status is what the client was answered, 499 when it went away.
	Status int
	// Err is why the call failed; nil when it did not.
	Err error
	// Took is the time since the call began.
	Took time.Duration
	// Tries is how often it was sent to a replica.
	Tries int
	// Sent and Received count the bytes of bodies: read from the client, passed on from the function.
	Sent, Received int64
}

// NewRequest returns the first try of a call. Call End when the call is over.
func NewRequest(call Call) *Request {
	r := &Request{Call: call, callState: &callState{began: time.Now()}}
	if call.Body != nil {
		r.Body = counted{call.Body, &r.sent}
	}
	return r
}

type counted struct {
	io.Reader
	count *atomic.Int64
}

func (c counted) Read(p []byte) (int, error) {
	n, err := c.Reader.Read(p)
	c.count.Add(int64(n))
	return n, err
}

// Commit notes that something of an answer is on its way to the client.
func (r *Request) Commit() { r.committed.Store(true) }

// Committed reports whether the client has some of an answer: no policy may ask for another then.
func (r *Request) Committed() bool { return r.committed.Load() }

// Passed notes that n bytes of the answer's body were passed on.
func (r *Request) Passed(n int) {
	total := r.received.Add(int64(n))
	r.mu.Lock()
	watchers := r.onPiece
	r.mu.Unlock()
	for _, watch := range watchers {
		watch(total)
	}
}

// OnPassed has watch called with the bytes so far whenever a piece of the answer's body was passed on.
func (r *Request) OnPassed(watch func(total int64)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.onPiece = append(r.onPiece, watch)
}

// OnEnd has act called when the call has ended: the last that was registered first.
func (r *Request) OnEnd(act func(End)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.onEnd = append(r.onEnd, act)
}

// End ends the call; it does so once.
func (r *Request) End(status int, err error) {
	r.mu.Lock()
	acts, kept := r.onEnd, r.kept
	r.onEnd = nil
	r.mu.Unlock()
	end := End{Status: status, Err: err, Took: time.Since(r.began), Tries: int(r.tries.Load()), Sent: r.sent.Load(), Received: r.received.Load()}
	for i := len(acts) - 1; i >= 0; i-- {
		acts[i](end)
	}
	if kept != nil {
		kept.close()
	}
}
