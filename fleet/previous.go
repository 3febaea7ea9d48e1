package fleet

import (
	"faas-docker/function"
	"faas-docker/resolver"
)

// isShelved reports whether a member belongs to the revision that is only kept for
// a way back: it takes no calls.
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
		return m.Ready || m.Kept || m.Warmth == resolver.Asleep
	}
	return v.now.Before(previous.Until)
}

// replace takes what serves no longer out of rotation to keep it, and counts what
// does not stay.
func (p *plan) replace(v view, others []resolver.Member) (left int) {
	for _, m := range others {
		switch {
		case !v.keeps(m):
			left++
		case v.keeping[m.ID] || m.Kept && m.State == function.Paused:
		default:
			p.keep = append(p.keep, m.Replica)
		}
	}
	if previous := v.want.Previous; previous != nil && v.now.Before(previous.Until) {
		p.again = earlier(p.again, previous.Until)
	}
	return left
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
	alive := v.previous.starting
	for _, m := range others {
		if m.Revision == previous.Revision {
			alive++
		}
	}
	if alive >= wanted {
		return
	}
	if v.now.Before(v.previous.notBefore) {
		p.again = earlier(p.again, v.previous.notBefore)
		return
	}
	p.sustain = wanted - alive
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

// regained picks those on their way to be kept that are wanted again.
func (v view) regained(current []resolver.Member) []function.Replica {
	var list []function.Replica
	for _, m := range current {
		if v.keeping[m.ID] {
			list = append(list, m.Replica)
		}
	}
	return list
}
