// Package scale answers how many replicas a function should have now, and how
// warm.
//
// It is pure: no I/O, no clock, no goroutine. Time comes in as a value, and
// nothing here is safe for concurrent use unless it says so. Parse reads what a
// function's user wants, an Autoscaler watches its load and decides how many
// replicas it should have, Warmth decides which of them run and which are
// frozen, Admit decides whether the host has room for one more, and a Histogram
// learns when a function is usually called.
package scale

import (
	"math"
	"strings"
	"time"

	"faas-docker/function"
)

// Rule is by what the number of a function's replicas is decided.
type Rule int

// The rules. Off is the zero value: only the user, an alert, the first call and
// rest change the number.
const (
	Off Rule = iota
	// Capacity counts calls in flight.
	Capacity
	// RPS counts calls per second.
	RPS
	// CPU counts thousandths of a core.
	CPU
	// Step is the rule of the OpenFaaS gateway: more than 5 calls per second for
	// 5 s are one step up, and after them it is back to the minimum.
	Step
)

// String returns the word of the label for the rule.
func (r Rule) String() string {
	return [...]string{"off", "capacity", "rps", "cpu", "step"}[r]
}

// The settings of a function whose labels say nothing else.
const (
	defaultTarget     = 50
	defaultProportion = 0.9
	defaultFactor     = 10
	defaultZero       = 15 * time.Minute
	defaultReclaim    = 5 * time.Minute
	defaultLearn      = time.Minute

	longest       = 30 * 24 * time.Hour
	maxDownWindow = 5 * time.Minute
	maxTarget     = 1e6
)

// Policy is what a function's labels and annotations say about scaling. The zero
// Policy changes nothing.
type Policy struct {
	Bounds
	Rule Rule
	// Foreign is the type of scaling that the user asked for and that is not known here,
	// such as one of OpenFaaS Pro; then Rule is Capacity. Empty is the usual case.
	Foreign string
	// Target is the load of one replica, in the unit of the rule.
	Target float64
	// Proportion is the part of Target at which the next replica is started.
	Proportion float64
	// Factor is the step of Step and of alerts, as a percentage of Max; zero means
	// that neither changes anything.
	Factor int
	// DownWindow is how far back a scale-down looks; zero means not at all.
	DownWindow time.Duration
	// Zero is when the function has no replica because it is not called.
	Zero Rest
	// Freeze is when a replica is frozen because it has no call.
	Freeze Rest
	// ReclaimAfter is how long a replica is frozen before its memory is reclaimed;
	// zero means that it never is.
	ReclaimAfter time.Duration
	// Standby is how many frozen spares are kept beside the replicas.
	Standby int
	// Learn is how finely the function's idle times are told apart, which shape Zero or
	// Freeze; zero means that they do not.
	Learn time.Duration
}

// Parse reads the policy from a function's labels and annotations. A setting that
// cannot be used is an ErrInvalid that names it.
//
// The rule is the one that the type names. With a target or a proportion and no
// type it is RPS, as in OpenFaaS Pro; with only a minimum, a maximum or a factor
// it is Step, as in the OpenFaaS gateway; with none of them it is Capacity. A
// minimum equal to the maximum, or a factor of zero, make it Off. A type that is not
// known here is Foreign: its target counts something else, and is not looked at.
func Parse(spec function.Spec) (Policy, error) {
	r := reader{Metadata: spec.Metadata()}
	rule, foreign := r.rule()
	p := Policy{
		Bounds:       r.bounds(),
		Rule:         rule,
		Foreign:      foreign,
		Target:       defaultTarget,
		Proportion:   defaultProportion,
		Factor:       r.count(LabelFactor, 0, 100, defaultFactor),
		DownWindow:   r.duration(span{key: LabelDownWindow, least: time.Second, most: maxDownWindow, orZero: true}),
		Zero:         r.zero(),
		Freeze:       Rest{After: r.duration(span{key: LabelFreezeDuration, least: 10 * time.Millisecond, most: longest, orZero: true})},
		ReclaimAfter: r.switchable(defaultReclaim, span{key: LabelReclaim, least: time.Second, most: longest}),
		Standby:      r.count(LabelStandby, 0, MaxReplicas, 0),
		// Calls are seen once a second: it is not told apart finer than that.
		Learn: r.switchable(defaultLearn, span{key: LabelLearn, least: time.Second, most: time.Minute}),
	}
	if p.Max+p.Standby > MaxReplicas {
		_, field, _ := r.Find(LabelStandby)
		r.refuse(function.Invalid(field, "%d spares and at most %d replicas are more than a function can have, %d", p.Standby, p.Max, MaxReplicas))
	}
	if p.Foreign == "" {
		p.Target = r.amount(LabelTarget, maxTarget, defaultTarget)
		p.Proportion = r.amount(LabelProportion, 1, defaultProportion)
	}
	if p.Min == p.Max || p.Factor == 0 {
		p.Rule = Off
	}
	if r.err != nil {
		return Policy{}, r.err
	}
	return p, nil
}

