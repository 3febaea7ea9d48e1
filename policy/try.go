package policy

import (
	"context"
	"errors"
	"math/rand/v2"

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
