package fleet

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"faas-docker/fleet/scale"
	"faas-docker/function"
	"faas-docker/function/clock"
	"faas-docker/replica"
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

// operate begins an operation on a replica, which is act beside the worker, unless another is
// under way. What act returns is run by the worker when it is over, unless the program stops;
// nil means that there is nothing to say.
func (w *worker) operate(ctx context.Context, id string, op replica.Operation, act func() func(*worker)) (begun bool) {
	if !w.fleet.Resolver.Begin(w.name, id, op) {
		return false
	}
	w.task(func() func(*worker) {
		done := act()
		return func(w *worker) {
			w.tell(id, replica.Event{Kind: replica.Finish, Operation: op})
			if done != nil && ctx.Err() == nil {
				done(w)
			}
		}
	})
	return true
}

func (w *worker) tell(id string, e replica.Event) { w.fleet.Resolver.Tell(w.name, id, e) }

// prepare puts the image and the secrets of the wanted revision in place.
func (w *worker) prepare(ctx context.Context) {
	f, epoch, stale := w.last, w.epoch, w.stale
	wanted, cancel := context.WithCancel(ctx)
	w.preparing, w.cancelPreparing = f.Revision, cancel
	w.task(func() func(*worker) {
		defer cancel()
		if stale {
			w.fleet.refreshPrevious(ctx, f)
		}
		err := w.fleet.prepare(wanted, f)
		return func(w *worker) {
			w.preparing = 0
			if err != nil {
				w.failed(ctx, f.Revision, err)
				return
			}
			if w.epoch == epoch {
				w.prepared, w.stale = f.Revision, false
			}
		}
	})
}

func (f *Fleet) prepare(ctx context.Context, wanted function.Function) error {
	image, err := f.Engine.Image(ctx, wanted)
	if err != nil {
		return err
	}
	if wanted, err = f.setImage(wanted, image); err != nil {
		return err
	}
	if len(wanted.Secrets) == 0 || ctx.Err() != nil {
		return ctx.Err()
	}
	values := map[string][]byte{}
	for _, name := range wanted.Secrets {
		secret, err := f.Store.Secret(wanted.Namespace, name)
		if err != nil {
			return err
		}
		values[name] = secret.Value
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
		f.Logger.Warn("secrets of the previous revision not refreshed", "function", wanted.ID(), "err", err)
	}
}

// setImage writes down which image a revision means, unless that is known or another
// revision is wanted by now.
func (f *Fleet) setImage(wanted function.Function, image function.Image) (function.Function, error) {
	image.Config = cmp.Or(image.Config, wanted.ImageConfig)
	if wanted.ImageID == image.ID && wanted.ImageDigest == image.Digest && (wanted.ImageConfig != nil || image.Config == nil) {
		return wanted, nil
	}
	if wanted.ImageID == "" {
		f.noteImage(wanted.ID(), "image found", image)
	}
	wanted.ImageID, wanted.ImageDigest, wanted.ImageConfig = image.ID, image.Digest, image.Config
	_, err := f.Store.Change(wanted.ID(), func(stored function.Function) (function.Function, bool) {
		same := stored.Revision == wanted.Revision
		stored.ImageID, stored.ImageDigest, stored.ImageConfig = image.ID, image.Digest, image.Config
		return stored, same
	})
	f.publish(wanted.ID())
	return wanted, err
}

// start makes one replica of a revision. What the wanted one needs is in place; of
// the one before, it may have been removed by hand.
func (w *worker) start(ctx context.Context, f function.Function, admitted admission) {
	prepared := f.Revision == w.last.Revision
	wanted, cancel := context.WithCancel(ctx)
	m := &making{revision: f.Revision, cancel: cancel}
	w.making = append(w.making, m)
	w.task(func() func(*worker) {
		defer cancel()
		release, err := w.fleet.awaitTurn(wanted, f, prepared, admitted)
		began, listing := time.Now(), w.fleet.Resolver.Listing()
		var started function.Replica
		if err == nil {
			m.begin(release)
			started, err = w.fleet.Engine.Start(ctx, f)
			m.release()
		}
		return func(w *worker) {
			w.making = slices.DeleteFunc(w.making, func(other *making) bool { return other == m })
			if err != nil {
				w.startFailed(ctx, f, err)
				return
			}
			w.fleet.Logger.Info("replica started", "function", w.name, "replica", started.Instance, "image", f.Image, "took", time.Since(began).Round(time.Millisecond))
			w.of(started.ID).counted, w.of(started.ID).size = true, scale.Reservation(f.Spec)
			w.fleet.Resolver.Add(started, listing)
		}
	})
}

