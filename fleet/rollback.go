package fleet

import (
	"context"
	"time"

	"faas-docker/function"
	"faas-docker/resolver"
	"faas-docker/scale"
)

// Rollback goes back to the revision that served before the last update, as long as
// replicas of it are there: they take the calls at once. The present revision is
// kept for a way forward, if the one gone back to says so. When there is nothing to
// go back to it is an ErrConflict.
func (f *Fleet) Rollback(ctx context.Context, name function.Name) error {
	if err := f.awaitReady(ctx); err != nil {
		return err
	}
	from := uint64(0)
	restored, err := f.Store.Restore(name, func(current function.Function) (function.Function, error) {
		from = current.Revision
		return f.rolledBack(current)
	})
	if err != nil {
		return err
	}
	f.Logger.Info("function rolled back", "function", name, "from", from, "revision", restored.Revision, "image", restored.Image)
	f.diary.explain(name, "")
	f.diary.note(name, "rolled back to the revision before, from image "+restored.Image)
	f.declare(restored.Spec)
	f.await(ctx, name)
	return nil
}

func (f *Fleet) rolledBack(current function.Function) (function.Function, error) {
	name := current.ID()
	if current.Previous == nil {
		return current, function.Conflict("function %q cannot be rolled back: no revision before the present one is kept; the annotation %s of an update says for how long", name.Name, function.AnnotationRollback)
	}
	if f.kept(name, current.Previous.Revision) == 0 {
		return current, function.Conflict("function %q cannot be rolled back: no replica of the revision before is left; deploy its image, %s, again", name.Name, current.Previous.Spec.Image)
	}
	policy, err := scale.Parse(current.Previous.Spec)
	if err != nil {
		return current, err
	}
	return current.RolledBack(policy.Deployed(current.Replicas)), nil
}

// await returns when the function's worker has looked and acted, or ctx ends.
func (f *Fleet) await(ctx context.Context, name function.Name) {
	acted := make(chan struct{})
	if !f.tell(name, func(w *worker) { w.onlookers = append(w.onlookers, acted) }) {
		return
	}
	select {
	case <-acted:
	case <-ctx.Done():
	}
}

// kept counts the replicas of a revision that could be gone back to.
func (f *Fleet) kept(name function.Name, revision uint64) int {
	count := 0
	for _, m := range f.Resolver.Members(name) {
		if m.Revision == revision && isLive(m) && (m.Ready || m.Kept || m.State == function.Paused) {
			count++
		}
	}
	return count
}

func isLive(m resolver.Member) bool {
	return !m.Withdrawn && (m.State == function.Running || m.State == function.Paused)
}

// isShelved reports whether a member belongs to the revision that is only kept for
// a way back: it takes no calls.
func (v view) isShelved(m resolver.Member) bool {
	return v.want != nil && v.want.Previous != nil && !v.want.Previous.Serving() && m.Revision == v.want.Previous.Revision
}

// keeps reports whether a member of another revision stays for a way back: one that
// was seen to answer, of the revision that was replaced.
func (v view) keeps(m resolver.Member) bool {
	previous := v.want.Previous
	if previous == nil || m.Revision != previous.Revision || v.window <= 0 || !isLive(m) {
		return false
	}
	if previous.Serving() {
		return m.Ready || m.Kept || m.Warmth == resolver.Asleep
	}
	return v.now.Before(previous.Until)
}

// replace takes what serves no longer out of rotation to keep it, and counts what
// does not stay.
func (p *plan) replace(v view, others []resolver.Member) (left int) {
	for _, m := range others {
		switch {
		case !v.keeps(m):
			left++
		case v.keeping[m.ID] || m.Kept && m.State == function.Paused:
		default:
			p.keep = append(p.keep, m.Replica)
		}
	}
	if previous := v.want.Previous; previous != nil && v.now.Before(previous.Until) {
		p.again = earlier(p.again, previous.Until)
	}
	return left
}

// sustainPrevious replaces what is lost of the revision that still serves. More
// than it had are started only when the wanted revision fails, one and what the
// calls need.
func (p *plan) sustainPrevious(v view, others []resolver.Member) {
	previous := v.want.Previous
	if previous == nil || !previous.Serving() {
		return
	}
	wanted := min(previous.Replicas, v.want.Replicas)
	if v.previous.failing {
		wanted = max(wanted, min(max(1, v.needed), v.want.Replicas))
	}
	alive := v.previous.starting
	for _, m := range others {
		if m.Revision == previous.Revision {
			alive++
		}
	}
	if alive >= wanted {
		return
	}
	if v.now.Before(v.previous.notBefore) {
		p.again = earlier(p.again, v.previous.notBefore)
		return
	}
	p.sustain = wanted - alive
}

// dozing picks the paused replicas that are not lent yet and not about to be
// thawed, as after a restart of the provider.
func (v view) dozing(current []resolver.Member, thawed []string) []function.Replica {
	soon := map[string]bool{}
	for _, id := range thawed {
		soon[id] = true
	}
	var list []function.Replica
	for _, m := range current {
		if m.State == function.Paused && m.Warmth == resolver.Awake && !v.changing[m.ID] && !soon[m.ID] {
			list = append(list, m.Replica)
		}
	}
	return list
}

// regained picks those on their way to be kept that are wanted again.
func (v view) regained(current []resolver.Member) []function.Replica {
	var list []function.Replica
	for _, m := range current {
		if v.keeping[m.ID] {
			list = append(list, m.Replica)
		}
	}
	return list
}

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
		w.since[replica.ID] = time.Now()
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
