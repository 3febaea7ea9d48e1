package resolver

import (
	"math/rand/v2"
	"slices"

	"faas-docker/replica"
)

// rotation is the members of a pool that calls of one kind are lent to.
type rotation struct {
	ready  []*member
	frozen []*member // the one frozen last is the last
	turn   int       // whose turn it is among equals
}

// lastFrozen is the member that was frozen last: most of it is still in the processor's caches
// and in memory. One whose memory is being reclaimed thaws only after that, and comes last. It is
// nil when none is frozen.
func (r *rotation) lastFrozen() *member {
	var last *member
	for _, m := range slices.Backward(r.frozen) {
		if m.record.Operation == replica.NoOperation {
			return m
		}
		if last == nil {
			last = m
		}
	}
	return last
}

// choices is how many ready members are compared with one another. With more
// there are two choices: the next in turn, and a random other one, of which the
// less busy takes the call. That is within a constant of the best there is
// (Mitzenmacher, "The Power of Two Choices in Randomized Load Balancing", 2001)
// and costs the same for a thousand replicas as for five.
const choices = 4

// leastBusy finds a ready member with few invocations in flight, and capacity for one more:
// each may have most, where zero is no limit. Equals take turns.
func (r *rotation) leastBusy(most int) *member {
	count := len(r.ready)
	if count == 0 {
		return nil
	}
	r.turn++
	first := r.turn % count
	best := r.ready[first]
	if count > choices {
		best = lessBusy(best, r.ready[(first+1+rand.IntN(count-1))%count])
	}
	if count <= choices || best.isFull(most) {
		for i := range count {
			best = lessBusy(best, r.ready[(first+i)%count])
		}
	}
	if best.isFull(most) {
		return nil
	}
	return best
}

func (m *member) isFull(most int) bool { return most > 0 && m.record.InFlight >= most }

func lessBusy(a, b *member) *member {
	if b.record.InFlight < a.record.InFlight {
		return b
	}
	return a
}

func without(list []*member, m *member) []*member {
	return slices.DeleteFunc(list, func(other *member) bool { return other == m })
}
