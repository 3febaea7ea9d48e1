package routes

import (
	"fmt"
	"net/http"
	"slices"

	"faas-docker/routes/eskip"
)

// Serve passes a request through the route's filters and, unless one answers, on to the backend as they
// have left it. A <shunt> answers 404, and a route whose filters could not be made 503. Params are the
// Lookup's. The backend is called with w itself where no filter looks at answers.
func (r *Route) Serve(w http.ResponseWriter, request *http.Request, params Params, backend http.Handler) {
	if r.isBroken() {
		r.unusable().ServeHTTP(w, request)
		return
	}
	if len(r.filters) == 0 && r.Rule.Backend.Kind != eskip.BackendShunt {
		backend.ServeHTTP(w, request)
		return
	}
	c := &Context{Request: own(request), Writer: w, Params: params, Route: r, original: request, outcome: Outcome{Broken: true}}
	defer c.end()
	r.serve(c, w, backend)
	c.outcome.Broken = false
}

// unusable answers for a route without its filters. It does not say why: that names the machine's files.
func (r *Route) unusable() *Response {
	answer := Refusal(http.StatusServiceUnavailable, fmt.Sprintf(
		"a filter of the rule %q cannot be made: the provider's log and GET /system/routes say why", r.Rule.ID))
	answer.Header.Set("Retry-After", "1")
	return answer
}

func (r *Route) serve(c *Context, w http.ResponseWriter, backend http.Handler) {
	passed := r.requestSide(c)
	if c.handled {
		return
	}
	switch {
	case c.answer != nil:
		backend = c.answer
	case r.Rule.Backend.Kind == eskip.BackendShunt:
		backend = &Response{Status: http.StatusNotFound}
	}
	c.Request.RequestURI = c.Target()
	if c.finals == nil && leaveAnswersAlone(passed) {
		backend.ServeHTTP(w, c.Request)
		return
	}
	a := &answer{ResponseWriter: w, context: c, filters: passed}
	backend.ServeHTTP(a, c.Request)
	a.finish()
}

// requestSide runs the filters up to the one that answers, and returns those that have run.
func (r *Route) requestSide(c *Context) []Filter {
	for i, f := range r.filters {
		f.Request(c)
		if c.stopped() {
			return r.filters[:i+1]
		}
	}
	return r.filters
}

// own is a copy that filters may change; the original stays as it is.
func own(request *http.Request) *http.Request {
	r := request.WithContext(request.Context())
	url := *request.URL
	r.URL, r.Header = &url, request.Header.Clone()
	if r.Header == nil {
		r.Header = http.Header{}
	}
	return r
}

func leaveAnswersAlone(filters []Filter) bool {
	return !slices.ContainsFunc(filters, func(f Filter) bool {
		_, alone := f.(interface{ leavesAnswersAlone() })
		return !alone
	})
}
