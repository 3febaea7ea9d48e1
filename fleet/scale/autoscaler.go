package scale

import (
	"fmt"
	"time"
)

// maxShrink is what Knative allows: from one decision to the next a function loses
// at most half. That it may grow at most a thousandfold needs no rule here, where
// MaxReplicas is a thousand.
const maxShrink = 2

// Sample is what is known of a function at one moment.
type Sample struct {
	At time.Time
	// InFlight is how many calls hold a replica, upgraded streams among them.
	InFlight int
	// Waiting is how many callers are held because no replica is ready.
	Waiting int
	// Calls counts calls since some moment in the past; it only grows, except when
	// it begins again at zero.
	Calls uint64
	// CPUMillicores is what all replicas together consume, in thousandths of a
	// core; negative means not measured.
	CPUMillicores float64
	// HostBusy is the part of the host's processors that was in use lately, one for all of them;
	// zero means not known.
	HostBusy float64
	// Ready is how many replicas answer now.
	Ready int
	// Desired is how many replicas the function should have: the last decision,
	// unless it was set from outside since.
	Desired int
}

// Decision is how many replicas a function should have.
type Decision struct {
	// Replicas is between the bounds; zero when the function sleeps.
	Replicas int
	// Why says, for the log, what the number follows from.
	Why string
	// Again is when the decision may differ though no sample says so; zero means
	// that only samples change it.
	Again time.Time
}

// Autoscaler watches one function and decides how many replicas it should have.
// Make it with NewAutoscaler, feed it with Observe about once a second and
// whenever a caller begins to wait, and ask it with Decide; a decision must be
// applied before the next sample is taken. It has one owner: it is not safe for
// concurrent use. It does not grow with time: Observe allocates once at most, when a
// function learns.
//
// It decides as Knative's autoscaler does, by the load of the last minute, and by
// that of the last six seconds when these need twice the replicas that are
// ready: then it panics, which means that it does not scale down until a minute
// has passed without. Unlike Knative's it also counts the calls in flight
// now: more of them than the ready replicas should carry is a panic at once, and
// there are never fewer replicas than they need.
type Autoscaler struct {
	policy Policy // as the labels say
	shaped Policy // as the function's habits shaped it

	started bool
	origin  time.Time
	last    Sample
	// decided is the last decision; a Desired that is neither that nor what it was
	// before was set from outside.
	decided int
	// lastCall is when a call was last seen; zero means never. idleSince is that, or
	// when the function was last scaled from outside, or first seen.
	lastCall  time.Time
	idleSince time.Time

	host   host
	surge  surge
	peaks  peaks
	steps  steps
	habits Histogram
	// What is long and has no pointers stands last, where the collector, which comes
	// more often the more calls there are, need not look at it.
	level levels // of calls in flight and in line, or of CPU
	calls readings
}

// NewAutoscaler returns an Autoscaler that has seen nothing.
func NewAutoscaler(p Policy) *Autoscaler {
	return &Autoscaler{policy: p, shaped: p, habits: Histogram{Bin: p.Learn}}
}

// Update changes the policy, after a deployment, and keeps what was seen.
func (a *Autoscaler) Update(p Policy) {
	if p.Rule != a.policy.Rule {
		a.level = levels{}
		if a.started {
			// As for one that was first seen: there is nothing to judge by yet.
			a.surge = surge{since: a.last.At, peak: a.last.Desired}
		}
	}
	if p.DownWindow != a.policy.DownWindow {
		a.peaks = peaks{}
	}
	if p.Learn != a.habits.Bin {
		a.habits = Histogram{Bin: p.Learn}
	}
	a.policy = p
	a.shaped = p.Learned(&a.habits)
}

// Policy returns the policy that is in force: what the labels say, as shaped by
// the function's habits if it may learn. It is the one for Warmth.
func (a *Autoscaler) Policy() Policy { return a.shaped }

// IdleSince returns the moment from which rest is counted: that of the last call,
// or when the function was scaled from outside since, or when it was first seen.
func (a *Autoscaler) IdleSince() time.Time { return a.idleSince }

