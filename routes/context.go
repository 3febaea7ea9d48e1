package routes

import (
	"cmp"
	"io"
	"maps"
	"net/http"
	"strconv"
	"strings"
)

// Context is one request within the filters of its route. It belongs to the request's goroutine.
type Context struct {
	// Request is what the next filter and the backend will see. It is the route's own
	// copy: its header and URL may be changed in place, or it may be replaced.
	Request *http.Request
	// Writer is the client's own. A filter that answers or takes over through it calls Handled.
	Writer http.ResponseWriter
	// Params are the values of the wildcards of the route's path.
	Params Params
	// Route is the route whose filters these are.
	Route *Route
	// Response is the answer; nil while the request is on its way to the backend.
	Response *Response

	state map[string]any
	// answer answers in the backend's place; nil leaves it to the backend.
	answer   http.Handler
	handled  bool
	original *http.Request
	finals   []func(Outcome)
	outcome  Outcome
}

// Outcome is how a request ended.
type Outcome struct {
	// Status is what the client was sent: 101 for a connection taken over, zero without an answer.
	Status int
	// Bytes is how much of a body the client was sent.
	Bytes int64
	// Broken is set when the answer was cut before its end.
	Broken bool
}

// Finally has a function called when the request has ended, however that was; the last one first.
func (c *Context) Finally(act func(Outcome)) { c.finals = append(c.finals, act) }

func (c *Context) end() {
	for _, act := range c.finals {
		// After one that panics the others are still called.
		defer act(c.outcome)
	}
}

// Response is the answer to a request. On its way to the client a filter may change
// Status and Header; the Body is nil then, because it is streamed: Wrap changes it. As an
// http.Handler it answers with itself.
type Response struct {
	// Status is a final status code; zero means 200.
	Status int
	// Header may be nil for Serve.
	Header http.Header
	// Body is what is sent; nil means nothing.
	Body io.Reader

	wrappers []func(io.Writer) io.WriteCloser
}

// Serve has a handler, such as a Response, answer in the backend's place. The answer passes the Response
// side of this filter and of those before it. The first counts; on the response side Serve has no effect.
func (c *Context) Serve(answer http.Handler) {
	if !c.stopped() {
		c.answer = answer
	}
}

// Refuse serves one line of text, for a person. A filter may add fields to the answer it returns.
func (c *Context) Refuse(status int, text string) *Response {
	answer := Refusal(status, text)
	c.Serve(answer)
	return answer
}

// Refusal is an answer of this program itself: one line of text, for a person.
func Refusal(status int, text string) *Response {
	text += "\n"
	return &Response{Status: status, Body: strings.NewReader(text), Header: http.Header{
		"Content-Type": {"text/plain; charset=utf-8"}, "X-Content-Type-Options": {"nosniff"},
		"X-Openfaas-Internal": {"routes"}, "Content-Length": {strconv.Itoa(len(text))},
	}}
}

// ServeHTTP writes the answer.
func (r *Response) ServeHTTP(w http.ResponseWriter, _ *http.Request) {
	maps.Copy(w.Header(), r.Header)
	w.WriteHeader(cmp.Or(r.Status, http.StatusOK))
	if r.Body != nil {
		_, _ = io.Copy(w, r.Body)
	}
}

// Original returns the request as it came. It must not be changed.
func (c *Context) Original() *http.Request { return c.original }

// Target returns the target for the backend: as it was sent unless a filter has changed the URL.
func (c *Context) Target() string {
	if target := c.Request.URL.RequestURI(); target != c.original.URL.RequestURI() {
		return target
	}
	return c.Request.RequestURI
}

// Handled says that the Writer has the answer, and that nothing more is to be done about it.
func (c *Context) Handled() { c.handled = true }

func (c *Context) stopped() bool { return c.answer != nil || c.handled }

// Set keeps a value for the other filters of the same request.
func (c *Context) Set(key string, value any) {
	if c.state == nil {
		c.state = map[string]any{}
	}
	c.state[key] = value
}

// Get returns a value that Set has kept, or nil.
func (c *Context) Get(key string) any { return c.state[key] }

// Wrap sends the answer's body, whose length is unknown then, through a writer, closed behind its last
// byte; it may have a Flush method as http.Flusher or gzip.Writer have it. Of several writers the one that
// was wrapped first is the last before the client.
func (r *Response) Wrap(around func(io.Writer) io.WriteCloser) {
	r.wrappers = append(r.wrappers, around)
	r.Header.Del("Content-Length")
}
