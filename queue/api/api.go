// Package api takes calls over HTTP that are to be made later, and tells how they stand.
package api

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/hashicorp/go-hclog"

	"faas-docker/function"
	"faas-docker/grammar"
	"faas-docker/queue"
	"faas-docker/queue/callback"
)

// Prefix is where asynchronous invocations live.
const Prefix = "/async-function/"

// longestKey is how long an Idempotency-Key may be, in bytes.
const longestKey = 255

// Rules say which functions can be called later, and how.
type Rules interface {
	// Lane is where calls of a function stand in line; it is not ok where there is no such function.
	Lane(function.Name) (lane string, ok bool)
	// MaxBody bounds the bodies of its calls, in bytes; zero means no bound.
	MaxBody(function.Name) int64
}

// API serves Prefix. Set its fields before use.
type API struct {
	Queue            queue.Backend
	Rules            Rules
	DefaultNamespace string
	// Ring is called when something was accepted, and Break to break a call off that is under way.
	Ring   func()
	Break  func(queue.ID)
	Logger hclog.Logger
}

// refusal is an error with the answer to it.
type refusal struct {
	code  int
	text  string
	retry time.Duration
}

func (r *refusal) Error() string { return r.text }

func refuse(code int, format string, values ...any) error {
	return &refusal{code: code, text: fmt.Sprintf(format, values...)}
}

// ServeHTTP takes a call with POST, PUT or PATCH, tells how one stands with GET, and cancels with DELETE.
func (a *API) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	var err error
	switch r.Method {
	case http.MethodPost, http.MethodPut, http.MethodPatch:
		err = a.accept(w, r)
	case http.MethodGet:
		err = a.tell(w, r)
	case http.MethodDelete:
		err = a.cancel(w, r)
	default:
		w.Header().Set("Allow", "POST, PUT, PATCH, GET, DELETE")
		err = refuse(http.StatusMethodNotAllowed, "method %s: a call is made later with POST, PUT or PATCH; GET tells how one stands and DELETE cancels it, by its ID", r.Method)
	}
	if err != nil {
		a.fail(w, err)
	}
}

// Target returns the function that a request wants to be called later.
func (a *API) Target(r *http.Request) (function.Name, error) {
	t, err := a.target(r)
	return t.name, err
}

// Refuse answers a request with an error.
func (a *API) Refuse(w http.ResponseWriter, _ *http.Request, err error) { a.fail(w, err) }

// target is what a request wants to be called later.
type target struct {
	name function.Name
	// path is what the function gets to see, with the query.
	path string
}

func (a *API) target(r *http.Request) (target, error) {
	given, path, _ := strings.Cut(strings.TrimPrefix(r.URL.EscapedPath(), Prefix), "/")
	name, err := url.PathUnescape(given)
	if err != nil || name == "" {
		return target{}, refuse(http.StatusNotFound, "no function is named here: want a path such as %sfiglet or %[1]sfiglet.openfaas-fn/path", Prefix)
	}
	path = "/" + path
	if r.URL.RawQuery != "" {
		path += "?" + escaped(r.URL.RawQuery)
	}
	return target{name: function.ParseName(name, a.DefaultNamespace), path: path}, nil
}

// escaped is a query without bytes that are not ASCII.
func escaped(query string) string {
	var b strings.Builder
	for _, c := range []byte(query) {
		if c > ' ' && c < 0x7f {
			b.WriteByte(c)
		} else {
			fmt.Fprintf(&b, "%%%02X", c)
		}
	}
	return b.String()
}

func (a *API) accept(w http.ResponseWriter, r *http.Request) error {
	call, err := a.newCall(r)
	if err != nil {
		return err
	}
	digest := sha256.New()
	fmt.Fprintf(digest, "%s %s\n", call.Request.Method, call.Request.Path)
	sent := &sentBody{Reader: a.bounded(w, r, call.Function)}
	body, err := a.Queue.Keep(io.TeeReader(sent, digest))
	if err != nil {
		return cmp.Or(a.explainBody(sent.failure, call.Function), err)
	}
	call.Request.Body, call.Digest = body, hex.EncodeToString(digest.Sum(nil))
	// A client that goes away meanwhile leaves a call behind, not half of one.
	if err := a.Queue.Accept(context.WithoutCancel(r.Context()), call); err != nil {
		a.Queue.Drop(body)
		return err
	}
	if body.File != call.Request.Body.File {
		a.Queue.Drop(body) // it was accepted before, by its key
	}
	a.Ring()
	header := w.Header()
	header.Set("X-Call-Id", call.CallID)
	header.Set("X-Start-Time", strconv.FormatInt(call.Accepted.UnixNano(), 10))
	header.Set("Location", Prefix+call.ID.String())
	w.WriteHeader(http.StatusAccepted)
	return nil
}