func (r *reader) rule() (rule Rule, foreign string) {
	text, field, ok := r.Find(LabelType)
	switch {
	case !ok && r.Has(LabelTarget, LabelProportion):
		return RPS, ""
	case !ok && r.Has(LabelMin, LabelMax, LabelFactor):
		return Step, ""
	case !ok:
		return Capacity, ""
	}
	for _, rule := range []Rule{Capacity, RPS, CPU} {
		if strings.EqualFold(text, rule.String()) {
			return rule, ""
		}
	}
	if !isRuleName(text) {
		r.refuse(function.Invalid(field, "%q: want capacity, rps or cpu", text))
	}
	return Capacity, text
}

// isRuleName reports whether OpenFaaS Pro could have a rule of this name: besides queue
// it has those that its operators add.
func isRuleName(text string) bool {
	const letters = "abcdefghijklmnopqrstuvwxyz0123456789-_"
	for _, own := range []Rule{Off, Step} {
		if strings.EqualFold(text, own.String()) {
			return false // chosen by other labels
		}
	}
	return text != "" && len(text) <= 63 && strings.Trim(strings.ToLower(text), letters) == ""
}

func (r *reader) zero() Rest {
	after := r.duration(span{key: LabelZeroDuration, least: time.Second, most: longest, otherwise: defaultZero})
	if !r.flag(LabelZero) {
		return Rest{}
	}
	return Rest{After: after}
}

// switchable reads a setting that is a duration, or says true or false.
func (r *reader) switchable(on time.Duration, s span) time.Duration {
	switch text, _, _ := r.Find(s.key); strings.ToLower(text) {
	case "true":
		return on
	case "false":
		return 0
	}
	s.orZero, s.orFlag = true, true
	return r.duration(s)
}

// Need returns how many replicas the calls that are in flight and in line now
// ask for, whatever the windows say: as many as the target lets one replica
// carry at a time for Capacity and RPS, and one for any call at all for the
// rules that do not count calls. It is never more than Max.
func (p Policy) Need(s Sample) int {
	calls := s.InFlight + s.Waiting
	if calls <= 0 {
		return 0
	}
	if p.Rule != Capacity && p.Rule != RPS {
		return 1
	}
	return min(replicasFor(float64(calls), p.Target), max(1, p.Max))
}

// Carries returns how many calls at a time that many replicas are meant for; zero
// when more of them would not ask for more replicas.
func (p Policy) Carries(replicas int) int {
	if replicas >= p.Max || p.Rule != Capacity && p.Rule != RPS {
		return 0
	}
	return max(1, int(p.Target*float64(max(1, replicas))))
}

func replicasFor(load, each float64) int {
	// Sums of fractions must not start a replica for the rounding alone.
	const rounding = 1e-9
	count := math.Ceil(load/each - rounding)
	if math.IsNaN(count) || count <= 0 {
		return 0
	}
	return int(math.Min(count, 1e9))
}

// step returns how many replicas one step of the gateway's rule is.
func (p Policy) step() int { return (p.Max*p.Factor + 99) / 100 }

// MaxReplicas is the most replicas a function can have: a Linux bridge has 1,023
// ports, and the functions of one provider share one.
const MaxReplicas = 1000

// The bounds of a function whose labels name none, as in OpenFaaS.
const (
	defaultMin = 1
	defaultMax = 20
)

// Bounds is between how many replicas a function is kept.
type Bounds struct {
	// Min is how many run after a deployment; zero means that the first call
	// starts the first one.
	Min int
	// Max is the most that automatic scaling may start.
	Max int
}

// Woken returns how many replicas a function at zero gets when it is called.
func (b Bounds) Woken() int { return max(1, b.Min) }

// Deployed returns how many replicas a function has after a deployment, given how
// many it had before; zero before the first one.
func (b Bounds) Deployed(before int) int { return min(max(b.Min, before), max(b.Min, b.Max)) }

// clamp brings the count of a function that is awake between the bounds: at
// least one, because only rest takes a function to zero.
func (b Bounds) clamp(count int) int {
	return min(max(count, b.Woken()), max(b.Max, b.Woken()))
}

func (r *reader) bounds() Bounds {
	b := Bounds{Min: r.count(LabelMin, 0, MaxReplicas, defaultMin)}
	b.Max = r.count(LabelMax, 1, MaxReplicas, max(defaultMax, b.Min))
	if b.Max < b.Min {
		_, field, _ := r.Find(LabelMax)
		r.refuse(function.Invalid(field, "%d is less than %s, %d", b.Max, LabelMin, b.Min))
	}
	return b
}
