package fleet

import (
	"time"

	"faas-docker/function"
)

const (
	// clockCheck is how often the end of a way back, as it is written down, is compared
	// with the time of day.
	clockCheck = time.Minute
	// clockSlack is how far they may be apart: clocks are also set little by little.
	clockSlack = 5 * time.Second
)

// way is how long there is a way back. The store has its end as a time of day,
// because it outlives the provider; once that was read it is counted by a clock that
// nobody can set, so a jump of the time of day neither ends nor prolongs the way. Only
// when the provider starts the time of day is believed: what is left then is at most
// the whole window. The zero value knows of none.
type way struct {
	revision uint64
	until    time.Time // as the store has it
	ends     time.Time // by the clock that nobody can set
}

// isOf reports whether p is what the way was reckoned for.
func (b way) isOf(p *function.Previous) bool {
	return p != nil && b.revision == p.Revision && b.until.Equal(p.Until)
}

// expire forgets the revision before when its window is over.
func (w *worker) expire(wanted function.Function) function.Function {
	previous := wanted.Previous
	if previous == nil || previous.Serving() {
		w.way = way{}
		return wanted
	}
	wall, now := w.fleet.Wall(), time.Now()
	if !w.way.isOf(previous) {
		left := min(previous.Until.Sub(wall), w.window())
		w.way = way{revision: previous.Revision, until: previous.Until, ends: now.Add(left)}
	}
	left := w.way.ends.Sub(now)
	if left <= 0 {
		return w.revise(wanted, nil)
	}
	if drift := previous.Until.Sub(wall) - left; drift.Abs() <= clockSlack {
		return wanted
	}
	moved := *previous
	moved.Until = wall.Add(left).UTC()
	return w.revise(wanted, &moved)
}

// revise writes down what has become of the revision before.
func (w *worker) revise(wanted function.Function, previous *function.Previous) function.Function {
	changed, err := w.fleet.Store.Change(w.name, func(stored function.Function) (function.Function, bool) {
		same := w.way.isOf(stored.Previous)
		if same {
			stored.Previous = previous
		}
		return stored, same
	})
	if err != nil {
		w.rewritten(changed, err)
		return wanted
	}
	if previous != nil {
		w.way.until = previous.Until
	}
	w.untidy = w.untidy || previous == nil
	w.want(changed)
	return changed
}
