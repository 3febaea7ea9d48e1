package fleet

import (
	"context"
	"errors"
	"time"

	"faas-docker/function"
	"faas-docker/replica"
	"faas-docker/resolver"
)

// temperTimeout bounds what takes the engine a few milliseconds.
const temperTimeout = 5 * time.Second

// freeze pauses a replica that has no invocation in flight. One that was lent
// meanwhile is left alone, and one that is called for while it is being paused is lent,
// and thawed, as soon as it is.
func (w *worker) freeze(ctx context.Context, m resolver.Member) {
	begun := w.temper(ctx, m, replica.Pause, w.fleet.Engine.Pause, func(w *worker, listing uint64, err error) {
		switch {
		case err == nil:
			w.fleet.Logger.Debug("replica frozen", "function", w.name, "replica", m.Instance)
			w.tell(m.ID, replica.Event{Kind: replica.Paused, Listing: listing})
			return
		case !inService(w.last, m.Revision):
			w.retire(ctx, m)
		case isAway(err):
			w.unfreeze(ctx, m)
		default:
			w.woken(m.ID, listing)
		}
		w.temperFailed(m, "replica not frozen", err)
	})
	if begun {
		w.of(m.ID).pulses = pulses{}
	}
}

// unfreeze lets a replica run of which it is not known whether it was paused, or still
// will be: the engine does one after the other. It is lent no sooner.
func (w *worker) unfreeze(ctx context.Context, m resolver.Member) {
	w.temper(ctx, m, replica.Thaw, w.fleet.Engine.Unpause, func(w *worker, listing uint64, err error) {
		if err != nil {
			w.temperFailed(m, "replica not thawed after an unanswered pause", err)
			w.retire(ctx, m)
			return
		}
		w.woken(m.ID, listing)
	})
}

// woken takes note that a replica which was to be frozen runs again.
func (w *worker) woken(id string, listing uint64) {
	w.tell(id, replica.Event{Kind: replica.Rouse})
	w.tell(id, replica.Event{Kind: replica.Woken, Listing: listing})
}

// thaw lets a paused replica run again. It is in rotation from now on: what is
// sent to it meanwhile waits in the kernel. One that cannot be thawed is lost.
func (w *worker) thaw(ctx context.Context, m resolver.Member) {
	w.adoptFrozen(ctx, m)
	w.tell(m.ID, replica.Event{Kind: replica.Rouse})
	began := time.Now()
	w.temper(ctx, m, replica.Thaw, w.revive(m), func(w *worker, listing uint64, err error) {
		if err != nil {
			w.temperFailed(m, "replica not thawed", err)
			w.note("replica %s could not be thawed: %v", m.Instance, err)
			w.retire(ctx, m)
			// An engine that did not answer may have done what it was asked for.
			w.fleet.Resolver.ThawFailed(m.Replica, !isAway(err))
			return
		}
		w.tell(m.ID, replica.Event{Kind: replica.Woken, Listing: listing})
		w.fleet.Logger.Debug("replica thawed", "function", w.name, "replica", m.Instance, "took", time.Since(began).Round(100*time.Microsecond))
	})
}

// adoptFrozen has a replica lent from now on that somebody else has paused.
func (w *worker) adoptFrozen(_ context.Context, m resolver.Member) {
	w.tell(m.ID, replica.Event{Kind: replica.AdoptFrozen})
}

// temperFailed says so, and has the next attempt wait.
func (w *worker) temperFailed(m resolver.Member, failure string, err error) {
	wait := w.of(m.ID).tempering.failed(err)
	w.fleet.log(err)(failure, "function", w.name, "replica", m.Instance, "err", err, "retry_in", wait)
}

// temper changes a replica's temperature, unless something else is being done to it. done is
// told the number of the listing that would begin just then, which counts for more;
// zero when the engine has changed nothing.
func (w *worker) temper(ctx context.Context, m resolver.Member, op replica.Operation, act func(context.Context, string) error, done func(*worker, uint64, error)) (begun bool) {
	return w.operate(ctx, m.ID, op, func() func(*worker) {
		limited, cancel := context.WithTimeout(ctx, temperTimeout)
		defer cancel()
		err, listing := act(limited, m.ID), uint64(0)
		switch {
		case err == nil:
			listing = w.fleet.Resolver.Listing()
		case errors.Is(err, function.ErrConflict):
			// It was not in the state that it was to leave: it may have been paused or thawed by
			// hand, or have died. What the next listing shows decides then.
			err = nil
		}
		return func(w *worker) {
			n := w.of(m.ID)
			n.since = time.Now()
			if err == nil {
				n.tempering = attempts{}
			}
			done(w, listing, err)
		}
	})
}
