package fleet

import (
	"context"
	"errors"
	"fmt"
	"time"

	"faas-docker/function"
	"faas-docker/resolver"
)

// servedPatience is how long a pause callers are held for when the replica that died
// had served: its successor most likely will, too. They are told at once when no
// replica has ever answered.
const servedPatience = time.Second

// task runs act beside the worker; what act returns is run by the worker when it
// is done. nil means there is nothing to say. Run waits for both.
func (w *worker) task(act func() func(*worker)) {
	w.tasks++
	w.fleet.group.Go(func() {
		done := act()
		w.post(func(w *worker) {
			w.tasks--
			if done != nil {
				done(w)
			}
		})
	})
}

// prepare puts the image and the secrets of the wanted revision in place.
func (w *worker) prepare(ctx context.Context) {
	f, epoch, stale := w.last, w.epoch, w.stale
	w.preparing = true
	w.task(func() func(*worker) {
		if stale {
			w.fleet.refreshPrevious(ctx, f)
		}
		err := w.fleet.prepare(ctx, f)
		return func(w *worker) {
			w.preparing = false
			if err != nil {
				w.failedUnlessStopping(ctx, f.Revision, err)
				return
			}
			if w.epoch == epoch {
				w.prepared, w.stale = f.Revision, false
			}
		}
	})
}

func (f *Fleet) prepare(ctx context.Context, wanted function.Function) error {
	if wanted.ImageID == "" {
		id, err := f.Engine.Image(ctx, wanted.Image)
		if err != nil {
			return err
		}
		if wanted, err = f.setImage(wanted, id); err != nil {
			return err
		}
	}
	if len(wanted.Secrets) == 0 {
		return nil
	}
	values, err := f.secretValues(wanted)
	if err != nil {
		return err
	}
	return f.Engine.PutSecrets(ctx, wanted, values)
}

// refreshPrevious gives the secrets as they are now to the revision before, which
// may serve still or again. It fails for one whose secret was deleted since.
func (f *Fleet) refreshPrevious(ctx context.Context, wanted function.Function) {
	if wanted.Previous == nil {
		return
	}
	if err := f.prepare(ctx, wanted.Previous.Function()); err != nil && ctx.Err() == nil {
		f.Logger.Warn("secrets of the revision before not refreshed", "function", wanted.ID(), "err", err)
	}
}

// setImage writes down which image a revision means, unless another revision is
// wanted by now.
func (f *Fleet) setImage(wanted function.Function, id string) (function.Function, error) {
	wanted.ImageID = id
	_, err := f.Store.Change(wanted.ID(), func(stored function.Function) (function.Function, bool) {
		same := stored.Revision == wanted.Revision
		stored.ImageID = id
		return stored, same
	})
	return wanted, err
}

func (f *Fleet) secretValues(wanted function.Function) (map[string][]byte, error) {
	values := map[string][]byte{}
	for _, name := range wanted.Secrets {
		secret, err := f.Store.Secret(wanted.Namespace, name)
		if err != nil {
			return nil, err
		}
		values[name] = secret.Value
	}
	return values, nil
}

// startAll starts what is missing, as far as the host has room.
func (w *worker) startAll(ctx context.Context, p plan) {
	for range p.start {
		if !w.admit(ctx, w.last, false) {
			break
		}
	}
	for range p.sustain {
		if !w.admit(ctx, w.last.Previous.Function(), false) {
			break
		}
	}
	for range p.spares {
		if !w.admit(ctx, w.last, true) {
			break
		}
	}
}

// start makes one replica of a revision. What the wanted one needs is in place; of
// the one before, it may have been removed by hand.
func (w *worker) start(ctx context.Context, f function.Function, room room) {
	prepared := f.Revision == w.last.Revision
	w.starting[f.Revision]++
	w.task(func() func(*worker) {
		room.await(ctx)
		began, listing := time.Now(), w.fleet.Resolver.Listing()
		replica, err := w.fleet.startOne(ctx, f, prepared)
		return func(w *worker) {
			if w.starting[f.Revision]--; w.starting[f.Revision] == 0 {
				delete(w.starting, f.Revision)
			}
			if err != nil {
				w.startFailed(ctx, f, err)
				return
			}
			w.fleet.Logger.Info("replica started", "function", w.name, "replica", replica.Instance, "image", f.Image, "took", time.Since(began).Round(time.Millisecond))
			w.of(replica.ID).counted = true
			w.fleet.Resolver.Add(replica, listing)
		}
	})
}