// Observe takes a sample. A sample that is older than the last one counts as just
// after it; one that is a minute older or more, as after a clock was set back,
// makes the Autoscaler begin anew with its policy and the function's habits.
func (a *Autoscaler) Observe(s Sample) {
	if a.started && a.last.At.Sub(s.At) >= StableWindow {
		habits := a.habits
		*a = Autoscaler{policy: a.policy, shaped: a.shaped}
		a.habits = habits
	}
	if !a.started {
		a.begin(s)
	}
	s.At = later(a.last.At, s.At)
	if s.Desired != a.last.Desired && s.Desired != a.decided {
		a.obey(s)
	}
	a.notice(s)
	a.host.observe(s.At, s.HostBusy)
	at := s.At.Sub(a.origin)
	a.calls.record(at, s.Calls)
	if level := a.policy.level(s); level >= 0 {
		a.level.record(at, level)
	}
	a.last = s
}

func (a *Autoscaler) begin(s Sample) {
	a.started = true
	a.origin, a.idleSince = s.At, s.At
	a.decided = s.Desired
	a.last = s
	a.steps.above = s.Desired > a.policy.Min
	a.host.given = s.Desired
	if s.Desired > 1 {
		// What was seen before, if anything, is forgotten: nothing is taken away
		// until there is a minute's worth to judge by.
		a.surge = surge{since: s.At, peak: s.Desired}
	}
}

// obey gives a number set from outside, such as a user's or an alert's, a minute
// during which only load raises it.
func (a *Autoscaler) obey(s Sample) {
	a.surge = surge{since: s.At, peak: s.Desired}
	a.peaks = peaks{}
	a.steps.above = false
	a.host.given = s.Desired
	a.idleSince = s.At
}

// notice keeps account of calls and of the times between them.
func (a *Autoscaler) notice(s Sample) {
	if s.InFlight+s.Waiting == 0 && s.Calls == a.last.Calls {
		return
	}
	quiet := a.last.InFlight+a.last.Waiting == 0 && a.lastCall.Before(a.last.At)
	if a.policy.Learn > 0 && quiet && !a.lastCall.IsZero() {
		a.habits.Observe(s.At.Sub(a.lastCall))
		a.shaped = a.policy.Learned(&a.habits)
	}
	a.lastCall, a.idleSince = s.At, s.At
}

// level is what of a sample the rule averages; negative means nothing.
func (p Policy) level(s Sample) float64 {
	switch p.Rule {
	case Capacity:
		return float64(s.InFlight + s.Waiting)
	case CPU:
		return s.CPUMillicores
	}
	return -1
}

// Decide answers from the samples. Before the first one the answer is the
// minimum.
func (a *Autoscaler) Decide(now time.Time) Decision {
	if !a.started {
		return Decision{Replicas: a.policy.Min, Why: "nothing seen yet"}
	}
	now = later(a.last.At, now)
	d := a.decide(now)
	if d.Replicas == 0 {
		a.surge, a.peaks, a.steps.above = surge{}, peaks{}, false
	}
	if next := a.shaped.Zero.Next(now.Sub(a.idleSince)); next > 0 {
		d.Again = a.idleSince.Add(next)
	}
	d.Again = Earlier(d.Again, a.falls(now, d.Replicas))
	a.decided = d.Replicas
	return d
}

func (a *Autoscaler) decide(now time.Time) Decision {
	p, s, idle := a.shaped, a.last, now.Sub(a.idleSince)
	switch {
	case s.Desired <= 0 && s.Waiting > 0:
		return a.wake()
	case s.Desired <= 0 && p.Zero.Ahead(idle):
		return Decision{Replicas: p.Woken(), Why: "its next call is expected"}
	case s.Desired <= 0:
		return Decision{Why: "at zero"}
	case p.Zero.Resting(idle) && s.InFlight+s.Waiting == 0:
		return Decision{Why: "no call for long enough"}
	}
	switch p.Rule {
	case Off:
		return Decision{Replicas: s.Desired, Why: "automatic scaling is off"}
	case Step:
		return a.byStep(now)
	}
	return a.byLoad(now)
}

