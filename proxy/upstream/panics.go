package upstream

import (
	"fmt"
	"io"
	"net/http"
	"runtime/debug"
)

// readBody reads from a request's body. A panic, which would else end the program, is a failed read.
func readBody(body io.Reader, into []byte) (n int, err error) {
	defer func() {
		switch failure := recover(); failure {
		case nil:
		case http.ErrAbortHandler:
			err = ErrClientGone
		default:
			err = fmt.Errorf("%w: %v\n%s", ErrPanicked, failure, debug.Stack())
		}
	}()
	return body.Read(into)
}

// Transported is a panic on its way from another goroutine to that of the call, where
// somebody may recover it.
type Transported struct{ failure any }

// Catch is deferred in the other goroutine.
func (t *Transported) Catch() {
	failure := recover()
	if failure != nil && failure != http.ErrAbortHandler {
		failure = fmt.Errorf("%v, in another goroutine:\n%s", failure, debug.Stack())
	}
	if failure != nil {
		t.failure = failure
	}
}

// Rethrow goes on with it in the goroutine of the call.
func (t *Transported) Rethrow() {
	if t.failure != nil {
		panic(t.failure)
	}
}
