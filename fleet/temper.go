package fleet

import (
	"context"
	"errors"
	"time"

	"faas-docker/function"
)

// temperTimeout bounds what takes the engine a few milliseconds.
const temperTimeout = 5 * time.Second

// freeze pauses a replica that has no invocation in flight. One that was lent
// meanwhile is left alone, and one that is lent while it is being paused is thawed
// as soon as it is.
func (w *worker) freeze(ctx context.Context, replica function.Replica) {
	if !w.fleet.Resolver.Freeze(w.name, replica.ID) {
		return
	}
	w.of(replica.ID).pulse = nil
	w.temper(ctx, replica, w.fleet.Engine.Pause, func(w *worker, listing uint64, err error) {
		if err != nil {
			w.fleet.log(err)("replica not frozen", "function", w.name, "replica", replica.Instance, "err", err)
			if !w.inService(replica.Revision) {
				w.retire(ctx, replica)
				return
			}
			w.fleet.Resolver.Rouse(w.name, replica.ID)
			w.fleet.Resolver.Woken(w.name, replica.ID, listing)
			return
		}
		w.of(replica.ID).intact = true
		w.fleet.Resolver.Paused(w.name, replica.ID, listing)
		w.fleet.Logger.Debug("replica frozen", "function", w.name, "replica", replica.Instance)
	})
}

// thaw lets a paused replica run again. It is in rotation from now on: what is
// sent to it meanwhile waits in the kernel. One that cannot be thawed is lost.
func (w *worker) thaw(ctx context.Context, replica function.Replica) {
	w.fleet.Resolver.Doze(w.name, replica.ID)
	w.fleet.Resolver.Rouse(w.name, replica.ID)
	began := time.Now()
	w.temper(ctx, replica, w.revive(replica), func(w *worker, listing uint64, err error) {
		if err != nil {
			w.fleet.log(err)("replica not thawed", "function", w.name, "replica", replica.Instance, "err", err)
			w.note("replica %s could not be thawed: %v", replica.Instance, err)
			w.fleet.Resolver.Lose(replica, neverThawed(err))
			if !w.leaving[replica.ID] {
				w.retire(ctx, replica)
			}
			return
		}
		w.of(replica.ID).reclaimed = false
		w.fleet.Resolver.Woken(w.name, replica.ID, listing)
		w.fleet.Logger.Debug("replica thawed", "function", w.name, "replica", replica.Instance, "took", time.Since(began).Round(100*time.Microsecond))
	})
}

// neverThawed reports whether a thaw that failed has certainly had no effect: an
// engine that did not answer may have done what it was asked for.
func neverThawed(err error) bool {
	return !isAway(err)
}

// temper changes a replica's temperature beside the worker. A replica that has the
// wanted one already is a success. done is told the number of the listing that would begin
// just then: what it would show counts for more.
func (w *worker) temper(ctx context.Context, replica function.Replica, act func(context.Context, string) error, done func(*worker, uint64, error)) {
	w.changing[replica.ID] = true
	w.task(func() func(*worker) {
		err := w.act(ctx, replica.ID, act)
		listing := w.fleet.Resolver.Listing()
		return func(w *worker) {
			delete(w.changing, replica.ID)
			if ctx.Err() == nil {
				w.of(replica.ID).since = time.Now()
				done(w, listing, err)
			}
		}
	})
}

// act bounds what the engine does to a replica's temperature.
func (w *worker) act(ctx context.Context, id string, act func(context.Context, string) error) error {
	limited, cancel := context.WithTimeout(ctx, temperTimeout)
	defer cancel()
	if err := act(limited, id); !errors.Is(err, function.ErrConflict) {
		return err
	}
	return nil
}
