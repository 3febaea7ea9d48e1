package fleet

import (
	"time"

	"faas-docker/function"
	"faas-docker/resolver"
)

// recallRest is how long a kept replica that was lent goes without a call before it is
// frozen again.
const recallRest = 10 * time.Second

// isShelved reports whether a member belongs to the revision that is only kept for
// a way back: it takes no calls but those that ask for it.
func (v view) isShelved(m resolver.Member) bool {
	return v.want != nil && v.want.Previous != nil && !v.want.Previous.Serving() && m.Revision == v.want.Previous.Revision
}

// keeps reports whether a member of another revision stays for a way back: one that
// was seen to answer, of the revision that was replaced.
func (v view) keeps(m resolver.Member) bool {
	previous := v.want.Previous
	if previous == nil || m.Revision != previous.Revision || v.window <= 0 || !isLive(m) {
		return false
	}
	if previous.Serving() {
		return m.Kept || v.canTakeCalls(m)
	}
	return v.now.Before(v.wayEnds)
}

// replace takes what serves no longer out of rotation, to keep it or to stop it, and
// counts what does not stay.
func (p *plan) replace(v view, others []resolver.Member) (left int) {
	for _, m := range others {
		switch {
		case !v.keeps(m):
			left++
			p.retire = append(p.retire, m.Replica)
		case !m.Kept:
			p.keep = append(p.keep, m.Replica)
		case !v.changing[m.ID] && m.Warmth == resolver.Awake:
			p.cool(v, m)
		}
	}
	if previous := v.want.Previous; previous != nil && v.now.Before(v.wayEnds) {
		p.again = earlier(p.again, earlier(v.wayEnds, v.now.Add(clockCheck)))
	}
	return left
}

// cool freezes a kept replica: at once when its calls have ended, and when it was
// lent since, after a rest. One whose calls do not end is stopped, as it would be
// without a way back.
func (p *plan) cool(v view, m resolver.Member) {
	due := v.now
	switch {
	case m.State == function.Paused:
		p.doze = append(p.doze, m.Replica)
		return
	case m.Recalled && !m.Ready:
		// It could not be reached, and is asked whether it answers.
		return
	case m.Recalled && m.InFlight > 0:
		due = v.now.Add(recallRest)
	case m.Recalled:
		due = m.LastUsed.Add(recallRest)
	case m.InFlight > 0:
		due = v.note(m.ID).kept.Add(v.previous.drain)
	}
	switch {
	case v.now.Before(due):
		p.again = earlier(p.again, due)
	case m.InFlight > 0:
		p.retire = append(p.retire, m.Replica)
	default:
		p.freeze = append(p.freeze, m.Replica)
	}
}

// isStranded reports whether a member was lent just before it was withdrawn, asleep:
// it has to run for the call to end.
func (v view) isStranded(m resolver.Member) bool {
	return m.Withdrawn && m.State == function.Paused && m.InFlight > 0 && !v.changing[m.ID]
}

// sustainPrevious replaces what is lost of the revision that still serves. More
// than it had are started only when the wanted revision fails, one and what the
// calls need.
func (p *plan) sustainPrevious(v view, others []resolver.Member) {
	previous := v.want.Previous
	if previous == nil || !previous.Serving() {
		return
	}
	wanted := min(previous.Replicas, v.want.Replicas)
	if v.previous.failing {
		wanted = max(wanted, min(max(1, v.needed), v.want.Replicas))
	}
	alive := v.previous.starting + len(v.serving(others))
	if alive >= wanted {
		return
	}
	if v.now.Before(v.previous.notBefore) {
		p.again = earlier(p.again, v.previous.notBefore)
		return
	}
	p.sustain = wanted - alive
}

// serving picks the members of the revision that serves until the wanted one answers.
func (v view) serving(others []resolver.Member) []resolver.Member {
	previous := v.want.Previous
	if previous == nil || !previous.Serving() {
		return nil
	}
	var list []resolver.Member
	for _, m := range others {
		if m.Revision == previous.Revision {
			list = append(list, m)
		}
	}
	return list
}

// dozing picks the paused replicas that are not lent yet and not about to be
// thawed, as after a restart of the provider.
func (v view) dozing(current []resolver.Member, thawed []string) []function.Replica {
	soon := map[string]bool{}
	for _, id := range thawed {
		soon[id] = true
	}
	var list []function.Replica
	for _, m := range current {
		if m.State == function.Paused && m.Warmth == resolver.Awake && !v.changing[m.ID] && !soon[m.ID] {
			list = append(list, m.Replica)
		}
	}
	return list
}

// regained picks those that were kept and are wanted again.
func (v view) regained(current []resolver.Member) []function.Replica {
	var list []function.Replica
	for _, m := range current {
		if m.Kept {
			list = append(list, m.Replica)
		}
	}
	return list
}
