package policy

import (
	"errors"
	"fmt"
	"net/http"

	"faas-docker/function"
)

// The failures of a try that another may not have. Senders wrap them around their own.
var (
	// ErrUnsent: no replica could be reached, none has seen anything of the request.
	ErrUnsent = errors.New("not sent")
	// ErrRefused: the replica refused the request before it did anything. The client is answered 503.
	ErrRefused = errors.New("refused")
	// ErrBroken: the replica ended the connection before it answered, or its answer
	// could not be understood. It may have done what it was asked for.
	ErrBroken = errors.New("no answer")
	// ErrLate: the answer did not begin in time. It is the cause of a context that ended
	// because the function took longer than a call of it may take.
	ErrLate = errors.New("answer too late")
)

// Refusal is an error that says what the client is to be answered.
type Refusal struct {
	// Status is an HTTP status.
	Status int
	// Text is for the client.
	Text string
	// Err is the kind of failure; nil when there is nothing more to say.
	Err error
}

// Error returns the Text.
func (r *Refusal) Error() string { return r.Text }

// Unwrap returns Err.
func (r *Refusal) Unwrap() error { return r.Err }

// isAmong reports whether a try ended as one of the outcomes.
func isAmong(wanted function.Outcomes, answer Answer, err error) bool {
	refused, isRefusal := errors.AsType[*Refusal](err)
	switch {
	case err == nil:
		return wanted.Status(answer.Status())
	case errors.Is(err, ErrUnsent), errors.Is(err, ErrBroken):
		return wanted.Connect
	case errors.Is(err, ErrRefused):
		return wanted.Refused || wanted.Status(http.StatusServiceUnavailable)
	case errors.Is(err, ErrLate):
		return wanted.Timeout
	}
	return isRefusal && wanted.Status(refused.Status)
}

func describe(answer Answer, err error) string {
	if err != nil {
		return err.Error()
	}
	return fmt.Sprintf("status %d", answer.Status())
}
