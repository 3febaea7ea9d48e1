package policy

import (
	"math"
	"net/http"
	"slices"
	"strings"

	"faas-docker/function"
)

// mayRepeat reports whether a request may be sent twice: the author of the policy
// says so, or HTTP, or the client.
func mayRepeat(r *http.Request, policy function.Replay) bool {
	if len(r.Header["Idempotency-Key"]) > 0 || len(r.Header["X-Idempotency-Key"]) > 0 {
		return true
	}
	switch policy.Methods {
	case function.MethodsAny:
		return true
	case "":
		return isIdempotent(r.Method)
	}
	return slices.Contains(strings.Split(policy.Methods, ","), r.Method)
}

// isIdempotent is the list of RFC 9110, section 9.2.2.
func isIdempotent(method string) bool {
	switch method {
	case http.MethodGet, http.MethodHead, http.MethodOptions, http.MethodTrace, http.MethodPut, http.MethodDelete:
		return true
	}
	return false
}

// keep prepares a request to be sent again, and reports whether it may be. Its body
// is kept from then on, as it is read.
func (r *Request) keep(policy function.Replay) bool {
	if !mayRepeat(r.HTTP, policy) || r.HTTP.ContentLength > policy.MaxBody {
		return false
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.Body != nil && r.kept == nil {
		all := r.Spools
		if all == nil {
			all = &Spools{MaxBytes: math.MaxInt64}
		}
		r.kept = newSpool(r.Body, policy.MaxBody, all)
	}
	return true
}

// again returns another try of a request that was kept. The body of an earlier one
// may be read beside it only when the body is whole.
func (r *Request) again() *Request {
	next := *r
	if r.kept != nil {
		if before, ok := r.Body.(*spoolReader); ok {
			before.retired.Store(true)
		}
		next.Body = &spoolReader{spool: r.kept}
	}
	return &next
}

// canReplay reports whether the body of a request that was kept can be sent again.
func (r *Request) canReplay() bool { return r.kept == nil || r.kept.canReplay() }

// whole is closed as soon as all of the body of a request that was kept is there.
func (r *Request) whole() <-chan struct{} {
	if r.kept != nil {
		return r.kept.whole
	}
	none := make(chan struct{})
	close(none)
	return none
}
