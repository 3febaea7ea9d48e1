package policy

import (
	"cmp"
	"math"
	"net/http"
	"slices"
	"strings"

	"faas-docker/function"
)

// mayRepeat reports whether a request may be sent twice, by its policy's word, HTTP's or the client's.
func mayRepeat(r *http.Request, policy function.Replay) bool {
	hasKey := len(r.Header["Idempotency-Key"]) > 0 || len(r.Header["X-Idempotency-Key"]) > 0
	if hasKey || policy.Methods == function.MethodsAny {
		return true
	}
	const idempotent = "GET,HEAD,OPTIONS,TRACE,PUT,DELETE" // RFC 9110, 9.2.2
	return slices.Contains(strings.Split(cmp.Or(policy.Methods, idempotent), ","), r.Method)
}

// keep has the body kept from now on as it is read, if the request may be sent again, and reports whether
// it may.
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