func (f *Fleet) startOne(ctx context.Context, wanted function.Function, prepared bool) (function.Replica, error) {
	select {
	case f.starts <- struct{}{}:
		defer func() { <-f.starts }()
	case <-ctx.Done():
		return function.Replica{}, ctx.Err()
	}
	if !prepared {
		if err := f.prepare(ctx, wanted); err != nil {
			return function.Replica{}, err
		}
	}
	return f.Engine.Start(ctx, wanted)
}

// startFailed forgets what was prepared, because the image or the secrets may
// have been removed by hand: the next attempt puts both in place again.
func (w *worker) startFailed(ctx context.Context, f function.Function, err error) {
	if f.Revision == w.last.Revision {
		w.prepared = 0
	}
	if errors.Is(err, function.ErrNotFound) {
		if _, storeErr := w.fleet.setImage(f, ""); storeErr != nil {
			err = storeErr
		}
	}
	w.failedUnlessStopping(ctx, f.Revision, err)
}

// lived is how long a replica answered before it had to be given up; zero if it
// never did.
func (w *worker) lived(replica function.Replica) time.Duration {
	if !w.of(replica.ID).admitted {
		return 0
	}
	return w.age(replica.ID)
}

// failedUnlessStopping records a task's failure; one that only says that the
// program stops is none.
func (w *worker) failedUnlessStopping(ctx context.Context, revision uint64, err error) {
	if ctx.Err() == nil {
		w.failed(revision, 0, err.Error())
	}
}

// probe waits until the replica answers and puts it into rotation.
func (w *worker) probe(ctx context.Context, replica function.Replica) {
	limit := w.patience(replica)
	limited, cancel := context.WithTimeout(ctx, limit)
	w.probing[replica.ID] = cancel
	began := time.Now()
	path := w.specOf(replica.Revision).ReadyPath()
	w.task(func() func(*worker) {
		err := w.fleet.Await(limited, replica, path)
		late := limited.Err() == context.DeadlineExceeded && ctx.Err() == nil
		cancel()
		return func(w *worker) {
			delete(w.probing, replica.ID)
			switch {
			case err == nil && w.fleet.Resolver.Admit(w.name, replica.ID):
				w.of(replica.ID).admitted = true
				w.note("replica %s is ready", replica.Instance)
				w.fleet.Logger.Info("replica ready", "function", w.name, "replica", replica.Instance, "took", time.Since(began).Round(100*time.Microsecond))
			case late:
				w.giveUp(ctx, replica, fmt.Sprintf("has run for %s without answering on port %d: %v", limit, replica.Address.Port(), err))
			}
		}
	})
}

// giveUp replaces a replica that runs but does not answer, after what it wrote was
// read: nothing is left of it later.
func (w *worker) giveUp(ctx context.Context, replica function.Replica, what string) {
	reason := fmt.Sprintf("replica %s %s", replica.Instance, what)
	w.fleet.Resolver.Withdraw(w.name, replica.ID)
	w.leaving[replica.ID] = true
	w.task(func() func(*worker) {
		pm, pmErr := w.fleet.Engine.PostMortem(ctx, replica.ID)
		if pmErr == nil {
			reason += lastWords(pm)
		}
		return func(w *worker) {
			w.failed(replica.Revision, w.lived(replica), reason)
			w.retire(ctx, replica)
		}
	})
}

// retire takes a replica out of rotation, lets its invocations end, and stops it.
func (w *worker) retire(ctx context.Context, replica function.Replica) {
	w.hold(ctx, replica, "replica not stopped", w.withdraw(ctx, replica))
}