// falls returns when fewer replicas than count may be enough though no call comes; zero
// means never. With calls in flight there are samples.
func (a *Autoscaler) falls(now time.Time, count int) time.Time {
	p, s := a.shaped, a.last
	if p.Rule == Off || count <= p.Woken() || s.InFlight+s.Waiting > 0 {
		return time.Time{}
	}
	next := now.Add(max(fallPause, p.DownWindow/peakSlots))
	if p.Rule == CPU {
		next = now.Add(cpuFallPause) // the engine has to measure it
	}
	if a.surge.on() {
		next = later(next, a.surge.since.Add(StableWindow+time.Millisecond))
	}
	if p.Rule == Step && !a.steps.above {
		next = later(next, a.idleSince.Add(StableWindow))
	}
	return next
}

// How often a function without calls is looked at while it has more replicas than its
// minimum.
const (
	fallPause    = time.Second
	cpuFallPause = 5 * time.Second
)

// wake answers the callers in line of a function that has no replica.
func (a *Autoscaler) wake() Decision {
	p, count := a.shaped, 1
	if p.Rule == Capacity || p.Rule == RPS {
		// For RPS too: those who wait came within the last second or so.
		count = replicasFor(float64(a.last.InFlight+a.last.Waiting), p.Target*p.Proportion)
	}
	return Decision{Replicas: p.clamp(count), Why: "first call"}
}

func (a *Autoscaler) byLoad(now time.Time) Decision {
	p, s := a.shaped, a.last
	need := p.Need(s)
	if p.Rule == CPU && !a.level.started {
		return Decision{Replicas: p.clamp(max(s.Desired, need)), Why: "its use of the processor was not measured yet"}
	}
	stable := p.replicas(a.load(now, StableWindow))
	burst := max(p.replicas(a.load(now, PanicWindow)), need)
	ready := max(1, s.Ready)

	wanted := stable
	a.surge.update(now, burst >= 2*ready || need > ready, s.Desired)
	if a.surge.on() {
		a.surge.peak = max(a.surge.peak, stable, burst)
		wanted = a.surge.peak
	}
	wanted = p.clamp(max(wanted, need))
	wanted = a.peaks.hold(now.Sub(a.origin), p.DownWindow, wanted)
	// After the window, which must remember what was needed and not how slowly it
	// was given up.
	wanted = p.clamp(max(wanted, s.Desired/maxShrink))
	if p.Rule != CPU {
		if most := p.clamp(a.host.useful(now, s, wanted)); most < wanted {
			return Decision{Replicas: most, Why: "the host's processors are busy: more replicas would answer no more calls"}
		}
	}
	return Decision{Replicas: wanted, Why: a.why(wanted, stable, burst)}
}

func (p Policy) replicas(load float64) int {
	return replicasFor(load, p.Target*p.Proportion)
}

// load is what the rule measures, averaged over a window.
func (a *Autoscaler) load(now time.Time, window time.Duration) float64 {
	if a.shaped.Rule == RPS {
		return a.calls.rate(now.Sub(a.origin), window)
	}
	return a.level.average(now.Sub(a.origin), window)
}

// why is written only for a change, so that standing still costs nothing.
func (a *Autoscaler) why(wanted, stable, burst int) string {
	if wanted == a.last.Desired {
		return "the load is what it was"
	}
	mode := "stable"
	if a.surge.on() {
		mode = "panic"
	}
	return fmt.Sprintf("%s at %g each: the last minute needs %d, the last seconds %d (%s)", a.shaped.Rule, a.shaped.Target, stable, burst, mode)
}

// surge is the state of panic: since when, and the most replicas it asked for.
// The zero value is calm.
type surge struct {
	since time.Time
	peak  int
}

func (g *surge) on() bool { return !g.since.IsZero() }

// update begins, prolongs or ends the panic. It begins with what is desired, so
// that replicas that are still starting are not given up.
func (g *surge) update(now time.Time, over bool, desired int) {
	switch {
	case over && !g.on():
		*g = surge{since: now, peak: desired}
	case over:
		g.since = now
	case g.on() && now.Sub(g.since) > StableWindow:
		*g = surge{}
	}
}
