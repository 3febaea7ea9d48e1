package fleet

import (
	"time"

	"faas-docker/function"
	"faas-docker/resolver"
	"faas-docker/scale"
)

// view is everything a worker knows when it decides.
type view struct {
	now time.Time
	// want is the function as it should be; nil when it was deleted.
	want *function.Function
	// members are its replicas as the resolver knows them, oldest first.
	members []resolver.Member
	// waiting is the number of callers in line.
	waiting int
	// policy and idleSince are what the autoscaler says of the function; needed is
	// how many of the wanted replicas the calls need just now: others may be frozen.
	policy    scale.Policy
	needed    int
	idleSince time.Time

	// prepared is set when the wanted revision's image and secrets are in place.
	prepared bool
	// stale is set when running replicas still have an old secret.
	stale bool
	// The tasks under way: starting counts the containers of the wanted revision
	// in the making, making those of any revision; probing are replicas that are
	// asked whether they answer, changing those that are being frozen or thawed,
	// leaving those that are being stopped or buried.
	preparing bool
	starting  int
	making    int
	probing   map[string]bool
	changing  map[string]bool
	leaving   map[string]bool
	// notes are what is remembered of each replica.
	notes map[string]*note
	// notBefore is when the next start may be tried after failures.
	notBefore time.Time
	// checks are the replicas whose health is watched, and when each is to be asked
	// next.
	checks map[string]time.Time
	// window is how long the replaced revision is kept, and wayEnds when that is over;
	// previous is what is known of it while want.Previous names one.
	window   time.Duration
	wayEnds  time.Time
	previous sustained
}

// sustained is what a worker knows of the revision that serves until the wanted one
// answers.
type sustained struct {
	// starting counts its containers in the making.
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
	prepare bool
	start   int // for the load
	spares  int // beyond that, if there is room
	probe   []function.Replica
	check   []function.Replica // asked whether they still answer
	freeze  []function.Replica
	reclaim []function.Replica // their memory goes to swap
	thaw    []function.Replica
	doze    []function.Replica // paused ones that are lent from now on
	keep    []function.Replica // taken out of rotation for a way back
	regain  []function.Replica // no longer to be kept
	retire  []function.Replica
	bury    []resolver.Member
	// sustain is how many replicas of the previous revision to start.
	sustain int
	// again is when to look again though nothing rings; zero means never.
	again time.Time
	// settled is set when the wanted revision answers in full and no other is left,
	// but for what is kept for a way back.
	settled bool
	// answered is set when the wanted revision is seen to take the calls for the first
	// time.
	answered bool
	// over is set when the function is deleted and nothing of it is left.
	over bool
}

// decide compares what should be with what is. It is the whole policy of the
// fleet, and pure.
func decide(v view) plan {
	var p plan
	current, others := v.sort(&p)
	if v.want == nil {
		p.probe = nil
		p.retire = append(p.retire, replicas(current)...)
		p.retire = append(p.retire, replicas(others)...)
		p.over = len(v.members) == 0 && v.making == 0 && !v.preparing
		return p
	}
	warmth := scale.Warmth(v.warmthView(current))
	p.fill(v, warmth)
	p.freeze, p.reclaim = pick(current, warmth.Freeze), pick(current, warmth.Reclaim)
	p.thaw = append(p.thaw, pick(current, warmth.Thaw)...)
	p.doze = append(v.dozing(current, warmth.Thaw), v.dozing(v.serving(others), nil)...)
	p.regain = v.regained(current)
	p.retire = append(p.retire, pick(current, warmth.Remove)...)
	p.again = earlier(p.again, warmth.Again)
	p.watch(v)
	able := v.able(current)
	if !v.serves(able, others) {
		p.sustainPrevious(v, others)
		return p
	}
	p.answered = able > 0 && (!v.want.Answered || v.want.Previous != nil && v.want.Previous.Serving())
	changes := warmth.Start + len(p.retire) + len(p.thaw)
	left := p.replace(v, others)
	p.settled = left == 0 && changes == 0
	return p
}

