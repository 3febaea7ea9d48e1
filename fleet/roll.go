package fleet

import (
	"cmp"
	"slices"

	"faas-docker/fleet/scale"
	"faas-docker/function"
	"faas-docker/resolver"
)

// pinch is what a worker remembers of a host that has no room. The zero value has met none.
type pinch struct {
	// crowded is set while the host has no room for what should be started.
	crowded bool
	// rolling is the revision whose replicas replace the old ones one by one, because there
	// is no room for all of both; zero is none.
	rolling uint64
}

// isRolling reports whether the wanted revision replaces the one before one by one, for want of
// room.
func (v view) isRolling() bool { return v.rolling == v.want.Revision }

// roll replaces old replicas before all of the new ones answer, where there cannot be as
// many of both at a time: because the user says so, or for want of room.
func (p *plan) roll(v view, current, others []resolver.Member) {
	old := p.standing(others)
	switch {
	case v.isRollback(others):
	case v.want.StopsFirst() && (len(old)+v.stopping() > 0 || v.goesBack()):
		p.stopFirst(v, current, old)
	case v.isRolling():
		p.replaceWithinRoom(v, current, old)
	}
}

// standing picks the replicas that are not on their way out yet, with the one that is least
// worth keeping first: one that takes no calls, of an older revision, or with few of them.
func (p *plan) standing(others []resolver.Member) []resolver.Member {
	retires := func(m resolver.Member) bool {
		return slices.ContainsFunc(p.retire, func(other resolver.Member) bool { return other.ID == m.ID })
	}
	old := slices.DeleteFunc(slices.Clone(others), func(m resolver.Member) bool { return m.IsKept() || retires(m) })
	slices.SortStableFunc(old, func(a, b resolver.Member) int {
		return cmp.Or(scale.TrueFirst(!a.IsOpen(), !b.IsOpen()), cmp.Compare(a.Revision, b.Revision), cmp.Compare(a.InFlight, b.InFlight))
	})
	return old
}

// replaceWithinRoom stops as many old replicas as can be done without once the new ones
// answer. Where there is no room for the first or the next of these, one old replica makes
// it, if that is not the last one that takes calls.
func (p *plan) replaceWithinRoom(v view, current, old []resolver.Member) {
	serve := able(current) + able(old)
	surplus := serve - v.want.Replicas
	if surplus <= 0 && v.crowded && p.start > 0 && v.isQuiet(current) && serve > 1 {
		surplus = 1
	}
	p.stopSome(old, surplus)
}

// stopFirst starts no more than there is place for, and makes place for one when all that
// was started answers. When the new revision has failed, the old one goes on.
func (p *plan) stopFirst(v view, current, old []resolver.Member) {
	missing := p.start
	p.spares = 0
	if v.previous.failing {
		p.start = 0
		return
	}
	surplus := len(current) + len(old) + v.stopping() + v.making - v.want.Replicas
	p.start = max(0, min(missing, -surplus))
	if missing > 0 && surplus == 0 && v.isQuiet(current) {
		surplus = 1
	}
	p.stopSome(old, surplus)
}

// goesBack reports whether the wanted revision has failed, and the one before, which serves
// until it answers, has not.
func (v view) goesBack() bool {
	return v.previous.failing && v.want.Previous.Serving() && v.previous.notBefore.IsZero()
}

// isPaused reports whether an update that stops first has failed: until the next one, or
// until the failure is forgotten, nothing is started of it.
func (w *worker) isPaused() bool {
	return w.last.StopsFirst() && w.last.Previous.Serving() && w.backoff(w.last.Revision).failures > 0
}

func (v view) stopping() int {
	return len(which(v.members, func(m resolver.Member) bool { return m.IsEnding() && m.Revision != v.want.Revision }))
}

// isQuiet reports whether nothing is under way that would bring a replica, or room for one.
func (v view) isQuiet(current []resolver.Member) bool {
	return v.making == 0 && !slices.ContainsFunc(v.members, resolver.Member.IsEnding) && able(current) == len(current)
}

func (p *plan) stopSome(old []resolver.Member, count int) {
	p.retire = append(p.retire, old[:max(0, min(count, len(old)))]...)
}

// tryRoll begins to replace a function's replicas one by one, when room can be had so.
func (w *worker) tryRoll(f function.Function) bool {
	if w.pinch.rolling == w.last.Revision {
		return true
	}
	if f.Revision != w.last.Revision || f.StopsFirst() {
		return false
	}
	// There has to be room for the next replica once all old ones but the last have gone.
	old := w.fleet.oldReplicas(w.name, f.Revision)
	if len(old) == 0 {
		return false
	}
	goes := func(r scale.Reserved) bool { return slices.Contains(old[1:], r.ID) }
	if w.fleet.ledger.lack(scale.Reservation(f.Spec), w.name, goes) != "" {
		return false
	}
	w.pinch.rolling = f.Revision
	w.note("the host has no room for two revisions at a time: replicas are replaced one by one")
	w.post(nil)
	return true
}

// oldReplicas lists the replicas that run or are paused of other revisions, but for those that are kept
// for a way back, the oldest first.
func (f *Fleet) oldReplicas(name function.Name, revision uint64) (ids []string) {
	for _, m := range f.Resolver.Members(name) {
		if m.Revision != revision && isLive(m) && !m.IsKept() {
			ids = append(ids, m.ID)
		}
	}
	return ids
}

// judgeRoom refuses an update that could only wait: what serves has no room for its
// successor beside it, whatever else is given up.
func (f *Fleet) judgeRoom(spec function.Spec) error {
	old := f.oldReplicas(spec.ID(), 0)
	if len(old) == 0 {
		return nil
	}
	// All else of the function may go, what is in the making too, but for the last replica that
	// serves; that one, too, where it is stopped first.
	goes := func(r scale.Reserved) bool { return r.ID != old[0] || spec.StopsFirst() }
	if f.ledger.lack(scale.Reservation(spec), spec.ID(), goes) == "" {
		return nil
	}
	lack := f.ledger.lack(scale.Reservation(spec), function.Name{}, nil)
	if spec.StopsFirst() {
		return function.Conflict("function %q cannot be updated: not even when its replicas are stopped, %s", spec.Name, lack)
	}
	return function.Conflict("function %q cannot be updated beside the replica that serves: %s; or set the annotation %s=stop-first: then calls wait while the old replica is stopped and the new one is started",
		spec.Name, lack, function.AnnotationUpdateOrder)
}
