package scale

import (
	"cmp"
	"slices"
	"time"
)

// Warm is one replica of the wanted revision as Warmth sees it.
type Warm struct {
	ID string
	// Frozen is set when it is paused, or on its way to that: it takes calls once it has
	// thawed. Others run, or are starting.
	Frozen bool
	// Reclaimed is set when it is frozen and its memory is on the host's swap.
	Reclaimed bool
	// Changing is set while it is being frozen or thawed: then it is left alone.
	Changing bool
	// Ready is set when it was seen to answer; only such a replica is frozen.
	Ready bool
	// InFlight is how many calls hold it, upgraded streams among them.
	InFlight int
	// LastUsed is when its last call ended; zero means that it had none.
	LastUsed time.Time
	// Since is when it was started, thawed or frozen.
	Since time.Time
}

// idleSince is when a running replica began to be without a call.
func (w Warm) idleSince() time.Time { return later(w.LastUsed, w.Since) }

// idle reports whether it may be frozen.
func (w Warm) idle() bool { return w.Ready && !w.Changing && w.InFlight == 0 }

// WarmthView is what is known of a function when Warmth decides.
type WarmthView struct {
	Now      time.Time
	Policy   Policy // Autoscaler.Policy
	Replicas []Warm
	// Starting is how many replicas of the wanted revision are in the making and not
	// yet among Replicas.
	Starting int
	// Queued is how many of those have not begun, and can be given up.
	Queued int
	// Want is Decision.Replicas, and Busy how many of them the calls need: Policy.Need.
	Want, Busy int
	// Waiting is how many callers are held because no replica is ready.
	Waiting int
	// IdleSince is Autoscaler.IdleSince.
	IdleSince time.Time
}

// WarmthPlan is what to do to a function's replicas now. The zero plan is to do
// nothing. No replica is in two lists.
type WarmthPlan struct {
	// Thaw comes first: it is what callers wait for. The warmest are first.
	Thaw []string
	// Start is how many replicas to start for the load.
	Start int
	// Spares is how many more to start, which are frozen once they answer. They can
	// wait, and no other spare is worth evicting for them.
	Spares int
	// Drop is how many of the queued starts to give up.
	Drop int
	// Freeze only those that still have no call when they are out of rotation.
	Freeze []string
	// Reclaim the memory of these frozen replicas.
	Reclaim []string
	// Remove these once their calls have ended.
	Remove []string
	// Again is when to look again though nothing happens; zero means never.
	Again time.Time
}

// Warmth decides which replicas of a function run, which are frozen or reclaimed,
// and which go. It keeps Want replicas, and the policy's Standby frozen beside
// them unless Want is zero. Of the Want, those run that the load needs and those
// that had a call within the policy's time; without such a time all of them run.
// Frozen replicas, spares too, are thawed before any is started.
func Warmth(v WarmthView) WarmthPlan {
	var p WarmthPlan
	running, frozen := v.sort()
	total := len(running) + len(frozen) + v.Starting
	keep := v.Want
	if keep > 0 {
		keep += v.Policy.Standby
	}
	p.Drop = max(0, min(total-keep, v.Queued))
	total -= p.Drop
	awake := v.awake()
	// Those that are there are not given up for those that are not.
	running, frozen = p.remove(running, frozen, len(running)+len(frozen)-keep, awake)
	frozen = p.thaw(frozen, awake-len(running))
	p.Start = max(0, v.Want-total)
	p.Spares = max(0, keep-max(total, v.Want))
	p.freeze(v, running, awake)
	p.reclaim(v, frozen)
	p.Again = v.again(running, frozen)
	return p
}

// sort divides the replicas, each kind with the one that
// is best kept first: running ones by their calls and the last use, frozen ones
// by their calls and the time they were frozen, reclaimed ones last.
func (v WarmthView) sort() (running, frozen []Warm) {
	for _, w := range v.Replicas {
		if w.Frozen {
			frozen = append(frozen, w)
		} else {
			running = append(running, w)
		}
	}
	slices.SortStableFunc(running, func(a, b Warm) int {
		return cmp.Or(TrueFirst(a.Ready, b.Ready), cmp.Compare(b.InFlight, a.InFlight), b.idleSince().Compare(a.idleSince()))
	})
	slices.SortStableFunc(frozen, func(a, b Warm) int {
		return cmp.Or(cmp.Compare(b.InFlight, a.InFlight), TrueFirst(!a.Reclaimed, !b.Reclaimed), b.Since.Compare(a.Since))
	})
	return running, frozen
}