// able counts the replicas of the wanted revision that can take calls: those that
// are ready, or frozen.
func (v view) able(current []resolver.Member) int {
	able := 0
	for _, m := range current {
		if v.canTakeCalls(m) {
			able++
		}
	}
	return able
}

func (v view) canTakeCalls(m resolver.Member) bool {
	return m.Ready || m.Warmth == resolver.Asleep || m.State == function.Paused && !v.changing[m.ID]
}

// serves reports whether the wanted revision can take the calls: as many of its
// replicas as should be are able to. After a rollback one is enough, because
// whoever goes back wants to be rid of what is there now.
func (v view) serves(able int, others []resolver.Member) bool {
	if v.isRollback(others) {
		return able >= min(1, v.want.Replicas)
	}
	return able >= v.want.Replicas
}

func (v view) isRollback(others []resolver.Member) bool {
	for _, m := range others {
		if m.Revision > v.want.Revision {
			return true
		}
	}
	return false
}

// warmthView describes the replicas of the wanted revision to the scale room.
func (v view) warmthView(current []resolver.Member) scale.WarmthView {
	replicas := make([]scale.Warm, len(current))
	for i, m := range current {
		temperature := scale.Running
		if m.Warmth == resolver.Asleep || m.State == function.Paused && m.Warmth == resolver.Awake {
			temperature = scale.Frozen
			if v.note(m.ID).reclaimed {
				temperature = scale.Reclaimed
			}
		}
		replicas[i] = scale.Warm{
			ID: m.ID, Revision: m.Revision, Temperature: temperature, Changing: v.changing[m.ID],
			Ready: m.Ready, InFlight: m.InFlight, LastUsed: m.LastUsed, Since: v.note(m.ID).since,
		}
	}
	return scale.WarmthView{
		Now: v.now, Policy: v.policy, Revision: v.want.Revision, Replicas: replicas,
		Starting: v.starting, Want: v.want.Replicas, Busy: v.needed, Waiting: v.waiting, IdleSince: v.idleSince,
		CanReclaim: true,
	}
}

// pick returns the replicas that have these IDs, in their order.
func pick(members []resolver.Member, ids []string) []function.Replica {
	var list []function.Replica
	for _, id := range ids {
		for _, m := range members {
			if m.ID == id {
				list = append(list, m.Replica)
			}
		}
	}
	return list
}

func earlier(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}

// sort puts each member where it belongs: to be buried, thawed or probed, and
// among the live replicas of the wanted revision or of others.
func (v view) sort(p *plan) (current, others []resolver.Member) {
	for _, m := range v.members {
		if v.isStranded(m) {
			p.thaw = append(p.thaw, m.Replica)
		}
		if v.leaving[m.ID] {
			continue
		}
		if m.Withdrawn && m.State != function.Exited {
			p.retire = append(p.retire, m.Replica) // once more: it could not be stopped
			continue
		}
		switch m.State {
		case function.Exited:
			p.bury = append(p.bury, m)
			continue
		case function.Created:
			// Either one of ours is between create and start, or a provider died there.
			if v.making == 0 {
				p.bury = append(p.bury, m)
			}
			continue
		case function.Paused:
			// Lent while it slept: the thaw is what its borrower waits for.
			if m.Warmth == resolver.Waking && !v.changing[m.ID] {
				p.thaw = append(p.thaw, m.Replica)
			}
		case function.Running:
			if !m.Ready && !v.probing[m.ID] && !v.changing[m.ID] && (!v.isShelved(m) || m.Recalled) {
				p.probe = append(p.probe, m.Replica)
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

// fill starts what is missing, after the image and the secrets are in place, and
// not before a failure's pause is over.
func (p *plan) fill(v view, missing scale.WarmthPlan) {
	if missing.Start+missing.Spares <= 0 && !v.stale {
		return
	}
	if v.preparing {
		return
	}
	if v.now.Before(v.notBefore) {
		p.again = v.notBefore
		return
	}
	if !v.prepared {
		p.prepare = true
		return
	}
	p.start, p.spares = missing.Start, missing.Spares
}

func replicas(members []resolver.Member) []function.Replica {
	list := make([]function.Replica, len(members))
	for i, m := range members {
		list[i] = m.Replica
	}
	return list
}
