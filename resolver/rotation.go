package resolver

import "slices"

// rotation is the members of a pool that calls of one kind are lent to.
type rotation struct {
	ready  []*member
	asleep []*member // those frozen, the last one frozen last
	turn   int       // whose turn it is among equals
}

func (r *rotation) leastOfAll(first int) *member {
	best := r.ready[first]
	for i := 1; i < len(r.ready); i++ {
		best = lessBusy(best, r.ready[(first+i)%len(r.ready)])
	}
	return best
}

// setReady puts a member into its rotation or takes it out.
func (m *member) setReady(ready bool) {
	if m.ready != ready {
		m.ready = ready
		m.rotation.ready = listed(m.rotation.ready, m, ready)
	}
}

// setWarmth keeps the list of sleepers.
func (m *member) setWarmth(warmth Warmth) {
	if was, is := m.warmth == Asleep, warmth == Asleep; was != is {
		m.rotation.asleep = listed(m.rotation.asleep, m, is)
	}
	m.warmth = warmth
}

// move puts a member into another rotation, as ready and as warm as it is.
func (m *member) move(to *rotation) {
	ready, warmth := m.ready, m.warmth
	m.setReady(false)
	m.setWarmth(Awake)
	m.rotation = to
	m.setReady(ready)
	m.setWarmth(warmth)
}

// listed returns the list with m at its end, or without it.
func listed(list []*member, m *member, is bool) []*member {
	if is {
		return append(list, m)
	}
	return slices.DeleteFunc(list, func(other *member) bool { return other == m })
}
