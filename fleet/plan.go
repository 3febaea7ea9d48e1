package fleet

import (
	"slices"
	"time"

	"faas-docker/fleet/scale"
	"faas-docker/function"
	"faas-docker/replica"
	"faas-docker/resolver"
)

// view is everything a worker knows when it decides.
type view struct {
	now time.Time
	// want is the function as it should be; nil when it was deleted.
	want *function.Function
	// members are its replicas as the resolver knows them, oldest first, and notes what is
	// remembered of each.
	members []resolver.Member
	notes   map[string]*note
	demand
	progress
	pinch
	// previous is what is known of want.Previous.
	previous previousView
}

// demand is what the calls ask for.
type demand struct {
	// waiting is the number of callers in line.
	waiting int
	// policy and idleSince are what the autoscaler says of the function; needed is
	// how many of the wanted replicas the calls need just now: others may be frozen.
	policy    scale.Policy
	needed    int
	idleSince time.Time
}

// progress is how far the wanted revision has come.
type progress struct {
	// prepared is set when its image and secrets are in place, and preparing while they are
	// being put there.
	prepared, preparing bool
	// stale is set when running replicas still have an old secret.
	stale bool
	// starting counts its containers in the making that are not among members yet, making all that the
	// function has in the making.
	starting, making int
	// queued are those in the making, by revision, that wait for their turn; superseded
	// counts those of other revisions that the engine is at, until supersededUntil.
	queued          map[uint64]int
	superseded      int
	supersededUntil time.Time
	// notBefore is when the next start may be tried after failures.
	notBefore time.Time
}

// previousView is what is known of the revision before the wanted one, which serves until that
// answers.
type previousView struct {
	// window is how long it is kept then, and until is when that is over.
	window time.Duration
	until  time.Time
	// starting counts its containers in the making that are not among members yet.
	starting int
	// notBefore is when the next of its starts may be tried after failures.
	notBefore time.Time
	// failing is set when the wanted revision has failed to start.
	failing bool
	// drain is how long the calls may last that were left on it.
	drain time.Duration
}

// plan is what to do now. The zero plan does nothing.
type plan struct {
	starts
	moves
	// again is when to look again though nothing rings; zero means never.
	again time.Time
	// settled is set when the wanted revision answers in full and no other is left,
	// but for what is kept for a way back.
	settled bool
	// answered is set when the wanted revision takes the calls, and the store does not say so yet.
	answered bool
	// ending is set while a replica is on its way out.
	ending bool
	// over is set when the function is deleted and nothing of it is left.
	over bool
}

// starts are the replicas to start, and the queued starts to give up.
type starts struct {
	// prepare has the image and the secrets of the wanted revision put in place first.
	prepare bool
	// start is how many replicas of it to start for the load, and spares how many beyond
	// that, if there is capacity; needed is set when calls need more than are ready.
	start, spares int
	needed        bool
	// drop is how many of its queued starts to give up.
	drop int
	// sustain is how many replicas of the previous revision to start, and dropPrevious how
	// many of its queued starts to give up.
	sustain, dropPrevious int
}

// moves are what is to be done to replicas, each in the list of one thing.
type moves struct {
	probe       []resolver.Member
	check       []resolver.Member // asked whether they still answer
	freeze      []resolver.Member
	reclaim     []resolver.Member // their memory goes to swap
	thaw        []resolver.Member
	adoptFrozen []resolver.Member // paused ones that are lent from now on
	keep        []resolver.Member // taken out of rotation for a way back
	unkeep      []resolver.Member // no longer to be kept
	retire      []resolver.Member // to be drained, then stopped
	stop        []resolver.Member
	remove      []resolver.Member // those that have exited
}

// decide compares what should be with what is. It is the whole policy of the
// fleet, and pure.
func decide(v view) plan {
	var p plan
	current, others := v.sort(&p)
	if v.want == nil {
		p.probe = nil
		p.retire = slices.Concat(p.retire, current, others)
		p.over = len(v.members) == 0 && v.making == 0 && !v.preparing
		return p
	}
	others = p.discard(v, others)
	warmth := scale.Warmth(v.warmthView(current))
	p.drop = warmth.Drop
	p.needed = v.isShort()
	p.fill(v, warmth)
	p.freeze = slices.DeleteFunc(pick(current, warmth.Freeze), func(m resolver.Member) bool { return p.waits(v, v.note(m.ID).tempering.after) })
	p.reclaim = pick(current, warmth.Reclaim)
	p.thaw = append(p.thaw, pick(current, warmth.Thaw)...)
	p.adoptFrozen = append(stalled(current, warmth.Thaw), stalled(v.serving(others), nil)...)
	p.unkeep = which(current, resolver.Member.IsKept)
	p.retire = append(p.retire, pick(current, warmth.Remove)...)
	p.again = scale.Earlier(p.again, warmth.Again)
	p.watch(v)
	able := able(current)
	if !v.serves(able, others) {
		p.unkeep = append(p.unkeep, which(v.serving(others), resolver.Member.IsKept)...)
		p.relieve(v, able, others)
		p.roll(v, current, others)
		p.sustainPrevious(v, able, others)
		return p
	}
	p.answered = able > 0 && (!v.want.Answered || v.want.Previous.Serving())
	changes := warmth.Start + len(p.retire) + len(p.thaw)
	left := p.replace(v, others)
	p.settled = left == 0 && changes == 0
	return p
}

