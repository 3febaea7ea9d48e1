package fleet

import (
	"context"
	"time"

	"faas-docker/function"
)

// keep takes a replica out of rotation, lets its invocations end, and freezes it.
// One whose invocations take too long is stopped, as it would be without a way
// back.
func (w *worker) keep(ctx context.Context, replica function.Replica) {
	idle := w.fleet.Resolver.Keep(w.name, replica.ID)
	waiting, regain := context.WithCancel(ctx)
	w.keeping[replica.ID] = regain
	limit := w.specOf(replica.Revision).DrainTimeout(w.fleet.DrainTimeout)
	w.task(func() func(*worker) {
		defer regain()
		drained := drained(waiting, idle, limit)
		if !drained {
			regained := waiting.Err() != nil
			return func(w *worker) {
				delete(w.keeping, replica.ID)
				if !regained {
					w.retire(ctx, replica)
				}
			}
		}
		err := w.act(ctx, replica.ID, w.fleet.Engine.Pause)
		return func(w *worker) {
			delete(w.keeping, replica.ID)
			w.keptOrNot(ctx, replica, err)
		}
	})
}

func (w *worker) keptOrNot(ctx context.Context, replica function.Replica, err error) {
	switch {
	case ctx.Err() != nil:
	case err != nil:
		w.fleet.Logger.Error("replica not kept for a rollback", "function", w.name, "replica", replica.Instance, "err", err)
		w.retire(ctx, replica)
	default:
		w.of(replica.ID).since = time.Now()
		w.fleet.Resolver.Paused(w.name, replica.ID)
		w.fleet.Logger.Info("replica kept for a rollback", "function", w.name, "replica", replica.Instance)
	}
}

// confirm writes down that the wanted revision takes the calls: from now on the one
// before is only kept, for its window, or not at all.
func (w *worker) confirm() {
	window := w.window()
	changed, err := w.fleet.Store.Change(w.name, func(stored function.Function) (function.Function, bool) {
		same := stored.Revision == w.last.Revision
		stored.Answered = true
		stored.Previous = shelve(stored.Previous, window)
		return stored, same
	})
	w.rewritten(changed, err)
}

// shelve begins the window of a revision that serves no longer.
func shelve(previous *function.Previous, window time.Duration) *function.Previous {
	if previous == nil || window <= 0 {
		return nil
	}
	shelved := *previous
	if shelved.Serving() {
		shelved.Until = time.Now().Add(window).UTC()
	}
	return &shelved
}

// lookBack adds what is known of the revision before.
func (w *worker) lookBack(v *view) {
	if v.want == nil || v.want.Previous == nil {
		return
	}
	revision := v.want.Previous.Revision
	v.window = w.window()
	v.previous = sustained{
		starting:  w.unseen(revision, v.members),
		notBefore: w.backoff(revision).notBefore,
		failing:   w.backoff(w.last.Revision).failures > 0,
	}
}

// expire forgets the revision before when its window is over.
func (w *worker) expire(wanted function.Function) function.Function {
	over := func(p *function.Previous) bool { return p != nil && !p.Serving() && !time.Now().Before(p.Until) }
	if !over(wanted.Previous) {
		return wanted
	}
	changed, err := w.fleet.Store.Change(w.name, func(stored function.Function) (function.Function, bool) {
		expired := over(stored.Previous)
		if expired {
			stored.Previous = nil
		}
		return stored, expired
	})
	if err != nil {
		w.rewritten(changed, err)
		return wanted
	}
	w.untidy = true
	w.want(changed)
	return changed
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
