package fleet

import (
	"cmp"
	"context"
	"slices"
	"sync"

	"faas-docker/fleet/scale"
	"faas-docker/function"
)

// startQueue hands out the slots in which containers are made: an engine that is asked for
// too many at a time makes all of them late. Those that callers need have all slots; the
// others, such as those of updates, get about as many as the engine has processors, and one
// while a caller waits for another. The next turn goes to a start that is needed, then to the function with the fewest slots,
// then to the one that has waited longest. It is safe for concurrent use.
type startQueue struct {
	// urgent reports whether callers wait for a function. It is asked under mu.
	urgent func(function.Name) bool
	slots  int

	mu         sync.Mutex
	calm       int // slots for starts without a caller
	busy       int
	urgentBusy int // slots of those that callers need
	held       map[function.Name]int
	waiting    []*startTurn // first come, first
}

// startTurn is one start that waits for a slot; granted is closed when it has one.
type startTurn struct {
	name function.Name
	// needed is set when callers need it, though none may wait.
	needed  bool
	granted chan struct{}
}

func newStartQueue(slots int, urgent func(function.Name) bool) *startQueue {
	return &startQueue{urgent: urgent, slots: slots, calm: slots - slots/4, held: map[function.Name]int{}}
}

// mostStarts is how many containers may be in the making at a time.
const mostStarts = 8

// fewCalm is how many containers are made at a time without a caller in line, on the smallest
// machine too: a good part of each start is waiting for the kernel.
const fewCalm = 3

// fit sets the slots for starts without a caller: one per processor of the engine, but at least fewCalm
// and at most three quarters of all slots, which are taken where the processors are not known.
func (q *startQueue) fit(host scale.Resources) {
	calm := q.slots - q.slots/4
	if cpus := int(host.CPU / 1e9); cpus > 0 {
		calm = min(calm, max(fewCalm, cpus))
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	q.calm = calm
	q.grant()
}

// take waits for a slot until ctx ends. Without an error, release has to be called once.
func (q *startQueue) take(ctx context.Context, name function.Name, needed bool) (release func(), err error) {
	turn := &startTurn{name: name, needed: needed, granted: make(chan struct{})}
	q.mu.Lock()
	q.waiting = append(q.waiting, turn)
	q.grant()
	q.mu.Unlock()
	select {
	case <-turn.granted:
	case <-ctx.Done():
	}
	if err := ctx.Err(); err != nil { // both may be at a time
		q.leave(turn)
		return nil, err
	}
	return func() { q.leave(turn) }, nil
}

// leave takes a turn out of the line, or gives its slot back.
func (q *startQueue) leave(turn *startTurn) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if i := slices.Index(q.waiting, turn); i >= 0 {
		q.waiting = slices.Delete(q.waiting, i, i+1)
		return
	}
	q.count(turn, -1)
	q.grant()
}

// count requires mu, and so do the methods below.
func (q *startQueue) count(turn *startTurn, change int) {
	q.busy += change
	if turn.needed {
		q.urgentBusy += change
	}
	if q.held[turn.name] += change; q.held[turn.name] == 0 {
		delete(q.held, turn.name)
	}
}

// grant hands out the slots that are free to those that may have them.
func (q *startQueue) grant() {
	for q.busy < q.slots && len(q.waiting) > 0 {
		i := q.next()
		if i < 0 {
			return
		}
		turn := q.waiting[i]
		q.waiting = slices.Delete(q.waiting, i, i+1)
		q.count(turn, 1)
		close(turn.granted)
	}
}

// next picks whose turn it is; negative when the free slots are kept for others. It marks the turns as
// needed whose functions have callers in line by now.
func (q *startQueue) next() int {
	chosen := -1
	asked := map[function.Name]bool{}
	for i, turn := range q.waiting {
		if _, known := asked[turn.name]; !known {
			asked[turn.name] = q.urgent(turn.name)
		}
		turn.needed = turn.needed || asked[turn.name]
		if q.may(turn) && (chosen < 0 || q.precedes(turn, q.waiting[chosen])) {
			chosen = i
		}
	}
	return chosen
}

func (q *startQueue) precedes(a, b *startTurn) bool {
	return cmp.Or(scale.TrueFirst(a.needed, b.needed), cmp.Compare(q.held[a.name], q.held[b.name])) < 0
}

// may reports whether a start may have one of the free slots. No function has the last slot of a kind,
// unless it has none yet.
func (q *startQueue) may(turn *startTurn) bool {
	most := q.slots
	if !turn.needed {
		if most = q.calm; q.urgentBusy > 0 {
			most = 1
		}
	}
	return q.busy < q.slots && (turn.needed || q.busy-q.urgentBusy < most) && q.held[turn.name] < max(1, most-1)
}
