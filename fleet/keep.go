package fleet

import (
	"context"
	"time"

	"faas-docker/function"
)

// keep takes a replica out of rotation that may be wanted back. Until then the routes
// that ask for the revision before may have it, unless that is what a rollback has left.
func (w *worker) keep(ctx context.Context, replica function.Replica) {
	left := replica.Revision > w.last.Revision
	w.fleet.Resolver.Keep(w.name, replica.ID, !left)
	w.of(replica.ID).kept = time.Now()
	if left {
		w.mark(ctx, replica, true)
	}
	w.fleet.Logger.Info("replica kept for a rollback", "function", w.name, "replica", replica.Instance)
	w.post(nil)
}

// regain puts a replica that was kept back into rotation.
func (w *worker) regain(ctx context.Context, replica function.Replica) {
	w.fleet.Resolver.Regain(w.name, replica.ID)
	if replica.Left || w.of(replica.ID).left {
		w.mark(ctx, replica, false)
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
	window := w.window()
	changed, err := w.fleet.Store.Change(w.name, func(stored function.Function) (function.Function, bool) {
		same := stored.Revision == w.last.Revision
		stored.Answered = true
		stored.Previous = w.shelve(stored.Previous, window)
		return stored, same
	})
	w.rewritten(changed, err)
}

// shelve begins the window of a revision that serves no longer.
func (w *worker) shelve(previous *function.Previous, window time.Duration) *function.Previous {
	if previous == nil || window <= 0 {
		return nil
	}
	shelved := *previous
	if shelved.Serving() {
		shelved.Until = w.fleet.Wall().Add(window).UTC()
	}
	return &shelved
}

// lookBack adds what is known of the revision before.
func (w *worker) lookBack(v *view) {
	if v.want == nil || v.want.Previous == nil {
		return
	}
	revision := v.want.Previous.Revision
	v.window, v.wayEnds = w.window(), w.way.ends
	v.previous = sustained{
		starting:  w.unseen(revision, v.members),
		notBefore: w.backoff(revision).notBefore,
		failing:   w.backoff(w.last.Revision).failures > 0,
		drain:     v.want.Previous.Spec.DrainTimeout(w.fleet.DrainTimeout),
	}
}

// rewritten takes note of what the store says of the function by now.
func (w *worker) rewritten(changed function.Function, err error) {
	if err != nil {
		if !w.forgetful {
			w.fleet.Logger.Error("revision not written down", "function", w.name, "err", err)
		}
		w.forgetful = true
		return
	}
	w.forgetful, w.untidy = false, true
	w.want(changed)
	w.post(nil)
}

// window is how long the revision that the wanted one replaces is kept.
func (w *worker) window() time.Duration {
	window, err := w.last.RollbackWindow()
	if err != nil {
		// Deployments with a bad window are refused; this one is older than the rule.
		w.fleet.Logger.Error("rollback window passed over", "function", w.name, "err", err)
	}
	return window
}

// leansBack reports whether the calls that the wanted revision fails to take are
// taken by the one before, as far as is known.
func (w *worker) leansBack() bool {
	previous := w.last.Previous
	return previous != nil && previous.Serving() && w.backoff(previous.Revision).failures == 0
}

// specOf returns what a replica of a revision was made from, as far as that is
// still known.
func (w *worker) specOf(revision uint64) function.Spec {
	if previous := w.last.Previous; previous != nil && previous.Revision == revision {
		return previous.Spec
	}
	return w.last.Spec
}
