package proxy

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"runtime/debug"
)

// errPanicked says that what somebody put around a request's body has panicked.
var errPanicked = errors.New("panic while the body of the request was read")

// readBody reads from a request's body in any goroutine. What panics is a failed read: it
// would else end the program.
func readBody(body io.Reader, into []byte) (n int, err error) {
	defer func() {
		switch failure := recover(); failure {
		case nil:
		case http.ErrAbortHandler:
			err = errClientGone
		default:
			err = fmt.Errorf("%w: %v\n%s", errPanicked, failure, debug.Stack())
		}
	}()
	return body.Read(into)
}

// transported is a panic on its way from another goroutine to that of the call, where
// somebody may recover it.
type transported struct{ failure any }

// catch is deferred in the other goroutine.
func (t *transported) catch() {
	failure := recover()
	if failure != nil && failure != http.ErrAbortHandler {
		failure = fmt.Errorf("%v, in another goroutine:\n%s", failure, debug.Stack())
	}
	if failure != nil {
		t.failure = failure
	}
}

// rethrow goes on with it in the goroutine of the call.
func (t *transported) rethrow() {
	if t.failure != nil {
		panic(t.failure)
	}
}
