package function

import (
	"context"
	"strings"
	"time"
)

// PolicyPrefix begins the labels and annotations that ask for a policy around the calls to a
// function: "com.openfaas.policy.retry" has the text "attempts=3 on=connect,503".
const PolicyPrefix = "com.openfaas.policy."

// The names of the policies, for annotations and for the filters of routes.
const (
	PolicyRetry      = "retry"
	PolicyTryTimeout = "tryTimeout"
	PolicyHedge      = "hedge"
	PolicyBreaker    = "breaker"
	PolicyFault      = "fault"
	PolicyLog        = "logCalls"
	PolicyProgress   = "progress"
)

// Policies wrap each call to a function. The zero value is nothing. They are values: equal
// ones ask for the same.
type Policies struct {
	Retry RetryPolicy
	// TryTimeout bounds each try, until its answer begins; zero means not at all.
	TryTimeout time.Duration
	Hedge      HedgePolicy
	Breaker    BreakerPolicy
	Fault      FaultPolicy
	Log        LogPolicy
	Progress   ProgressPolicy
	// said has a bit for each of policyTexts that was spoken of: "off" is said, too.
	said uint8
}

// RetryPolicy sends a call again that had none of the outcomes that are wanted.
type RetryPolicy struct {
	// Attempts is how often a call is sent at most, the first time included; zero is no policy.
	Attempts int
	// On are the outcomes after which it is sent again.
	On Outcomes
	// Backoff is the bound of the pause before the second try; it doubles with each
	// try up to MaxBackoff. The pause itself is drawn at random from nothing to it.
	Backoff, MaxBackoff time.Duration
	Replay
}

// HedgePolicy sends a call a second time when the answer is late, and takes what begins first.
type HedgePolicy struct {
	// After is how late; zero is no policy.
	After time.Duration
	Replay
}

// Replay is what a call that is sent more than once needs, and costs.
type Replay struct {
	// Methods are those that may be sent twice, separated by commas; MethodsAny stands for
	// all, and empty for the idempotent ones. Calls with an Idempotency-Key always may.
	Methods string
	// Budget is how many further tries there may be, as a share of the calls.
	Budget float64
	// MaxBody bounds the bodies that are kept to be sent again, in bytes.
	MaxBody int64
}

// MethodsAny is a Replay's word for every method.
const MethodsAny = "any"

// BreakerPolicy stops calling a function that fails, for a while.
type BreakerPolicy struct {
	// Failures in a row, or a Rate of them among at least Calls calls within Window, open the
	// breaker; zero of both is no policy.
	Failures int
	Rate     float64
	Calls    int
	Window   time.Duration
	// Open is how long nothing is called then.
	Open time.Duration
	// Trials is how many calls are let through after that, and have to succeed.
	Trials int
	// On are the outcomes that are failures.
	On Outcomes
}

// FaultPolicy makes calls fail, or late, to see what their callers do.
type FaultPolicy struct {
	// Delay is how long a DelayShare of the calls is held.
	Delay      time.Duration
	DelayShare float64
	// Abort is the status that an AbortShare of the calls is answered with; zero means none.
	Abort      int
	AbortShare float64
}

// LogPolicy writes a line to the log about each call.
type LogPolicy struct {
	// Level is the level of the lines: "debug", "info", "warn"; empty is no policy.
	Level string
	// Headers are the request's headers that are written, separated by commas.
	Headers string
	// Redact are further headers and query parameters whose values are hidden.
	Redact string
}

// ProgressPolicy writes to the log how far long bodies have come, both ways.
type ProgressPolicy struct {
	// Every is the pause between two lines; zero is no policy.
	Every time.Duration
	// From is how long a body has to be, in bytes.
	From int64
}

// Outcomes are kinds of ends of a try.
type Outcomes struct {
	// Connect: the connection to the replica failed, or ended before the answer.
	Connect bool
	// Refused: the replica has refused the call before it did anything with it.
	Refused bool
	// Timeout: the answer did not begin in time.
	Timeout bool
	// Statuses has a bit for each status from 100 on.
	Statuses [8]uint64
}

// Status reports whether an answer with this status is meant.
func (o Outcomes) Status(code int) bool {
	bit := code - 100
	return bit >= 0 && bit < 64*len(o.Statuses) && o.Statuses[bit/64]&(1<<(bit%64)) != 0
}

func (o *Outcomes) add(from, to int) {
	for bit := from - 100; bit <= to-100; bit++ {
		o.Statuses[bit/64] |= 1 << (bit % 64)
	}
}

// With returns the policies with those replaced that others speak of.
func (p Policies) With(others Policies) Policies {
	for i, known := range policyTexts() {
		if others.said&(1<<i) != 0 {
			known.copy(&p, &others)
		}
	}
	p.said |= others.said
	return p
}

// readPolicies returns nil when the labels and annotations ask for none.
func readPolicies(m Metadata) (*Policies, error) {
	var p Policies
	for _, key := range m.Keys(PolicyPrefix) {
		text, field, _ := m.Find(key)
		if err := p.Set(strings.TrimPrefix(key, PolicyPrefix), text); err != nil {
			return nil, Invalid(field, "%.200q: %v", text, err)
		}
	}
	if p.said == 0 {
		return nil, nil
	}
	return &p, nil
}

// policiesKey is where a context keeps the policies of one call.
type policiesKey struct{}

// WithPolicies returns a context for a call that is to have these policies beside those of its
// function, and instead of those of the same name. Of several calls of it the last counts most.
func WithPolicies(ctx context.Context, p *Policies) context.Context {
	if before := PoliciesFrom(ctx); before != nil {
		both := before.With(*p)
		p = &both
	}
	return context.WithValue(ctx, policiesKey{}, p)
}

// PoliciesFrom returns what WithPolicies has kept; nil if it has not.
func PoliciesFrom(ctx context.Context) *Policies {
	p, _ := ctx.Value(policiesKey{}).(*Policies)
	return p
}
