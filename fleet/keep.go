package fleet

import (
	"context"
	"time"

	"faas-docker/function"
	"faas-docker/replica"
	"faas-docker/resolver"
)

// keep takes a replica out of rotation that may be wanted back. Until then the routes
// that ask for the revision before may have it, unless that is what a rollback has left.
func (w *worker) keep(ctx context.Context, m resolver.Member) {
	left, role := m.Revision > w.last.Revision, replica.Previous
	if left {
		role = replica.Aside
	}
	w.tell(m.ID, replica.Event{Kind: replica.Keep, Role: role})
	w.of(m.ID).kept = time.Now()
	if left {
		w.mark(ctx, m.Replica, true)
	}
	w.fleet.Logger.Info("replica kept for a rollback", "function", w.name, "replica", m.Instance)
	w.post(nil)
}

// unkeep puts a replica that was kept back into rotation.
func (w *worker) unkeep(ctx context.Context, m resolver.Member) {
	w.tell(m.ID, replica.Event{Kind: replica.Unkeep})
	if m.Left || w.of(m.ID).left {
		w.mark(ctx, m.Replica, false)
	}
}

// mark tells the engine whether a rollback has left a replica, so that a provider
// that has lost its store knows which revision served. If the engine does not take
// it, that is all that is lost.
func (w *worker) mark(ctx context.Context, replica function.Replica, left bool) {
	n := w.of(replica.ID)
	n.left = left
	if n.marking {
		return
	}
	n.marking = true
	w.task(func() func(*worker) {
		if err := w.fleet.Engine.Leave(ctx, replica, left); err != nil && ctx.Err() == nil {
			w.fleet.log(err)("replica not marked for adoption", "function", w.name, "replica", replica.Instance, "left", left, "err", err)
		}
		return func(w *worker) {
			n.marking = false
			if n.left != left {
				w.mark(ctx, replica, n.left)
			}
		}
	})
}

// confirm writes down that the wanted revision takes the calls: from now on the one
// before is only kept, for its window, or not at all.
func (w *worker) confirm() {
	window := w.fleet.window(w.last)
	changed, err := w.fleet.Store.Change(w.name, func(stored function.Function) (function.Function, bool) {
		same := stored.Revision == w.last.Revision
		stored.Answered = true
		stored.Previous = w.fleet.shelve(stored.Previous, window)
		return stored, same
	})
	w.rewritten(changed, err)
}

// shelve begins the window of a revision that serves no longer.
func (f *Fleet) shelve(previous *function.Previous, window time.Duration) *function.Previous {
	if previous == nil || window <= 0 {
		return nil
	}
	shelved := *previous
	if shelved.Serving() {
		shelved.Until = f.Wall().Add(window).UTC()
	}
	return &shelved
}

// lookBack adds what is known of the revision before.
func (w *worker) lookBack(v *view) {
	if v.want == nil || v.want.Previous == nil {
		return
	}
	revision := v.want.Previous.Revision
	v.previous = previousView{
		window:    w.fleet.window(*v.want),
		until:     w.window.ends,
		starting:  w.unseen(revision, v.members),
		notBefore: w.backoff(revision).notBefore,
		failing:   w.backoff(w.last.Revision).failures > 0,
		drain:     v.want.Previous.Settings().DrainTimeout(w.fleet.DrainTimeout),
	}
}

// rewritten takes note of what the store says of the function by now.
func (w *worker) rewritten(changed function.Function, err error) {
	if err != nil {
		if !w.forgetful {
			w.fleet.Logger.Error("revision not saved", "function", w.name, "err", err)
		}
		w.forgetful = true
		return
	}
	w.forgetful, w.untidy = false, true
	w.want(changed)
	w.post(nil)
}

// window is how long the revision that a wanted one replaces is kept.
func (f *Fleet) window(wanted function.Function) time.Duration {
	window, err := wanted.RollbackWindow()
	if err != nil {
		// Deployments with a bad window are refused; this one is older than the rule.
		f.Logger.Error("rollback window ignored", "function", wanted.ID(), "err", err)
	}
	return window
}

// leansBack reports whether the calls that the wanted revision fails to take are
// taken by the one before, as far as is known.
func (w *worker) leansBack() bool {
	return w.last.Previous.Serving() && w.backoff(w.last.Previous.Revision).failures == 0
}

// deployment returns what a replica of a revision was made from, as far as that is still known.
func (w *worker) deployment(revision uint64) function.Function {
	if previous := w.last.Previous; previous != nil && previous.Revision == revision {
		return previous.Function()
	}
	return w.last
}

const (
	// clockCheck is how often the end of a way back, as it is written down, is compared
	// with the time of day.
	clockCheck = time.Minute
	// clockSlack is how far they may be apart: clocks are also set little by little.
	clockSlack = 5 * time.Second
)

// rollbackWindow is how long there is a way back. The store has its end as a time of day,
// because it outlives the provider; once that was read it is counted by the
// monotonic clock, so a jump of the time of day neither ends nor prolongs it. Only
// when the provider starts the time of day is believed: what is left then is at most
// the whole window. The zero value knows of none.
type rollbackWindow struct {
	revision uint64
	until    time.Time // as the store has it
	ends     time.Time // by the monotonic clock
}

// isOf reports whether p is what the window was reckoned for.
func (r rollbackWindow) isOf(p *function.Previous) bool {
	return p != nil && r.revision == p.Revision && r.until.Equal(p.Until)
}

// expire forgets the revision before when its window is over.
func (w *worker) expire(wanted function.Function) function.Function {
	previous := wanted.Previous
	if previous == nil || previous.Serving() {
		w.window = rollbackWindow{}
		return wanted
	}
	wall, now := w.fleet.Wall(), time.Now()
	if !w.window.isOf(previous) {
		left := min(previous.Until.Sub(wall), w.fleet.window(wanted))
		w.window = rollbackWindow{revision: previous.Revision, until: previous.Until, ends: now.Add(left)}
	}
	left := w.window.ends.Sub(now)
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
		same := w.window.isOf(stored.Previous)
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
		w.window.until = previous.Until
	}
	w.untidy = w.untidy || previous == nil
	w.want(changed)
	return changed
}
