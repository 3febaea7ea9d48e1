package policy

import (
	"context"
	"errors"
	"time"

	"github.com/hashicorp/go-hclog"

	"faas-docker/function"
	"faas-docker/function/clock"
)

// retry sends a call again that ended as it should not.
//
// What was not sent at all, or refused, may always be sent again, as long as nothing of
// its body was read. Anything else only when the request may be repeated and its body is
// kept.
type retry struct {
	policy function.RetryPolicy
	log    hclog.Logger
	budget budget
}

// Do sends the request until it is answered well, or there may be no further try:
// then the last answer counts.
func (p *retry) Do(ctx context.Context, request *Request, next Sender) (Answer, error) {
	p.budget.called()
	repeatable := request.keep(p.policy.Replay)
	try := request
	for tries := 1; ; tries++ {
		if repeatable {
			try = try.again()
		}
		answer, err := next(ctx, try)
		if tries == p.policy.Attempts || !p.mayHelp(try, repeatable, answer, err) {
			return answer, err
		}
		wait, ok := p.wait(ctx, answer, tries)
		if !ok || !p.budget.take() {
			return answer, err
		}
		p.log.Debug("call retried", "function", request.Function.String(), "call_id", request.ID,
			"tries", tries, "after", describe(answer, err), "wait", wait)
		if answer != nil {
			answer.Drop()
		}
		if err := clock.Sleep(ctx, wait); err != nil {
			return nil, err
		}
	}
}

// mayHelp reports whether another try is possible and could end better.
func (p *retry) mayHelp(try *Request, repeatable bool, answer Answer, err error) bool {
	if try.Committed() || !isAmong(p.policy.On, answer, err) {
		return false
	}
	if repeatable {
		return try.canReplay()
	}
	// What was read of a body that is not kept is lost.
	untouched := errors.Is(err, ErrUnsent) || errors.Is(err, ErrRefused)
	return untouched && try.sent.Load() == 0
}

// wait is the pause before the next try: the backoff, or what the function asks for
// where that is longer. There is none when that is longer than callers wait.
func (p *retry) wait(ctx context.Context, answer Answer, tries int) (time.Duration, bool) {
	now := time.Now()
	wait := backoff(p.policy.Backoff, p.policy.MaxBackoff, tries)
	if answer != nil {
		wait = max(wait, retryAfter(answer, now))
	}
	if wait > p.policy.MaxBackoff || ctx.Err() != nil {
		return 0, false
	}
	deadline, bounded := ctx.Deadline()
	return wait, !bounded || now.Add(wait).Before(deadline)
}
