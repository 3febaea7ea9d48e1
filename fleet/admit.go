package fleet

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"faas-docker/fleet/scale"
	"faas-docker/function"
	"faas-docker/resolver"
)

const (
	// hostPause is how often the host is measured: it changes when a virtual machine
	// is given more.
	hostPause = time.Minute
	// fullPause is how long callers are turned away when the host has no room; they
	// are served sooner when there is some.
	fullPause = 5 * time.Second
	// evictionTimeout bounds the wait for spares that make room.
	evictionTimeout = 10 * time.Second
)

// measureHost finds out how much replicas may reserve together. As long as the
// engine does not say there is no bound.
func (f *Fleet) measureHost(ctx context.Context) {
	if host := f.host(ctx); host != (scale.Resources{}) {
		f.ringAll(f.ledger.resize(scale.Reservable(host)))
		f.starts.fit(host)
	}
}

// host returns what the engine's machine has; nothing when that cannot be found out now.
func (f *Fleet) host(ctx context.Context) scale.Resources {
	cpus, memory, err := f.Engine.Capacity(ctx)
	if err != nil && ctx.Err() == nil {
		f.Logger.Warn("host capacity unknown", "err", err)
	}
	return scale.Resources{CPU: int64(cpus) * 1e9, Memory: memory}
}

// survey writes down what runs before any worker starts something: each knows its
// own replicas only.
func (f *Fleet) survey() {
	for _, name := range f.Resolver.Names() {
		deployed, _ := f.Store.Function(name) // what is not deployed reserves the default until it is gone
		var page []scale.Reserved
		for _, m := range f.Resolver.Members(name) {
			if m.State != function.Exited {
				page = append(page, scale.Reserved{ID: m.ID, Resources: scale.Reservation(deployed.Spec)})
			}
		}
		f.ringAll(f.ledger.write(name, page))
	}
}

func (f *Fleet) ringAll(names []function.Name) {
	for _, name := range names {
		f.Ring(name)
	}
}

// claims is what the function's replicas reserve, those in the making included.
func (w *worker) claims(v view) []scale.Reserved {
	var page []scale.Reserved
	there := which(v.members, func(m resolver.Member) bool { return m.State != function.Exited && w.of(m.ID).evicted == nil })
	spares := v.spares(there)
	for _, m := range there {
		page = append(page, scale.Reserved{ID: m.ID, Resources: w.size(m), Since: w.of(m.ID).since, Spare: spares[m.ID]})
	}
	revisions := map[uint64]bool{}
	for _, m := range w.making {
		revisions[m.revision] = true
	}
	for revision := range revisions {
		for range w.unseen(revision, v.members) {
			page = append(page, scale.Reserved{Resources: scale.Reservation(w.deployment(revision).Spec)})
		}
	}
	return page
}

// size is what a replica reserves. What was superseded may reserve something else than what
// is wanted now.
func (w *worker) size(m resolver.Member) scale.Resources {
	if known := w.of(m.ID).size; known != (scale.Resources{}) {
		return known
	}
	return scale.Reservation(w.deployment(m.Revision).Spec)
}

// spares says which of a function's replicas may be evicted.
func (v view) spares(members []resolver.Member) map[string]scale.Spare {
	spares := map[string]scale.Spare{}
	var frozen []resolver.Member
	live := 0
	for _, m := range members {
		rests := m.State == function.Paused && !m.IsThawing() && m.InFlight == 0
		switch {
		case v.want == nil || !isLive(m) || m.IsChanging() || m.IsEnding():
		case m.Revision == v.want.Revision:
			live++
			if rests {
				frozen = append(frozen, m)
			}
		case v.isShelved(m) && m.IsKept() && rests:
			spares[m.ID] = scale.WayBack
		}
	}
	if v.want == nil {
		return spares
	}
	slices.SortFunc(frozen, func(a, b resolver.Member) int {
		return cmp.Or(v.note(a.ID).since.Compare(v.note(b.ID).since), cmp.Compare(a.ID, b.ID))
	})
	standby := max(0, live-v.want.Replicas)
	beyond := max(0, min(live, v.want.Replicas)-max(1, v.policy.Min))
	for i, m := range frozen {
		switch {
		case i < standby:
			spares[m.ID] = scale.Standby
		case i < standby+beyond:
			spares[m.ID] = scale.BeyondMin
		}
	}
	return spares
}

// admission is why a replica is started, and what has to go before it can be.
type admission struct {
	// spare is set when it is not for calls, and needed when calls need it now.
	spare, needed bool
	// evicted are closed when what makes room is gone.
	evicted []<-chan struct{}
}

// admit starts so many replicas of a revision as the host has room for, or spares can make
// some.
func (w *worker) admit(ctx context.Context, count int, f function.Function, why admission) {
	for range count {
		evicted, refusal := w.fleet.ledger.admit(w.name, scale.Reservation(f.Spec), why.spare)
		if refusal != "" {
			if !why.spare {
				w.refuse(f, refusal)
			}
			return
		}
		w.pinch.crowded = false
		admitted := why
		for _, e := range evicted {
			gone := make(chan struct{})
			if w.fleet.tell(e.owner, func(owner *worker) { owner.evict(ctx, e, w.name, gone) }) {
				admitted.evicted = append(admitted.evicted, gone)
			}
		}
		w.start(ctx, f, admitted)
	}
}

// refuse says that the host has no room: in the status, once among the logs, and
// to callers in line.
func (w *worker) refuse(f function.Function, reason string) {
	rolls := w.tryRoll(f)
	if rolls {
		reason = "its replicas are replaced one by one: " + reason
	}
	w.fleet.diary.explain(w.name, reason)
	if !w.pinch.crowded {
		w.pinch.crowded = true
		w.note("not started: %s", reason)
		w.fleet.Logger.Warn("replica not started", "function", w.name, "err", reason)
	}
	if rolls {
		return // those that wait are served by what makes room
	}
	w.turnAway(fmt.Sprintf("function %q cannot be started: %s", w.name.Name, reason), fullPause)
}

// evict removes a spare that makes room for a replica of another function, and
// closes gone when it is no more.
func (w *worker) evict(ctx context.Context, e eviction, other function.Name, gone chan struct{}) {
	m, known := w.fleet.Resolver.Member(w.name, e.ID)
	if !known || m.IsEnding() {
		close(gone)
		return
	}
	w.of(m.ID).evicted = sync.OnceFunc(func() { close(gone) })
	if e.Spare == scale.BeyondMin {
		w.shrink()
	}
	w.note("frozen replica %s makes room for function %s", m.Instance, other)
	w.fleet.Logger.Info("frozen replica evicted", "function", w.name, "replica", m.Instance, "for", other)
	w.retire(ctx, m)
}

// shrink writes down that the function has one replica less.
func (w *worker) shrink() {
	_, err := w.fleet.Store.Change(w.name, func(stored function.Function) (function.Function, bool) {
		// It may have been deployed anew, with another minimum, since the spare was picked.
		policy, err := scale.Parse(stored.Spec)
		shrinks := err == nil && stored.Replicas > policy.Woken()
		if shrinks {
			stored.Replicas--
		}
		return stored, shrinks
	})
	if err != nil {
		w.fleet.Logger.Error("scaling not saved", "function", w.name, "err", err)
	}
}

// await returns when the evicted replicas are gone, or take too long.
func (a admission) await(ctx context.Context) {
	limited, cancel := context.WithTimeout(ctx, evictionTimeout)
	defer cancel()
	for _, gone := range a.evicted {
		select {
		case <-gone:
		case <-limited.Done():
			return
		}
	}
}