// withdraw takes a replica out of rotation for good, and returns what ends it.
func (w *worker) withdraw(ctx context.Context, replica function.Replica) (end func() error) {
	if cancel := w.probing[replica.ID]; cancel != nil {
		cancel()
	}
	w.untidy = w.untidy || replica.Revision != w.last.Revision
	idle := w.fleet.Resolver.Withdraw(w.name, replica.ID)
	spec := w.specOf(replica.Revision)
	limit, grace := spec.DrainTimeout(w.fleet.DrainTimeout), spec.StopGrace()
	return func() error {
		if !drained(ctx, idle, limit) {
			if ctx.Err() != nil {
				return ctx.Err()
			}
			w.fleet.Logger.Warn("replica stopped with invocations in flight", "function", w.name, "replica", replica.Instance, "waited", limit)
		}
		if err := w.fleet.Engine.Stop(ctx, replica.ID, grace); err != nil {
			return err
		}
		w.fleet.Logger.Info("replica stopped", "function", w.name, "replica", replica.Instance)
		w.fleet.Resolver.Remove(w.name, replica.ID)
		return nil
	}
}

// drained reports whether the last invocation ended within limit, and before ctx.
func drained(ctx context.Context, idle <-chan struct{}, limit time.Duration) bool {
	timer := time.NewTimer(limit)
	defer timer.Stop()
	select {
	case <-idle:
		return true
	case <-ctx.Done():
		return false
	case <-timer.C:
		return false
	}
}

// hold runs act, which ends a replica, while nothing else touches it. After a
// failure it is left alone for a while before it is looked at again.
func (w *worker) hold(ctx context.Context, replica function.Replica, failure string, act func() error) {
	w.leaving[replica.ID] = true
	w.task(func() func(*worker) {
		err := act()
		return func(w *worker) {
			if err == nil || ctx.Err() != nil {
				delete(w.leaving, replica.ID)
				return
			}
			wait := w.of(replica.ID).endFailed(err)
			w.fleet.log(err)(failure, "function", w.name, "replica", replica.Instance, "err", err, "retry_in", wait)
			w.leaveAlone(ctx, replica, wait)
		}
	})
}

// leaveAlone keeps a replica that could not be ended from being looked at for a while.
func (w *worker) leaveAlone(ctx context.Context, replica function.Replica, wait time.Duration) {
	w.task(func() func(*worker) {
		pause(ctx, wait)
		return func(w *worker) { delete(w.leaving, replica.ID) }
	})
}

// bury asks what killed a replica, if that was unexpected, and removes what is
// left of it.
func (w *worker) bury(ctx context.Context, m resolver.Member) {
	replica, unexpected := m.Replica, w.wasWanted(m)
	patience := time.Duration(0)
	if !m.LastUsed.IsZero() {
		patience = servedPatience
	}
	if cancel := w.probing[replica.ID]; cancel != nil {
		cancel()
	}
	w.hold(ctx, replica, "replica not removed", func() error {
		if unexpected {
			w.inquire(ctx, replica, patience)
		}
		if err := w.fleet.Engine.Remove(ctx, replica.ID); err != nil {
			return err
		}
		w.fleet.Resolver.Remove(w.name, replica.ID)
		return nil
	})
}

func (w *worker) inquire(ctx context.Context, replica function.Replica, patience time.Duration) {
	pm, err := w.fleet.Engine.PostMortem(ctx, replica.ID)
	if err != nil {
		w.fleet.log(err)("no post-mortem", "function", w.name, "replica", replica.Instance, "err", err)
		return
	}
	w.post(func(w *worker) {
		w.explain(epitaph(replica, pm), w.backoff(replica.Revision).notBefore, patience)
	})
}

// tidy removes the secrets of revisions that are no more.
func (w *worker) tidy(ctx context.Context, over bool) {
	w.untidy = false
	keep := map[uint64]bool{}
	if !over {
		keep[w.last.Revision] = true
		if previous := w.last.Previous; previous != nil {
			keep[previous.Revision] = true
		}
	}
	w.task(func() func(*worker) {
		err := w.fleet.Engine.RemoveSecrets(ctx, w.name, keep)
		if err == nil || ctx.Err() != nil {
			return nil
		}
		w.fleet.Logger.Error("old secrets not removed", "function", w.name, "err", err)
		pause(ctx, time.Second)
		return func(w *worker) { w.untidy = true }
	})
}

func pause(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}
