package policy

import (
	"context"
	"errors"
	"math"
	"math/rand/v2"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/hashicorp/go-hclog"

	"faas-docker/function"
	"faas-docker/function/clock"
)

// retry sends a call again that ended as it should not: one that was not sent at all, or refused, if
// nothing of its body was read, and any other if the request may be repeated and its body is kept.
type retry struct {
	policy function.RetryPolicy
	log    hclog.Logger
	budget budget
}

// Do sends the request until it is answered well or may not be tried again: the last answer counts.
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

// backoff is the pause before another try: anything up to a bound that doubles with each (full jitter), so
// that callers who failed together do not come back together.
func backoff(base, limit time.Duration, tries int) time.Duration {
	bound := limit
	if shift := tries - 1; shift < 30 && base<<shift>>shift == base {
		bound = min(limit, base<<shift)
	}
	return rand.N(bound + 1)
}

// retryAfter is how long an answer asks its client to wait; zero when it does not, or says
// nothing that can be understood. No time is too long to be understood.
func retryAfter(answer Answer, now time.Time) time.Duration {
	text := strings.TrimSpace(answer.Field("Retry-After"))
	if isNumber(text) {
		// Of a number of digits only a range error is possible; it is infinite then.
		seconds, _ := strconv.ParseFloat(text, 64)
		if seconds >= math.MaxInt64/float64(time.Second) {
			return math.MaxInt64
		}
		return time.Duration(math.Ceil(seconds * float64(time.Second)))
	}
	at, err := http.ParseTime(text)
	if err != nil {
		return 0
	}
	return max(0, at.Sub(now))
}

// isNumber reports whether a text is a number without a sign, perhaps with a fraction.
func isNumber(text string) bool {
	whole, fraction, dot := strings.Cut(text, ".")
	return isDigits(whole) && (!dot || isDigits(fraction))
}

func isDigits(text string) bool {
	return text != "" && strings.Trim(text, "0123456789") == ""
}
