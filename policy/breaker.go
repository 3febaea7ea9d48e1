package policy

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/sony/gobreaker/v2"

	"faas-docker/function"
)

// ErrOpen: the breaker lets no call through now.
var ErrOpen = errors.New("circuit breaker is open")

// The outcomes as the breaker is told them.
var (
	errFailure = errors.New("failure")
	errNeither = errors.New("neither success nor failure")
)

// breaker sends nothing for a while to a function that fails.
type breaker struct {
	policy  function.BreakerPolicy
	circuit *gobreaker.TwoStepCircuitBreaker[any]
	// until is when calls are let through again; nil before it ever opened.
	until atomic.Pointer[time.Time]
}

func newBreaker(p function.BreakerPolicy, name function.Name, log hclog.Logger) *breaker {
	b := &breaker{policy: p}
	b.circuit = gobreaker.NewTwoStepCircuitBreaker[any](gobreaker.Settings{
		MaxRequests:  uint32(p.Trials),
		Interval:     p.Window,
		BucketPeriod: p.Window / 10,
		Timeout:      p.Open,
		ReadyToTrip:  b.isTooMuch,
		IsExcluded:   func(err error) bool { return err == errNeither },
		OnStateChange: func(_ string, from, to gobreaker.State) {
			until := time.Now().Add(p.Open)
			b.until.Store(&until)
			log.Warn("circuit breaker changed its state", "function", name.String(), "from", from.String(), "to", to.String())
		},
	})
	return b
}

func (b *breaker) isTooMuch(counts gobreaker.Counts) bool {
	if b.policy.Failures > 0 && int(counts.ConsecutiveFailures) >= b.policy.Failures {
		return true
	}
	return b.policy.Rate > 0 && int(counts.Requests) >= b.policy.Calls &&
		float64(counts.TotalFailures) >= b.policy.Rate*float64(counts.Requests)
}

func (b *breaker) Do(ctx context.Context, request *Request, next Sender) (Answer, error) {
	done, err := b.circuit.Allow()
	if err != nil {
		return nil, b.refuse()
	}
	// A panic says nothing, but it ends the call: else the trial would last for ever.
	verdict := errNeither
	defer func() { done(verdict) }()
	answer, err := next(ctx, request)
	verdict = b.verdict(ctx, answer, err)
	return answer, err
}

// verdict is what a try says of the function, by the head of its answer. A caller that hangs
// up, or a call that was hedged and lost, says nothing of it.
func (b *breaker) verdict(ctx context.Context, answer Answer, err error) error {
	failed := isAmong(b.policy.On, answer, err)
	switch {
	case err == nil:
		failed = failed || b.policy.On.Status(grpcStatus(answer))
	case ctx.Err() != nil:
		failed = b.policy.On.Timeout && errors.Is(context.Cause(ctx), ErrLate)
	}
	switch {
	case failed:
		return errFailure
	case err != nil:
		return errNeither
	}
	return nil
}

// grpcStatus is the HTTP status that says what a gRPC answer does, which is a 200 itself and
// has its status in the head when it is nothing but a failure. Zero is none of the function.
func grpcStatus(answer Answer) int {
	switch answer.Field("Grpc-Status") {
	case "13":
		return http.StatusInternalServerError
	case "14":
		return http.StatusServiceUnavailable
	}
	return 0
}

func (b *breaker) refuse() error {
	// While a trial is under way the time is over already.
	left := time.Second
	if until := b.until.Load(); until != nil {
		left = max(left, time.Until(*until))
	}
	return &function.Failure{Kind: function.ErrUnavailable, Cause: ErrOpen, RetryAfter: left,
		Text: fmt.Sprintf("it failed too often, and its circuit breaker lets no call through: try again in %s, or look at its logs", left.Round(time.Second))}
}
