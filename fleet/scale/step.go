package scale

import "time"

// The gateway's own rule: more than 5 calls per second, for 5 seconds. The rate
// is taken over a little less than that, so that it evens out the moment's chance
// but no short burst lasts long enough.
const (
	stepRate   = 5
	stepFor    = 5 * time.Second
	stepWindow = 4 * time.Second
	// stepRest is over how long the rate must be lower before it is over.
	stepRest = 10 * time.Second
)

// steps is the state of the gateway's rule.
type steps struct {
	// above is set when there are more replicas than the minimum because of calls.
	above bool
	// since is when the rate rose, or the last step up if that is later; zero means
	// that it is low.
	since time.Time
}

// byStep takes one step up for every 5 seconds with more than 5 calls per second,
// and goes back to the minimum when the last 10 seconds had fewer. A number
// set from outside stays until then, or until a minute without a call has passed.
func (a *Autoscaler) byStep(now time.Time) Decision {
	p, s, at := a.shaped, a.last, now.Sub(a.origin)
	d := Decision{Replicas: s.Desired, Why: "the rate of calls is unchanged"}
	switch {
	case a.steps.rose(now, a.calls.rate(at, stepWindow)):
		d.Replicas = max(s.Desired, min(s.Desired+p.step(), p.Max))
		d.Why = "more than 5 calls per second for 5 seconds"
		a.steps = steps{above: true, since: now}
	case a.steps.above && a.calls.rate(at, stepRest) <= stepRate && !a.surge.holds(now):
		d.Replicas, d.Why = p.Min, "no more than 5 calls per second"
	case s.InFlight+s.Waiting == 0 && now.Sub(a.idleSince) >= StableWindow && !a.surge.holds(now):
		d.Replicas, d.Why = p.Min, "no call for a minute"
	}
	d.Replicas = p.clamp(a.peaks.hold(at, p.DownWindow, p.clamp(d.Replicas)))
	a.steps.above = a.steps.above && d.Replicas > p.Woken()
	return d
}

// rose reports whether the rate has been high for long enough.
func (s *steps) rose(now time.Time, rate float64) bool {
	switch {
	case rate <= stepRate:
		s.since = time.Time{}
	case s.since.IsZero():
		s.since = now
	default:
		return now.Sub(s.since) >= stepFor
	}
	return false
}

// holds reports whether a number set from outside, or a start without memory, is
// younger than a minute.
func (g *surge) holds(now time.Time) bool {
	return g.on() && now.Sub(g.since) <= StableWindow
}

// Alerted returns how many replicas a function should have after an alert of
// AlertManager, as the OpenFaaS gateway answers it: one step up while it fires,
// at most to the maximum, and the minimum when it is resolved. Unlike the
// gateway it never takes away what the calls in flight need, it takes nothing
// away while the alert fires, it does not wake a sleeping function because an
// alert is over, and a factor of zero means that alerts change nothing.
func (p Policy) Alerted(firing bool, s Sample) int {
	switch {
	case p.Factor == 0, !firing && s.Desired <= 0:
		return s.Desired
	case firing:
		return max(s.Desired, p.clamp(s.Desired+p.step()))
	default:
		return p.clamp(max(p.Min, p.Need(s)))
	}
}
