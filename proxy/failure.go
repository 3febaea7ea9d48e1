package proxy

import (
	"context"
	"errors"
	"fmt"
	"math"
	"net/http"
	"strconv"
	"strings"
	"time"

	"faas-docker/function"
	"faas-docker/grammar"
	"faas-docker/policy"
	"faas-docker/proxy/upstream"
)

// What can go wrong on the way, beside the failures that function names.
var (
	errMethod      = errors.New("method not allowed")
	errNoFunction  = errors.New("no function named")
	errBadTarget   = errors.New("request target with forbidden characters")
	errNotAwake    = errors.New("no replica became ready in time")
	errExpired     = errors.New("call took too long")
	errIntercepted = errors.New("intercepted")
)

// expiry is why a call ended whose function took too long: errExpired, which policies know as ErrLate.
type expiry struct{}

func (expiry) Error() string { return errExpired.Error() }

func (expiry) Is(target error) bool { return target == errExpired || target == policy.ErrLate }

// ErrHandled is what Handler.Intercept returns when it has answered the request
// itself, or has taken over its connection.
var ErrHandled = errors.New("request handled")

// statusClientGone is what the observer is told when the client went away before
// it was answered. It is nginx's word for it, and never sent.
const statusClientGone = 499

// refusal is a failure as the client is told it.
type refusal struct {
	code int
	text string
	// retryAfter is how long the client should wait; zero means unknown.
	retryAfter time.Duration
	// status is what the caller of a gRPC call gets; nil means that code tells.
	status *GRPCStatus
}

// fail is the one place where an error becomes an answer, unless one has begun already. It returns the
// status for the observer.
func (c *call) fail(err error) int {
	answer := c.refusal(err)
	c.logFailure(err, answer.code)
	if c.code != 0 || answer.code == statusClientGone {
		return answer.code
	}
	if grammar.IsGRPC(c.r) {
		c.failGRPC(answer)
		return answer.code
	}
	header := c.w.Header()
	header.Set("Content-Type", "text/plain; charset=utf-8")
	header.Set("X-Content-Type-Options", "nosniff")
	header.Set("X-OpenFaaS-Internal", "proxy")
	if answer.retryAfter > 0 {
		header.Set("Retry-After", strconv.Itoa(int(math.Ceil(answer.retryAfter.Seconds()))))
	}
	if errors.Is(err, policy.ErrOpen) {
		header.Set("X-Circuit-Open", "true")
	}
	if answer.code == http.StatusMethodNotAllowed {
		header.Set("Allow", "GET, POST, PUT, PATCH, DELETE, OPTIONS, HEAD")
	}
	c.begin(answer.code)
	fmt.Fprintln(c.w, function.Clip(answer.text))
	return answer.code
}

// refusal words an error for the client.
func (c *call) refusal(err error) refusal {
	switch ended := context.Cause(c.r.Context()); {
	case errors.Is(ended, errExpired), errors.Is(ended, context.DeadlineExceeded):
		err = errExpired
	case ended != nil && !c.isInterrupted():
		return refusal{code: statusClientGone}
	}
	if told := c.handler.dialect.refusal; told != nil {
		if answer, ok := told(c, err); ok {
			return answer
		}
	}
	if errors.Is(err, upstream.ErrDied) && c.pastGRPCDeadline() {
		return refusal{code: 504, text: c.naming("the deadline of the call has passed")}
	}
	if failure, ok := errors.AsType[*function.Failure](err); ok {
		return refusal{code: statusOf(failure), text: c.naming(failure.Text), retryAfter: failure.RetryAfter}
	}
	if status, ok := errors.AsType[*GRPCStatus](err); ok {
		return refusal{code: http.StatusOK, text: status.Message, status: status}
	}
	if refused, ok := errors.AsType[*policy.Refusal](err); ok {
		return refusal{code: refused.Status, text: c.naming(refused.Text)}
	}
	if cut, ok := errors.AsType[*upstream.CutOff](err); ok {
		return refusal{code: http.StatusBadGateway, text: c.naming(cutOffText(cut))}
	}
	for _, known := range c.refusals() {
		if errors.Is(err, known.err) {
			return known.refusal
		}
	}
	return refusal{code: http.StatusBadGateway, text: c.naming("could not be invoked")}
}

// longWork is from when on a time limit may be what ended a call.
const longWork = time.Second

// cutOffText tells a client what happened. It claims no crash that has not been seen.
func cutOffText(cut *upstream.CutOff) string {
	switch {
	case cut.Gone:
		return "ended before it answered: it has crashed, or was stopped: look at its logs"
	case cut.After >= longWork:
		return fmt.Sprintf("closed the connection after %s without an answer: a time limit of its own may have passed (exec_timeout, write_timeout)",
			cut.After.Round(time.Second/10))
	}
	return "closed the connection without an answer: look at its logs"
}

// known is an error of this package with the answer to it.
type known struct {
	err error
	refusal
}

