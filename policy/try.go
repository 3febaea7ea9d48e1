package policy

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"time"

	"faas-docker/function"
	"faas-docker/function/clock"
)

// ErrInjected: the failure was asked for.
var ErrInjected = errors.New("injected failure")

// fault delays or aborts a share of the tries.
type fault struct{ policy function.FaultPolicy }

func (p fault) Do(ctx context.Context, request *Request, next Sender) (Answer, error) {
	if err := Inject(ctx, p.policy, rand.Float64); err != nil {
		return nil, err
	}
	return next(ctx, request)
}

// Inject waits, and returns a *Refusal, as often as a policy wants by the numbers in [0, 1)
// that random draws. It returns the error of ctx when that ends first.
func Inject(ctx context.Context, p function.FaultPolicy, random func() float64) error {
	if p.Delay > 0 && random() < p.DelayShare {
		if err := clock.Sleep(ctx, p.Delay); err != nil {
			return err
		}
	}
	if p.Abort != 0 && random() < p.AbortShare {
		return &Refusal{Status: p.Abort, Err: ErrInjected, Text: "was not called: the policy fault asks for this failure"}
	}
	return nil
}

var errTryOver = errors.New("the time of the try is over")

// tryTimeout bounds each try until the head of its answer has arrived.
type tryTimeout struct{ limit time.Duration }

// Do ends the try when its time is over before an answer. The rest of the answer may take any time.
func (p tryTimeout) Do(ctx context.Context, request *Request, next Sender) (Answer, error) {
	try, cancel := context.WithCancelCause(ctx)
	// The rest of the answer ends with its context, so that is cancelled only when the call ends.
	request.OnEnd(func(End) { cancel(nil) })
	timer := time.AfterFunc(p.limit, func() { cancel(errTryOver) })
	answer, err := next(try, request)
	if timer.Stop() {
		return answer, err
	}
	if answer != nil {
		answer.Drop()
	}
	if context.Cause(try) != errTryOver {
		return nil, context.Cause(try)
	}
	return nil, &Refusal{Status: http.StatusGatewayTimeout, Err: ErrLate,
		Text: fmt.Sprintf("did not begin to answer within %s, the time of each try (policy tryTimeout)", p.limit)}
}