// awaitTurn returns when a container may be made: there is room for it, what it needs is
// in place, and it has a slot, which is to be given back. It gives up when ctx ends.
func (f *Fleet) awaitTurn(ctx context.Context, wanted function.Function, prepared bool, admitted admission) (release func(), err error) {
	admitted.await(ctx)
	if !prepared {
		if err := f.prepare(ctx, wanted); err != nil {
			return nil, err
		}
	}
	return f.starts.take(ctx, wanted.ID(), admitted.needed)
}

// startFailed forgets what was prepared, because the image or the secrets may have been removed by hand:
// the next attempt puts the same in place again. That something was missing is no failure where another
// start has found so already, or once a minute.
func (w *worker) startFailed(ctx context.Context, f function.Function, err error) {
	if errors.Is(err, context.Canceled) {
		return // it is no longer wanted
	}
	if f.Revision == w.last.Revision {
		foundAlready := w.prepared != f.Revision
		w.prepared = 0
		if errors.Is(err, function.ErrNotFound) && (foundAlready || w.backoff(f.Revision).pardon(time.Now())) {
			w.note("%v: it is put back", err)
			return
		}
	}
	w.failed(ctx, f.Revision, err)
}

// failed records and explains a task's failure; one that only says that the program
// stops is none, nor is one of a revision that is no longer wanted.
func (w *worker) failed(ctx context.Context, revision uint64, err error) {
	if ctx.Err() == nil && w.isWanted(revision) {
		b := w.backoff(revision)
		b.fail(time.Now(), 0)
		w.explain(err.Error(), b.notBefore, 0)
	}
}

// isWanted reports whether a revision is in service, as the store says by now.
func (w *worker) isWanted(revision uint64) bool {
	wanted, err := w.fleet.Store.Function(w.name)
	if err != nil {
		return !errors.Is(err, function.ErrNotFound) && inService(w.last, revision)
	}
	return inService(wanted, revision)
}

// probe waits until the replica answers and puts it into rotation.
func (w *worker) probe(ctx context.Context, m resolver.Member) {
	if !w.fleet.Resolver.Begin(w.name, m.ID, replica.Probe) {
		return
	}
	ready := w.readiness(m)
	limit := ready.Delay + w.patience(m)
	limited, cancel := context.WithTimeout(ctx, limit)
	ended := false
	w.of(m.ID).endProbe = func() { ended = true; cancel() }
	began := time.Now()
	tell := func(what string) {
		w.post(func(w *worker) {
			w.hidden = w.hidden || ready.Upstream.Unknown
			w.fleet.diary.await(w.name, m.Replica, what)
		})
	}
	w.task(func() func(*worker) {
		err := w.fleet.Await(limited, m.Replica, ready, tell)
		return func(w *worker) {
			late := err != nil && limited.Err() == context.DeadlineExceeded
			w.fleet.diary.arrived(w.name, m.Replica)
			if ended {
				return // another may be under way
			}
			w.of(m.ID).stopProbe()
			w.tell(m.ID, replica.Event{Kind: replica.Finish, Operation: replica.Probe})
			switch {
			case err == nil && w.fleet.Resolver.MarkReady(w.name, m.ID):
				w.note("replica %s is ready", m.Instance)
				w.fleet.Logger.Info("replica ready", "function", w.name, "replica", m.Instance, "took", time.Since(began).Round(100*time.Microsecond))
			case late && function.IsExhausted(err):
				// It is asked again: that it could not be says nothing of it.
				w.fleet.Logger.Warn("replica not probed: no file descriptors left", "function", w.name, "replica", m.Instance, "err", err)
			case late:
				w.giveUp(ctx, m, fmt.Sprintf("has run for %s without answering on port %d: %v", limit, m.Address.Port(), err))
			}
		}
	})
}