// newCall reads the head of a request.
func (a *API) newCall(r *http.Request) (*queue.Call, error) {
	t, err := a.target(r)
	if err != nil {
		return nil, err
	}
	lane, ok := a.Rules.Lane(t.name)
	if !ok {
		return nil, function.UnknownFunction(t.name)
	}
	call := &queue.Call{
		CallID: callID(r.Header.Get("X-Call-Id")), Lane: lane, Function: t.name, Callback: r.Header.Get("X-Callback-Url"), Key: r.Header.Get("Idempotency-Key"),
		Request: queue.Request{Method: r.Method, Path: t.path, Host: r.Host, Remote: r.RemoteAddr, Header: r.Header.Clone()},
	}
	grammar.StripConnection(call.Request.Header)
	for _, key := range []string{"Content-Length", "Expect", "Transfer-Encoding"} {
		call.Request.Header.Del(key)
	}
	return call, check(r, call)
}

// callID is a client's own, where that can be one; else the call gets one.
func callID(given string) string {
	if grammar.IsCallID(given) {
		return given
	}
	return ""
}

// check says why a call cannot be made later.
func check(r *http.Request, call *queue.Call) error {
	switch {
	case strings.HasPrefix(r.Header.Get("Content-Type"), "application/grpc"):
		return refuse(http.StatusBadRequest, "gRPC calls cannot be made later: their callers wait for messages: call %s directly", call.Function)
	case grammar.Upgrade(r.Header) != "":
		return refuse(http.StatusBadRequest, "a connection that is upgraded cannot be made later: call %s directly", call.Function)
	case len(call.Key) > longestKey || strings.ContainsFunc(call.Key, func(c rune) bool { return c < ' ' || c >= 0x7f }):
		return refuse(http.StatusBadRequest, "the Idempotency-Key is longer than %d bytes, or has characters beyond ASCII", longestKey)
	case call.Callback == "":
		return nil
	}
	if err := callback.CheckURL(call.Callback); err != nil {
		return refuse(http.StatusBadRequest, "X-Callback-Url: %v", err)
	}
	return nil
}

// bounded is the body of a request, as far as the function may get it.
func (a *API) bounded(w http.ResponseWriter, r *http.Request, name function.Name) io.Reader {
	if most := a.Rules.MaxBody(name); most > 0 {
		return http.MaxBytesReader(w, r.Body, most)
	}
	return r.Body
}

// sentBody is a body on its way from the client.
type sentBody struct {
	io.Reader
	// failure is why it could not be read; nil while it could.
	failure error
}

func (b *sentBody) Read(into []byte) (int, error) {
	n, err := b.Reader.Read(into)
	if err != nil && err != io.EOF {
		b.failure = err
	}
	return n, err
}

// explainBody says why a body could not be read; nil when it could.
func (a *API) explainBody(err error, name function.Name) error {
	if err == nil {
		return nil
	}
	if large, ok := errors.AsType[*http.MaxBytesError](err); ok {
		return refuse(http.StatusRequestEntityTooLarge, "function %q: the body is larger than the %d bytes that a call may have which is made later: async_max_body, or max_request_body of the function, allow more", name, large.Limit)
	}
	return refuse(http.StatusBadRequest, "the body could not be read to its end: %v", err)
}

// fail answers a request with an error.
func (a *API) fail(w http.ResponseWriter, err error) {
	answer := a.word(err)
	header := w.Header()
	header.Set("Content-Type", "text/plain; charset=utf-8")
	header.Set("X-Content-Type-Options", "nosniff")
	header.Set("X-OpenFaaS-Internal", "queue")
	if answer.retry > 0 {
		header.Set("Retry-After", strconv.Itoa(int(answer.retry.Seconds())))
	}
	w.WriteHeader(answer.code)
	fmt.Fprintln(w, function.Clip(answer.text))
}

// retryTime is when a caller may try again where there was no room.
const retryTime = 10 * time.Second

func (a *API) word(err error) *refusal {
	if own, ok := errors.AsType[*refusal](err); ok {
		return own
	}
	if failure, ok := errors.AsType[*function.Failure](err); ok {
		return &refusal{code: codeOf(failure), text: failure.Text, retry: failure.RetryAfter}
	}
	switch {
	case errors.Is(err, queue.ErrUnknown):
		return &refusal{code: http.StatusNotFound, text: "there is no such call, or it ended so long ago that it was forgotten"}
	case errors.Is(err, queue.ErrKeyTaken):
		return &refusal{code: http.StatusUnprocessableEntity, text: "the Idempotency-Key was used for another call of this function within the last day: choose another one"}
	case errors.Is(err, queue.ErrFull):
		return &refusal{code: http.StatusServiceUnavailable, text: "the queue is full: try again later, or allow more by async_max_bytes", retry: retryTime}
	}
	a.Logger.Error("a call could not be accepted", "err", err)
	return &refusal{code: http.StatusServiceUnavailable, text: "the call could not be written down, and will not be made: the provider's log says why", retry: retryTime}
}

