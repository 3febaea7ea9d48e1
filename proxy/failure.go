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
	"faas-docker/policy"
)

// What can go wrong on the way, beside the failures that function names.
var (
	errMethod      = errors.New("method not allowed")
	errNoFunction  = errors.New("no function named")
	errBadTarget   = errors.New("request target with forbidden characters")
	errNotAwake    = errors.New("no replica became ready in time")
	errClientGone  = errors.New("client went away")
	errBadBody     = errors.New("malformed request body")
	errUnreachable = errors.New("replica cannot be reached")
	errDied        = errors.New("connection to the replica ended")
	errUnanswered  = errors.New("no byte of an answer to a request that may be repeated")
	errBadAnswer   = errors.New("malformed answer")
	errRefused     = errors.New("replica takes no more calls")
	errLargeHead   = errors.New("request head too large")
	errTooSlow     = errors.New("no answer in time")
	errExpired     = errors.New("call took too long")
	errSlowClient  = errors.New("request body did not arrive in time")
	errShortBody   = errors.New("request body ended early")
	errLargeBody   = errors.New("request body too large")
	errIntercepted = errors.New("intercepted")
)

// ErrHandled is what Handler.Intercept returns when it has answered the request
// itself, or has taken over its connection.
var ErrHandled = errors.New("request handled")

// statusClientGone is what the observer is told when the client went away before
// it was answered. It is nginx's word for it; nobody gets to see it on the wire.
const statusClientGone = 499

// refusal is a failure as the client is told it.
type refusal struct {
	code int
	text string
	// retryAfter is how long the client should wait; zero means unknown.
	retryAfter time.Duration
}

// fail is the one place where an error becomes an answer. When the answer has
// begun already nothing is written. It returns the status for the observer.
func (c *call) fail(err error) int {
	answer := c.refusal(err)
	c.logFailure(err, answer.code)
	if c.code != 0 || answer.code == statusClientGone {
		return answer.code
	}
	if IsGRPC(c.r) {
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
	if answer.code == http.StatusMethodNotAllowed {
		header.Set("Allow", "GET, POST, PUT, PATCH, DELETE, OPTIONS, HEAD")
	}
	if c.isUnread() {
		c.dismiss()
	}
	c.begin(answer.code)
	fmt.Fprintln(c.w, answer.text)
	return answer.code
}

// refusal words an error for the client.
func (c *call) refusal(err error) refusal {
	switch ended := context.Cause(c.r.Context()); {
	case errors.Is(ended, errExpired), errors.Is(ended, context.DeadlineExceeded):
		err = errExpired
	case ended != nil && !c.interrupted.Load():
		return refusal{code: statusClientGone}
	}
	if c.words != nil {
		if answer, ok := c.words(c, err); ok {
			return answer
		}
	}
	if errors.Is(err, errDied) && c.pastGRPCDeadline() {
		return refusal{code: 504, text: c.naming("the deadline of the call has passed")}
	}
	var failure *function.Failure
	if errors.As(err, &failure) {
		return refusal{code: statusOf(failure), text: c.naming(failure.Text), retryAfter: failure.RetryAfter}
	}
	var refused *policy.Refusal
	if errors.As(err, &refused) {
		return refusal{code: refused.Status, text: c.naming(refused.Text)}
	}
	for _, known := range c.refusals() {
		if errors.Is(err, known.err) {
			return known.refusal
		}
	}
	return refusal{code: http.StatusBadGateway, text: c.naming("could not be invoked")}
}

// known is an error of this package with the answer to it.
type known struct {
	err error
	refusal
}

// refusals is the table from errors to answers.
func (c *call) refusals() []known {
	h := c.handler
	wake := c.naming(fmt.Sprintf("no replica became ready within %s: try again, or look at its logs and its status", h.wakeTimeout()))
	return []known{
		{errIntercepted, refusal{code: 500, text: "the request failed before it reached a function: look at the provider's log"}},
		{errPanicked, refusal{code: 500, text: "the provider failed while it read the request: its log says more"}},
		{ErrUnimplemented, refusal{code: 404, text: "nobody serves " + c.r.URL.Path + " here"}},
		{errMethod, refusal{code: 405, text: "method " + c.r.Method + ": functions are invoked with GET, POST, PUT, PATCH, DELETE, OPTIONS or HEAD"}},
		{errNoFunction, refusal{code: 404, text: "no function is named here: want a path such as /function/figlet or /function/figlet.openfaas-fn/path"}},
		{errBadTarget, refusal{code: 400, text: "the path or the host contains characters that are not allowed there: write a space as %20"}},
		{errLargeBody, refusal{code: 413, text: c.naming("the request's body is larger than it takes")}},
		{errLargeHead, refusal{code: 431, text: c.naming("the request's head is larger than it takes")}},
		{errBadBody, refusal{code: 400, text: c.naming("the request's body breaks HTTP's rules of framing")}},
		{errShortBody, refusal{code: 400, text: c.naming("the request's body ended before it was complete")}},
		{errSlowClient, refusal{code: 408, text: c.naming("the request's body did not arrive within " + c.headTimeout().String())}},
		{errClientGone, refusal{code: statusClientGone}},
		{errNotAwake, refusal{code: 503, text: wake, retryAfter: time.Second}},
		{errTooSlow, refusal{code: 504, text: c.naming("did not begin to answer within " + c.headTimeout().String())}},
		{errExpired, refusal{code: 504, text: c.naming("did not finish " + c.inTime())}},
		{errUnreachable, refusal{code: 502, text: c.naming("cannot be reached: nothing accepts connections on its port: look at its logs")}},
		{errRefused, refusal{code: 503, text: c.naming("takes no more calls at the moment"), retryAfter: time.Second}},
		{errBadAnswer, refusal{code: 502, text: c.naming("its answer breaks HTTP's rules and was not passed on")}},
		{errDied, refusal{code: 502, text: c.naming("closed the connection before it answered: it may have crashed: look at its logs")}},
	}
}

// inTime says what was too long for a call: its policy's timeout, or else the deadline
// that a director gave it.
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

func isUnknown(err error) bool { return errors.Is(err, function.ErrNotFound) }

// logFailure writes down what the function did wrong. What the client did wrong
// it is told itself.
func (c *call) logFailure(err error, code int) {
	if code < 500 || code == http.StatusServiceUnavailable {
		return
	}
	c.handler.log().Warn("invocation failed", "function", c.target.name.String(), "call_id", c.id, "code", code, "answered", c.code, "err", err)
}