// giveUp replaces a replica that runs but does not answer, after what it wrote was
// read: nothing is left of it later.
func (w *worker) giveUp(ctx context.Context, m resolver.Member, what string) {
	reason := fmt.Sprintf("replica %s %s", m.Instance, what)
	var lived, patience time.Duration
	if m.Answered {
		lived, patience = w.age(m.ID), servedPatience
	}
	w.backoff(m.Revision).fail(time.Now(), lived) // before its successor is thought of
	w.drain(ctx, m, func() {
		pm, err := w.fleet.Engine.PostMortem(ctx, m.ID)
		if err == nil {
			reason += lastWords(pm)
		}
		w.post(func(w *worker) { w.mourn(m.Revision, reason, patience) })
	})
}

// mourn explains why a replica is lost. What an update has replaced meanwhile is only noted: it is no
// reason why the function is as it is.
func (w *worker) mourn(revision uint64, reason string, patience time.Duration) {
	if !w.isWanted(revision) {
		w.note("%s", reason)
		return
	}
	w.explain(reason, w.backoff(revision).notBefore, patience)
}

// retire takes a replica out of rotation, and has it stopped when its invocations have ended.
func (w *worker) retire(ctx context.Context, m resolver.Member) { w.drain(ctx, m, func() {}) }

// drain is retire; first is called before the invocations are waited for.
func (w *worker) drain(ctx context.Context, m resolver.Member, first func()) {
	if now, known := w.fleet.Resolver.Member(w.name, m.ID); !known || now.IsLeaving() {
		return
	}
	w.of(m.ID).stopProbe()
	w.untidy = w.untidy || m.Revision != w.last.Revision
	idle := w.fleet.Resolver.Withdraw(w.name, m.ID)
	limit := w.deployment(m.Revision).Settings().DrainTimeout(w.fleet.DrainTimeout)
	w.task(func() func(*worker) {
		first()
		select {
		case <-idle:
		case <-ctx.Done():
		case <-time.After(limit):
			w.fleet.Logger.Warn("drain timed out: replica stopped with invocations in flight", "function", w.name, "replica", m.Instance, "waited", limit)
		}
		return func(w *worker) { w.tell(m.ID, replica.Event{Kind: replica.Drained}) }
	})
}

// stop stops a replica that has had its time to drain.
func (w *worker) stop(ctx context.Context, m resolver.Member) {
	grace := w.deployment(m.Revision).Settings().StopGrace()
	w.end(ctx, m, "replica not stopped", func() error {
		err := w.fleet.Engine.Stop(ctx, m.ID, grace)
		if err == nil {
			w.fleet.Logger.Info("replica stopped", "function", w.name, "replica", m.Instance)
		}
		return err
	})
}

// end ends a replica by act. After a failure it is left alone for a while before it is tried
// again.
func (w *worker) end(ctx context.Context, m resolver.Member, failure string, act func() error) {
	w.operate(ctx, m.ID, replica.End, func() func(*worker) {
		err := act()
		if err == nil {
			w.fleet.Resolver.Remove(w.name, m.ID)
			return nil
		}
		return func(w *worker) {
			n := w.of(m.ID)
			wait := n.ending.failed(err)
			n.letGo()
			w.fleet.log(err)(failure, "function", w.name, "replica", m.Instance, "err", err, "retry_in", wait)
		}
	})
}

// remove asks what killed a replica, if that was unexpected, and removes what is
// left of it.
func (w *worker) remove(ctx context.Context, m resolver.Member) {
	unexpected, patience := w.wasWanted(m), time.Duration(0)
	if !m.LastUsed.IsZero() {
		patience = servedPatience
	}
	w.of(m.ID).stopProbe()
	w.end(ctx, m, "replica not removed", func() error {
		if unexpected {
			w.inquire(ctx, m.Replica, patience)
		}
		return w.fleet.Engine.Remove(ctx, m.ID)
	})
}

func (w *worker) inquire(ctx context.Context, dead function.Replica, patience time.Duration) {
	pm, err := w.fleet.Engine.PostMortem(ctx, dead.ID)
	if err != nil {
		w.fleet.log(err)("post-mortem failed", "function", w.name, "replica", dead.Instance, "err", err)
		return
	}
	w.post(func(w *worker) { w.mourn(dead.Revision, epitaph(dead, pm), patience) })
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
		clock.Sleep(ctx, time.Second)
		return func(w *worker) { w.untidy = true }
	})
}