// isShort reports whether the calls need more replicas than are ready, of any revision.
func (v view) isShort() bool {
	ready := which(v.members, func(m resolver.Member) bool { return m.IsOpen() && !m.IsKept() })
	return v.waiting > 0 || v.needed > len(ready)
}

// able counts the replicas of the wanted revision that can take calls: those that
// are ready, or frozen.
func able(current []resolver.Member) int { return len(which(current, canTakeCalls)) }

func canTakeCalls(m resolver.Member) bool {
	return m.IsOpen() || m.IsCold() || m.State == function.Paused && !m.IsChanging()
}

// serves reports whether the wanted revision can take the calls: as many of its
// replicas as should be are able to. After a rollback one is enough: the
// user wants to be rid of the present revision. Without capacity for both there may be
// fewer, when none is left of another revision.
func (v view) serves(able int, others []resolver.Member) bool {
	if v.isRollback(others) {
		return able >= min(1, v.want.Replicas)
	}
	return able >= v.want.Replicas || v.isRolling() && able > 0 && len(which(others, resolver.Member.IsKept)) == len(others)
}

func (v view) isRollback(others []resolver.Member) bool {
	return slices.ContainsFunc(others, func(m resolver.Member) bool { return m.Revision > v.want.Revision })
}

// warmthView describes the replicas of the wanted revision to fleet/scale.
func (v view) warmthView(current []resolver.Member) scale.WarmthView {
	replicas := make([]scale.Warm, len(current))
	for i, m := range current {
		frozen := m.IsCold() || m.Phase == replica.Stalled
		replicas[i] = scale.Warm{
			ID: m.ID, Frozen: frozen, Reclaimed: frozen && m.Memory == replica.MemoryReclaimed, Changing: m.IsChanging(),
			Ready: m.IsOpen(), InFlight: m.InFlight, LastUsed: m.LastUsed, Since: v.note(m.ID).since,
		}
	}
	return scale.WarmthView{
		Now: v.now, Policy: v.policy, Replicas: replicas,
		Starting: v.starting, Queued: v.queued[v.want.Revision], Want: v.want.Replicas, Busy: v.needed, Waiting: v.waiting, IdleSince: v.idleSince,
	}
}

// pick returns the replicas that have these IDs, in their order.
func pick(members []resolver.Member, ids []string) []resolver.Member {
	var list []resolver.Member
	for _, id := range ids {
		list = append(list, which(members, func(m resolver.Member) bool { return m.ID == id })...)
	}
	return list
}

func which(members []resolver.Member, is func(resolver.Member) bool) (list []resolver.Member) {
	for _, m := range members {
		if is(m) {
			list = append(list, m)
		}
	}
	return list
}

// waits reports whether something is not to be done before a moment that has not come yet. If so, the
// worker looks again then.
func (p *plan) waits(v view, before time.Time) bool {
	if !v.now.Before(before) {
		return false
	}
	p.again = scale.Earlier(p.again, before)
	return true
}

// sort puts each member where it belongs: to be buried, thawed or probed, and
// among the live replicas of the wanted revision or of others.
func (v view) sort(p *plan) (current, others []resolver.Member) {
	for _, m := range v.members {
		if v.isStranded(m) && !p.waits(v, v.note(m.ID).tempering.after) {
			p.thaw = append(p.thaw, m)
		}
		if m.IsEnding() || m.State == function.Exited || m.State == function.Created {
			p.bury(v, m)
			continue
		}
		switch idle := m.Operation == replica.NoOperation; m.State {
		case function.Paused:
			// Lent while it slept: the thaw is what its borrower waits for.
			if m.IsThawing() && idle {
				p.thaw = append(p.thaw, m)
			}
		case function.Running:
			if !m.IsOpen() && idle && (!v.isShelved(m) || m.Role == replica.Recalled) {
				p.probe = append(p.probe, m)
			}
		}
		if v.want != nil && m.Revision == v.want.Revision {
			current = append(current, m)
		} else {
			others = append(others, m)
		}
	}
	return current, others
}

// bury stops a member that has had its time to drain, and removes one that has exited; not too
// soon again when that has failed.
func (p *plan) bury(v view, m resolver.Member) {
	switch {
	case m.Operation != replica.NoOperation:
	case m.Phase == replica.Draining && m.State != function.Exited:
	case m.Phase == replica.Created && v.making > 0:
		// One of ours may be between create and start; without any, a provider died there.
	case p.waits(v, v.note(m.ID).ending.after):
	case m.Phase == replica.Stopping && m.State != function.Exited:
		p.stop = append(p.stop, m)
	default:
		p.remove = append(p.remove, m)
	}
}

// removesAny reports whether a replica is on its way out, or is to go by this plan.
func (p *plan) removesAny(v view) bool {
	return len(p.retire)+len(p.stop)+len(p.remove) > 0 || slices.ContainsFunc(v.members, resolver.Member.IsEnding)
}

// fill starts what is missing, after the image and the secrets are in place, and
// not before a failure's pause is over.
func (p *plan) fill(v view, missing scale.WarmthPlan) {
	switch {
	case missing.Start+missing.Spares <= 0 && !v.stale:
	case v.preparing:
	case v.superseded > 0:
		p.again = scale.Earlier(p.again, v.supersededUntil)
	case p.waits(v, v.notBefore):
	case !v.prepared:
		p.prepare = true
	default:
		p.start, p.spares = missing.Start, missing.Spares
	}
}
