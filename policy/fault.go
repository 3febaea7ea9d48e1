package policy

import (
	"context"
	"errors"
	"math/rand/v2"

	"faas-docker/function"
)

// ErrInjected: the failure was asked for.
var ErrInjected = errors.New("injected failure")

// fault delays or aborts a share of the tries.
type fault struct{ policy function.FaultPolicy }

// Do holds the request, refuses it, or both, or neither.
func (p fault) Do(ctx context.Context, request *Request, next Sender) (Answer, error) {
	if p.policy.Delay > 0 && rand.Float64() < p.policy.DelayShare {
		if err := pause(ctx, p.policy.Delay); err != nil {
			return nil, err
		}
	}
	if p.policy.Abort != 0 && rand.Float64() < p.policy.AbortShare {
		return nil, &Refusal{Status: p.policy.Abort, Err: ErrInjected, Text: "was not called: the policy fault asks for this failure"}
	}
	return next(ctx, request)
}