func (v WarmthView) awake() int {
	if v.Policy.Freeze.After <= 0 {
		return v.Want
	}
	needed := v.Busy
	if v.Waiting > 0 || v.Policy.Freeze.Ahead(v.Now.Sub(v.IdleSince)) {
		needed = max(1, needed)
	}
	return min(needed, v.Want)
}

// remove picks the replicas that are too many and returns the others.
func (p *WarmthPlan) remove(running, frozen []Warm, surplus, awake int) (keptRunning, keptFrozen []Warm) {
	for ; surplus > 0; surplus-- {
		from, i := victim(&running, &frozen, awake)
		if i < 0 {
			break
		}
		p.Remove = append(p.Remove, (*from)[i].ID)
		*from = slices.Delete(*from, i, i+1)
	}
	return running, frozen
}

// victim finds the replica that is least worth keeping: one that does not answer, where a
// frozen one can stand in for it; a running one without a call, if more run than must; or a
// frozen one, for it is a spare as good as a running one that would be frozen in its place;
// or one that has calls.
func victim(running, frozen *[]Warm, awake int) (from *[]Warm, i int) {
	standIn, tooMany := len(*frozen) > 0, len(*running) > awake
	for _, rule := range []struct {
		from   *[]Warm
		allows func(Warm) bool
	}{
		{running, func(w Warm) bool { return standIn && !w.Ready && w.InFlight == 0 }},
		{running, func(w Warm) bool { return tooMany && w.InFlight == 0 }},
		{frozen, func(Warm) bool { return true }},
		{running, func(Warm) bool { return true }},
	} {
		for i, w := range slices.Backward(*rule.from) {
			if !w.Changing && rule.allows(w) {
				return rule.from, i
			}
		}
	}
	return nil, -1
}

// thaw picks as many frozen replicas as are missing, and those that were given a
// call, and returns the others.
func (p *WarmthPlan) thaw(frozen []Warm, missing int) (left []Warm) {
	for _, w := range frozen {
		if w.Changing || missing <= 0 && w.InFlight == 0 {
			left = append(left, w)
			continue
		}
		p.Thaw = append(p.Thaw, w.ID)
		missing--
	}
	return left
}

// freeze picks replicas beyond those that must run: spares at once, the others
// when they had no call for the policy's time.
func (p *WarmthPlan) freeze(v WarmthView, running []Warm, awake int) {
	ready := 0
	for _, w := range running {
		if w.Ready {
			ready++
		}
	}
	count := len(running)
	for _, w := range slices.Backward(running) {
		// Those that do not answer yet cannot stand in for one that does.
		if ready <= awake {
			return
		}
		if w.idle() && (count > v.Want || v.Policy.Freeze.Resting(v.Now.Sub(w.idleSince()))) {
			p.Freeze = append(p.Freeze, w.ID)
			count--
			ready--
		}
	}
}

// reclaim picks those that were frozen for the policy's time.
func (p *WarmthPlan) reclaim(v WarmthView, frozen []Warm) {
	if v.Policy.ReclaimAfter <= 0 {
		return
	}
	for _, w := range frozen {
		if !w.Reclaimed && !w.Changing && v.Now.Sub(w.Since) >= v.Policy.ReclaimAfter {
			p.Reclaim = append(p.Reclaim, w.ID)
		}
	}
}

// again returns when time alone makes the next difference.
func (v WarmthView) again(running, frozen []Warm) time.Time {
	var next time.Time
	at := func(moment time.Time, after time.Duration) {
		if after > 0 && moment.Add(after).After(v.Now) {
			next = Earlier(next, moment.Add(after))
		}
	}
	for _, w := range running {
		if w.idle() {
			at(w.idleSince(), v.Policy.Freeze.Next(v.Now.Sub(w.idleSince())))
		}
	}
	for _, w := range frozen {
		if !w.Reclaimed {
			at(w.Since, v.Policy.ReclaimAfter)
		}
	}
	if v.Want > 0 {
		at(v.IdleSince, v.Policy.Freeze.Next(v.Now.Sub(v.IdleSince)))
	}
	return next
}

// TrueFirst orders what is true before what is not, as cmp.Compare does numbers.
func TrueFirst(a, b bool) int {
	switch {
	case a == b:
		return 0
	case a:
		return -1
	}
	return 1
}
