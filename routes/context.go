package routes

import (
	"io"
	"net/http"
	"strconv"
	"strings"
)

// Context is one request on its way through the filters of its route. It belongs
// to the goroutine of the request.
type Context struct {
	// Request is what the next filter and the backend will see. It is the route's own
	// copy: its header and URL may be changed in place, or it may be replaced.
	Request *http.Request
	// Writer is the client's own. A filter that answers through it, or that takes the
	// connection over, calls Handled.
	Writer http.ResponseWriter
	// Params are the values of the wildcards of the route's path.
	Params Params
	// Route is the route whose filters these are.
	Route *Route
	// Response is the answer; nil while the request is on its way to the backend.
	Response *Response

	state   map[string]any
	served  *Response
	handled bool
	// original is the request as it came.
	original *http.Request
	finals   []func(Outcome)
	outcome  Outcome
}

// Outcome is how a request ended.
type Outcome struct {
	// Status is what the client was sent: 101 for a connection that was taken over,
	// and zero when there was no answer.
	Status int
	// Bytes is how much of a body the client was sent.
	Bytes int64
	// Broken is set when the answer was cut before its end.
	Broken bool
}

// Finally has something done when all is over, however it ended; what came last is done
// first.
func (c *Context) Finally(act func(Outcome)) { c.finals = append(c.finals, act) }

// end does what Finally was told.
func (c *Context) end() {
	for _, act := range c.finals {
		// One that panics does not keep the others from what they have to give back.
		defer act(c.outcome)
	}
}

// Response is the answer to a request. On its way to the client a filter may change
// Status and Header; the Body is nil then, because it is streamed: Wrap changes it.
type Response struct {
	// Status is a final status code; zero means 200.
	Status int
	// Header may be nil for Serve.
	Header http.Header
	// Body is what Serve sends; nil means nothing.
	Body io.Reader

	wrappers []func(io.Writer) io.WriteCloser
}

// Serve answers the request with this, in the backend's place. The answer passes the
// Response side of this filter and of those before it. The first answer counts; on
// the response side Serve has no effect.
func (c *Context) Serve(r *Response) {
	if !c.stopped() {
		c.served = r
	}
}

// Refuse serves one line of text, for a person.
func (c *Context) Refuse(status int, text string) {
	text += "\n"
	c.Serve(&Response{Status: status, Body: strings.NewReader(text), Header: http.Header{
		"Content-Type": {"text/plain; charset=utf-8"}, "X-Content-Type-Options": {"nosniff"},
		"X-Openfaas-Internal": {"routes"}, "Content-Length": {strconv.Itoa(len(text))},
	}})
}

// Handled says that the request has been answered through the Writer and that
// nothing more is to be done about it.
func (c *Context) Handled() { c.handled = true }

// stopped reports whether a filter has answered.
func (c *Context) stopped() bool { return c.served != nil || c.handled }

// Set keeps a value for the other filters of the same request.
func (c *Context) Set(key string, value any) {
	if c.state == nil {
		c.state = map[string]any{}
	}
	c.state[key] = value
}

// Get returns what Set has kept; nil if it has not.
func (c *Context) Get(key string) any { return c.state[key] }

// Wrap sends the body of the answer through a writer, which is closed behind its last
// byte; it may have a Flush method as http.Flusher or gzip.Writer have it. The length
// of the body is no longer known then. Of several writers the one that was
// wrapped first is the last before the client.
func (r *Response) Wrap(around func(io.Writer) io.WriteCloser) {
	r.wrappers = append(r.wrappers, around)
	r.Header.Del("Content-Length")
}