// codeOf maps the words of package function to HTTP's.
func codeOf(failure *function.Failure) int {
	switch {
	case errors.Is(failure, function.ErrNotFound):
		return http.StatusNotFound
	case errors.Is(failure, function.ErrInvalid):
		return http.StatusBadRequest
	}
	return http.StatusServiceUnavailable
}

// status is how a call stands, for whoever knows its ID: neither headers nor bodies.
type status struct {
	ID       queue.ID  `json:"id"`
	CallID   string    `json:"callId"`
	Function string    `json:"function"`
	State    string    `json:"state"`
	Accepted time.Time `json:"accepted"`
	Tries    int       `json:"tries"`
	// Next is when it is tried next; it is missing where nothing more happens.
	Next *time.Time `json:"next,omitempty"`
	// Last is how the last try went.
	Last *lastTry `json:"last,omitempty"`
}

type lastTry struct {
	Ended    time.Time `json:"ended"`
	Status   int       `json:"status,omitempty"`
	Error    string    `json:"error,omitempty"`
	Duration float64   `json:"seconds"`
}

func statusOf(c *queue.Call) status {
	s := status{ID: c.ID, CallID: c.CallID, Function: c.Function.String(), State: c.State.String(), Accepted: c.Accepted, Tries: c.Tries}
	if !c.State.IsOver() {
		s.Next = &c.Due
	}
	if !c.Last.Ended.IsZero() {
		s.Last = &lastTry{Ended: c.Last.Ended, Status: c.Last.Status, Error: c.Last.Error, Duration: c.Last.Took.Seconds()}
	}
	return s
}

// tell tells how a call stands.
func (a *API) tell(w http.ResponseWriter, r *http.Request) error {
	id, err := uuid.Parse(strings.TrimPrefix(r.URL.Path, Prefix))
	if err != nil {
		return refuse(http.StatusNotFound, "no call is named here: want the ID of one, as Location gave it; a function is called later with POST")
	}
	call, err := a.Queue.Find(id)
	if err != nil {
		return err
	}
	w.Header().Set("Content-Type", "application/json")
	return json.NewEncoder(w).Encode(statusOf(call))
}

// page is how many calls of one X-Call-Id are looked at together.
const page = 100

// cancel cancels all calls of an X-Call-Id, or the one of an ID.
func (a *API) cancel(w http.ResponseWriter, r *http.Request) error {
	named := strings.TrimPrefix(r.URL.Path, Prefix)
	found, cancelled := 0, 0
	for after := uuid.Nil; ; {
		calls, err := a.Queue.FindAll(named, after, page)
		if err != nil {
			return err
		}
		if len(calls) == 0 {
			break
		}
		n, err := a.cancelAll(r.Context(), calls)
		if err != nil {
			return err
		}
		found, cancelled, after = found+len(calls), cancelled+n, calls[len(calls)-1].ID
	}
	if found == 0 {
		n, err := a.cancelOne(r.Context(), named)
		if err != nil {
			return err
		}
		cancelled = n
	}
	if cancelled == 0 {
		return refuse(http.StatusConflict, "the call is over: there is nothing to cancel")
	}
	w.WriteHeader(http.StatusAccepted)
	return nil
}

func (a *API) cancelOne(ctx context.Context, named string) (cancelled int, err error) {
	id, err := uuid.Parse(named)
	if err != nil {
		return 0, queue.ErrUnknown
	}
	call, err := a.Queue.Find(id)
	if err != nil {
		return 0, err
	}
	return a.cancelAll(ctx, []*queue.Call{call})
}

// cancelAll cancels calls that are not over, and returns how many those were. Callbacks of calls that are go on.
func (a *API) cancelAll(ctx context.Context, calls []*queue.Call) (cancelled int, err error) {
	for _, c := range calls {
		if c.State.IsOver() || c.URL != "" {
			continue
		}
		c.State, c.Last.Ended = queue.Cancelled, time.Now()
		switch err := a.Queue.Settle(context.WithoutCancel(ctx), queue.Settlement{Call: c}); {
		case err == nil:
			cancelled++
			a.Break(c.ID)
		case !errors.Is(err, queue.ErrChanged): // it has ended this moment
			return cancelled, err
		}
	}
	return cancelled, nil
}
