package scale

import (
	"cmp"
	"slices"
	"time"
)

// Temperature is how fast a replica can take a call.
type Temperature int

// The temperatures, from the coldest. None, the zero value, is no replica.
const (
	// None takes a start.
	None Temperature = iota
	// Reclaimed is frozen, and its memory is on the host's swap.
	Reclaimed
	// Frozen is paused: it takes a thaw.
	Frozen
	// Running takes calls now.
	Running
)

// String returns the word for the temperature.
func (t Temperature) String() string {
	return [...]string{"none", "reclaimed", "frozen", "running"}[t]
}

// Warm is one replica as Warmth sees it.
type Warm struct {
	ID string
	// Revision is the deployment that it was made from. Warmth looks only after
	// those of the wanted one.
	Revision uint64
	// Temperature is its present one, or the one that it is on its way to. A replica
	// that is starting is Running.
	Temperature Temperature
	// Changing is set while it is on its way: then it is left alone.
	Changing bool
	// Ready is set when it was seen to answer; only such a replica is frozen.
	Ready bool
	// InFlight is how many calls hold it, upgraded streams among them.
	InFlight int
	// LastUsed is when its last call ended; zero means that it had none.
	LastUsed time.Time
	// Since is when it took its present temperature: started, thawed or frozen.
	Since time.Time
}

// restedFor returns how long a running replica went without a call.
func (w Warm) restedFor(now time.Time) time.Duration { return now.Sub(later(w.LastUsed, w.Since)) }

// idle reports whether it may be frozen.
func (w Warm) idle() bool {
	return w.Temperature == Running && w.Ready && !w.Changing && w.InFlight == 0
}

func (w Warm) frozen() bool { return w.Temperature == Frozen || w.Temperature == Reclaimed }

// WarmthView is what is known of a function when Warmth decides.
type WarmthView struct {
	Now    time.Time
	Policy Policy // Autoscaler.Policy
	// Revision is the wanted one.
	Revision uint64
	Replicas []Warm
	// Starting is how many replicas of the wanted revision are in the making and not
	// yet among Replicas.
	Starting int
	// Want and Busy are Decision.Replicas and Decision.Busy.
	Want, Busy int
	// Waiting is how many callers are held because no replica is ready.
	Waiting int
	// IdleSince is Autoscaler.IdleSince.
	IdleSince time.Time
	// CanReclaim is set when the host has swap and reclaiming is safe there.
	CanReclaim bool
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
	awake := v.awake()
	running, frozen = p.remove(running, frozen, total-keep, awake)
	frozen = p.thaw(frozen, awake-len(running))
	p.Start = max(0, v.Want-total)
	p.Spares = max(0, keep-max(total, v.Want))
	p.freeze(v, running, awake)
	p.reclaim(v, frozen)
	p.Again = v.again(running, frozen)
	return p
}

// sort divides the replicas of the wanted revision, each kind with the one that
// is best kept first: running ones by their calls and the last use, frozen ones
// by their calls and the time they were frozen, reclaimed ones last.
func (v WarmthView) sort() (running, frozen []Warm) {
	for _, w := range v.Replicas {
		switch {
		case w.Revision != v.Revision || w.Temperature == None:
		case w.frozen():
			frozen = append(frozen, w)
		default:
			running = append(running, w)
		}
	}
	slices.SortStableFunc(running, func(a, b Warm) int {
		return cmp.Or(readyFirst(a, b), cmp.Compare(b.InFlight, a.InFlight), later(b.LastUsed, b.Since).Compare(later(a.LastUsed, a.Since)))
	})
	slices.SortStableFunc(frozen, func(a, b Warm) int {
		return cmp.Or(cmp.Compare(b.InFlight, a.InFlight), cmp.Compare(b.Temperature, a.Temperature), b.Since.Compare(a.Since))
	})
	return running, frozen
}

// awake returns how many replicas must run now.
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

// victim finds the replica that is least worth keeping: a running one without a
// call, if more run than must; or a frozen one, for it is a spare as good as a
// running one that would be frozen in its place; or one that has calls.
func victim(running, frozen *[]Warm, awake int) (from *[]Warm, i int) {
	settled := func(w Warm) bool { return !w.Changing }
	if len(*running) > awake {
		if i = lastIndex(*running, func(w Warm) bool { return settled(w) && w.InFlight == 0 }); i >= 0 {
			return running, i
		}
	}
	if i = lastIndex(*frozen, settled); i >= 0 {
		return frozen, i
	}
	return running, lastIndex(*running, settled)
}

func lastIndex(list []Warm, matches func(Warm) bool) int {
	for i := len(list) - 1; i >= 0; i-- {
		if matches(list[i]) {
			return i
		}
	}
	return -1
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
	for i := count - 1; i >= 0; i-- {
		w := running[i]
		// Those that do not answer yet cannot stand in for one that does.
		if ready <= awake {
			return
		}
		if w.idle() && (count > v.Want || v.Policy.Freeze.Resting(w.restedFor(v.Now))) {
			p.Freeze = append(p.Freeze, w.ID)
			count--
			ready--
		}
	}
}

// reclaim picks those that were frozen for the policy's time.
func (p *WarmthPlan) reclaim(v WarmthView, frozen []Warm) {
	if !v.CanReclaim || v.Policy.ReclaimAfter <= 0 {
		return
	}
	for _, w := range frozen {
		if w.Temperature == Frozen && !w.Changing && v.Now.Sub(w.Since) >= v.Policy.ReclaimAfter {
			p.Reclaim = append(p.Reclaim, w.ID)
		}
	}
}

// again returns when time alone makes the next difference.
func (v WarmthView) again(running, frozen []Warm) time.Time {
	var next time.Time
	at := func(moment time.Time, after time.Duration) {
		if after > 0 && moment.Add(after).After(v.Now) {
			next = earlier(next, moment.Add(after))
		}
	}
	for _, w := range running {
		if w.idle() {
			at(later(w.LastUsed, w.Since), v.Policy.Freeze.Next(w.restedFor(v.Now)))
		}
	}
	for _, w := range frozen {
		if v.CanReclaim && w.Temperature == Frozen {
			at(w.Since, v.Policy.ReclaimAfter)
		}
	}
	if v.Want > 0 {
		at(v.IdleSince, v.Policy.Freeze.Next(v.Now.Sub(v.IdleSince)))
	}
	return next
}

func readyFirst(a, b Warm) int {
	switch {
	case a.Ready == b.Ready:
		return 0
	case a.Ready:
		return -1
	default:
		return 1
	}
}
