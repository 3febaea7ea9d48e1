package upstream

import (
	"context"
	"errors"
	"fmt"
	"syscall"
	"time"

	"faas-docker/function"
)

const (
	// WorkTime is how long a function may have had a request when its connection ends for the
	// request to be sent again. A connection that the function had closed already, and a
	// replica that was ending, show within a few milliseconds. What ends later was at work: a
	// time limit of the function may have passed, and would pass again.
	WorkTime = 100 * time.Millisecond
	// lookTime bounds the look whether a replica still listens. It is on this machine.
	lookTime = 100 * time.Millisecond
)

// CutOff is the end of a connection, or of a stream, without an answer. It is an ErrDied.
type CutOff struct {
	// After is how long the function had the request.
	After time.Duration
	// Gone is set when the replica takes no connections any more.
	Gone bool
	// Err is how the end was found.
	Err error
}

// Error says how long the function had the request.
func (e *CutOff) Error() string {
	return fmt.Sprintf("%v after %s: %v", ErrDied, e.After.Round(time.Millisecond), e.Err)
}

// Unwrap returns ErrDied and the cause.
func (e *CutOff) Unwrap() []error { return []error{ErrDied, e.Err} }

// HasEnded reports whether a replica that was reached before takes no connections any more:
// its process has ended. It connects to find out, which takes at most a tenth of a second. A
// replica that cannot be asked, for want of descriptors for one, has not ended.
func HasEnded(ctx context.Context, replica function.Replica) bool {
	ctx, cancel := context.WithTimeout(ctx, lookTime)
	defer cancel()
	tcp, err := (&Pool{address: replica.Address}).connectTCP(ctx)
	if err == nil {
		tcp.Close()
	}
	return errors.Is(err, syscall.ECONNREFUSED) || errors.Is(err, syscall.EHOSTUNREACH) || errors.Is(err, syscall.ENETUNREACH)
}