// refusals is the table from errors to answers.
func (c *call) refusals() []known {
	h := c.handler
	wake := c.naming(fmt.Sprintf("no replica became ready within %s: %s", h.wakeTimeout(), h.awaited(c.target.name)))
	return []known{
		{errIntercepted, refusal{code: 500, text: "the request failed before it reached a function: look at the provider's log"}},
		{upstream.ErrPanicked, refusal{code: 500, text: "the provider failed while it read the request: its log says more"}},
		{errUnwound, refusal{code: 500, text: "the provider failed while it carried the call: its log says more"}},
		{ErrUnimplemented, refusal{code: 404, text: "nobody serves " + c.r.URL.Path + " here"}},
		{errMethod, refusal{code: 405, text: "method " + c.r.Method + ": functions are invoked with GET, POST, PUT, PATCH, DELETE, OPTIONS or HEAD"}},
		{errNoFunction, refusal{code: 404, text: "no function is named here: want a path such as /function/figlet or /function/figlet.openfaas-fn/path"}},
		{errBadTarget, refusal{code: 400, text: "the path or the host contains characters that are not allowed there: write a space as %20"}},
		{upstream.ErrBadField, refusal{code: 400, text: "a field of the request would have a control character in it, or a name that is none: look at what filters make of the path, the query and the cookies"}},
		{upstream.ErrLargeBody, refusal{code: 413, text: c.naming("the request's body is larger than it takes")}},
		{upstream.ErrLargeHead, refusal{code: 431, text: c.naming("the request's head is larger than it takes")}},
		{upstream.ErrBadBody, refusal{code: 400, text: c.naming("the request's body breaks HTTP's rules of framing")}},
		{upstream.ErrShortBody, refusal{code: 400, text: c.naming("the request's body ended before it was complete")}},
		{upstream.ErrSlowClient, refusal{code: 408, text: c.naming("the request's body did not arrive within " + c.headTimeout().String())}},
		{upstream.ErrClientGone, refusal{code: statusClientGone}},
		{errNotAwake, refusal{code: 503, text: wake, retryAfter: time.Second}},
		{errEarly, refusal{code: 503, text: wake, retryAfter: time.Second}},
		{upstream.ErrTooSlow, refusal{code: 504, text: c.naming("did not begin to answer within " + c.headTimeout().String() + ": allow it more by exec_timeout in its environment, or the annotation " + function.PolicyHeadTimeout)}},
		{errExpired, refusal{code: 504, text: c.naming("did not finish " + c.inTime())}},
		{upstream.ErrExhausted, refusal{code: 503, text: c.naming("not called: the provider is out of file descriptors (or ports, or memory) for another connection: " +
			"try again, or raise its limit of open files (ulimit -n)"), retryAfter: time.Second}},
		{upstream.ErrUnreachable, refusal{code: 502, text: c.naming("cannot be reached: nothing accepts connections on its port: look at its logs")}},
		{upstream.ErrRefused, refusal{code: 503, text: c.naming("takes no more calls at the moment"), retryAfter: time.Second}},
		{upstream.ErrBadAnswer, refusal{code: 502, text: c.naming("its answer breaks HTTP's rules and was not passed on")}},
		{upstream.ErrDied, refusal{code: 502, text: c.naming("closed the connection before it answered: look at its logs")}},
	}
}

// inTime says what has passed: the policy's timeout, or else the deadline that a director gave.
func (c *call) inTime() string {
	if c.policy.Timeout > 0 {
		return "within " + c.policy.Timeout.String()
	}
	return "before its deadline"
}

// naming makes a text one line that names the function.
func (c *call) naming(text string) string {
	text = strings.Join(strings.Fields(text), " ")
	if strings.Contains(text, c.target.name.Name) {
		return text
	}
	return fmt.Sprintf("function %q: %s", c.target.name, text)
}

// statusOf maps the words of package function to HTTP's.
func statusOf(failure *function.Failure) int {
	switch {
	case errors.Is(failure.Kind, function.ErrNotFound):
		return http.StatusNotFound
	case errors.Is(failure.Kind, function.ErrInvalid):
		return http.StatusBadRequest
	case errors.Is(failure.Kind, function.ErrBusy):
		return http.StatusTooManyRequests
	}
	return http.StatusServiceUnavailable
}

// logFailure writes down what the function did wrong. What the client did wrong it is told itself.
func (c *call) logFailure(err error, code int) {
	if errors.Is(err, upstream.ErrExhausted) {
		c.handler.complaints.Do(func() {
			c.handler.log().Error("calls refused: no descriptors left: raise the limit of open files (ulimit -n)", "function", c.target.name.String(), "err", err)
		})
	}
	if code < 500 || code == http.StatusServiceUnavailable {
		return
	}
	c.handler.log().Warn("invocation failed", "function", function.Clip(c.target.name.String()), "call_id", c.id, "code", code, "answered", c.code, "err", err)
}

// findEnd notes whether the replica that broke off a call has ended.
func (h *Handler) findEnd(ctx context.Context, replica *function.Replica, err error) {
	cut, ok := errors.AsType[*upstream.CutOff](err)
	if ok && h.HasEnded != nil && ctx.Err() == nil && !errors.Is(err, upstream.ErrReset) {
		cut.Gone = cut.Gone || h.HasEnded(ctx, *replica)
	}
}
