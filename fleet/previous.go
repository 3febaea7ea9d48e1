package fleet

import (
	"slices"
	"time"

	"faas-docker/fleet/scale"
	"faas-docker/function"
	"faas-docker/replica"
	"faas-docker/resolver"
)

// The revision before the wanted one is its previous. It serves (function.Previous.Serving) until the wanted
// one answers. Then it is shelved: its replicas are kept, frozen, for a way back (role Previous), or, of a
// revision that a rollback went back from, set aside (role Aside). One that a route asks for is recalled.
// Superseded are replicas of revisions that are neither wanted nor previous; stranded is one that was lent,
// asleep, just before it was withdrawn.

// recallRest is how long a kept replica that was lent goes without a call before it is
// frozen again.
const recallRest = 10 * time.Second

// isShelved reports whether a member belongs to the revision that is only kept for
// a way back: it takes no calls but those that ask for it.
func (v view) isShelved(m resolver.Member) bool {
	return v.want != nil && v.isPrevious(m) && !v.want.Previous.Serving()
}

// isPrevious reports whether a member belongs to the revision before the wanted one.
func (v view) isPrevious(m resolver.Member) bool {
	return v.want.Previous != nil && m.Revision == v.want.Previous.Revision
}

// keeps reports whether a member of another revision stays for a way back: one that
// was seen to answer, of the revision that was replaced.
func (v view) keeps(m resolver.Member) bool {
	if !v.isPrevious(m) || v.previous.window <= 0 || !isLive(m) {
		return false
	}
	if v.want.Previous.Serving() {
		return m.IsKept() || canTakeCalls(m)
	}
	return v.now.Before(v.previous.until)
}

// replace takes what serves no longer out of rotation, to keep it or to stop it, and
// counts what does not stay.
func (p *plan) replace(v view, others []resolver.Member) (left int) {
	for _, m := range others {
		switch {
		case !v.keeps(m):
			left++
			p.retire = append(p.retire, m)
		case !m.IsKept():
			p.keep = append(p.keep, m)
		case !m.IsChanging() && !m.IsCold() && !m.IsThawing():
			p.cool(v, m)
		}
	}
	if previous := v.want.Previous; previous != nil && v.now.Before(v.previous.until) {
		p.again = scale.Earlier(p.again, scale.Earlier(v.previous.until, v.now.Add(clockCheck)))
	}
	return left
}

// discard stops the replicas of superseded revisions that do not take calls, so that they
// never begin to, and returns the others.
func (p *plan) discard(v view, others []resolver.Member) (left []resolver.Member) {
	useless := func(m resolver.Member) bool { return v.isSuperseded(m) && !canTakeCalls(m) }
	p.retire = append(p.retire, which(others, useless)...)
	return slices.DeleteFunc(others, useless)
}

// isSuperseded reports whether a member belongs to a revision that is neither wanted nor
// before the wanted one: it was updated before all of its replicas answered.
func (v view) isSuperseded(m resolver.Member) bool {
	return !m.IsKept() && m.Revision != v.want.Revision && !v.isPrevious(m)
}

// relieve stops the replicas of superseded revisions that take calls as soon as those of
// the wanted one and of the one before can take all of them.
func (p *plan) relieve(v view, able int, others []resolver.Member) {
	if able+len(which(v.serving(others), canTakeCalls)) >= v.want.Replicas {
		p.retire = append(p.retire, which(others, v.isSuperseded)...)
	}
}

// cool freezes a kept replica: at once when its calls have ended, and when it was recalled since, after
// a rest. One whose calls do not end is stopped, as it would be without a way back; but the calls of a
// recalled one, which were meant for it, may last.
func (p *plan) cool(v view, m resolver.Member) {
	due := v.now
	switch {
	case m.State == function.Paused:
		p.adoptFrozen = append(p.adoptFrozen, m)
		return
	case m.Role == replica.Recalled && !m.IsOpen():
		// It could not be reached, and is asked whether it answers.
		return
	case m.Role == replica.Recalled && m.InFlight > 0:
		due = v.now.Add(recallRest)
	case m.Role == replica.Recalled:
		due = m.LastUsed.Add(recallRest)
	case m.InFlight > 0:
		due = v.note(m.ID).kept.Add(v.previous.drain)
	}
	switch {
	case p.waits(v, due):
	case m.InFlight > 0:
		p.retire = append(p.retire, m)
	default:
		p.freeze = append(p.freeze, m)
	}
}

// isStranded reports whether a member was lent just before it was withdrawn, asleep:
// it has to run for the call to end.
func (v view) isStranded(m resolver.Member) bool {
	return m.IsLeaving() && m.State == function.Paused && m.InFlight > 0 && m.Operation == replica.NoOperation
}

// sustainPrevious replaces what is lost of the revision that still serves. More
// than it had are started only when the wanted revision fails, one and what the
// calls need; starts that were queued before the update are given up.
func (p *plan) sustainPrevious(v view, able int, others []resolver.Member) {
	previous := v.want.Previous
	if !previous.Serving() {
		return
	}
	wanted := min(previous.Replicas, v.want.Replicas)
	if v.previous.failing {
		wanted = max(wanted, min(max(1, v.needed), v.want.Replicas))
	}
	alive := v.previous.starting + len(v.serving(others))
	p.dropPrevious = max(0, min(alive-wanted, v.queued[previous.Revision]))
	if v.isRolling() || v.want.StopsFirst() {
		if !v.previous.failing {
			return // what was stopped makes room
		}
		alive += able
	}
	if alive < wanted && !p.waits(v, v.previous.notBefore) {
		p.sustain = wanted - alive
	}
}

// serving picks the members of the revision that serves until the wanted one answers.
func (v view) serving(others []resolver.Member) []resolver.Member {
	if !v.want.Previous.Serving() {
		return nil
	}
	return which(others, v.isPrevious)
}

// stalled picks the paused replicas that are not lent yet and not about to be
// thawed, as after a restart of the provider.
func stalled(current []resolver.Member, thawed []string) []resolver.Member {
	return which(current, func(m resolver.Member) bool {
		return m.Phase == replica.Stalled && !m.IsChanging() && !slices.Contains(thawed, m.ID)
	})
}
