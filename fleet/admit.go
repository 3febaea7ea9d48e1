package fleet

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"faas-docker/function"
	"faas-docker/resolver"
	"faas-docker/scale"
)

const (
	// hostPause is how often the host is measured: it changes when a virtual machine
	// is given more.
	hostPause = time.Minute
	// roomPause is how long callers are turned away when the host has no room; they
	// are served sooner when there is some.
	roomPause = 5 * time.Second
	// evictionTimeout bounds the wait for spares that make room.
	evictionTimeout = 10 * time.Second
)

// watchHost measures the host until ctx ends.
func (f *Fleet) watchHost(ctx context.Context) {
	for pause(ctx, hostPause); ctx.Err() == nil; pause(ctx, hostPause) {
		f.measureHost(ctx)
	}
}

// measureHost finds out how much replicas may reserve together. As long as the
// engine does not say there is no bound.
func (f *Fleet) measureHost(ctx context.Context) {
	cpus, memory, err := f.Engine.Capacity(ctx)
	if err != nil {
		if ctx.Err() == nil {
			f.Logger.Warn("the host's capacity is not known", "err", err)
		}
		return
	}
	f.ringAll(f.ledger.resize(scale.Reservable(scale.Resources{CPU: int64(cpus) * 1e9, Memory: memory})))
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
		f.reserve(name, page)
	}
}

// reserve writes down what a function has of the host, and rings those that may
// have room now.
func (f *Fleet) reserve(name function.Name, page []scale.Reserved) {
	f.ringAll(f.ledger.write(name, page))
}

func (f *Fleet) ringAll(names []function.Name) {
	for _, name := range names {
		f.ring(name)
	}
}

// claims is what the function's replicas reserve, those in the making included.
func (w *worker) claims(v view) []scale.Reserved {
	var page []scale.Reserved
	for _, m := range v.members {
		if m.State == function.Exited || w.of(m.ID).evicted {
			continue
		}
		page = append(page, scale.Reserved{ID: m.ID, Resources: scale.Reservation(w.specOf(m.Revision))})
	}
	for revision := range w.starting {
		for range w.unseen(revision, v.members) {
			page = append(page, scale.Reserved{Resources: scale.Reservation(w.specOf(revision))})
		}
	}
	if v.want != nil {
		markSpares(page, v)
	}
	return page
}

// markSpares says which of a function's replicas may be evicted.
func markSpares(page []scale.Reserved, v view) {
	var frozen []*scale.Reserved
	live := 0
	for i := range page {
		m, ok := v.member(page[i].ID)
		settled := ok && isLive(m) && !v.changing[m.ID] && !v.leaving[m.ID]
		switch {
		case !settled:
		case m.Revision == v.want.Revision:
			live++
			if m.State == function.Paused && m.Warmth != resolver.Waking && m.InFlight == 0 {
				frozen = append(frozen, &page[i])
			}
		case v.isShelved(m) && m.Kept && m.State == function.Paused && m.Warmth != resolver.Waking && m.InFlight == 0:
			page[i].Spare = scale.WayBack
		}
		page[i].Since = v.note(page[i].ID).since
	}
	slices.SortFunc(frozen, func(a, b *scale.Reserved) int {
		return cmp.Or(a.Since.Compare(b.Since), cmp.Compare(a.ID, b.ID))
	})
	standby := max(0, live-v.want.Replicas)
	beyond := max(0, min(live, v.want.Replicas)-max(1, v.policy.Min))
	for i, r := range frozen {
		switch {
		case i < standby:
			r.Spare = scale.Standby
		case i < standby+beyond:
			r.Spare = scale.BeyondMin
		}
	}
}

func (v view) member(id string) (resolver.Member, bool) {
	i := slices.IndexFunc(v.members, func(m resolver.Member) bool { return m.ID == id })
	if i < 0 {
		return resolver.Member{}, false
	}
	return v.members[i], true
}

// admit starts one replica of a revision if the host has room for it, or spares
// can make some. It reports whether it does.
func (w *worker) admit(ctx context.Context, f function.Function, spare bool) bool {
	evicted, refusal := w.fleet.ledger.admit(w.name, scale.Reservation(f.Spec), spare)
	if refusal != "" {
		if !spare {
			w.refuse(refusal)
		}
		return false
	}
	w.crowded = false
	var r room
	for _, e := range evicted {
		gone := make(chan struct{})
		told := w.fleet.tell(e.owner, func(owner *worker) { owner.evict(ctx, e, w.name, gone) })
		if told {
			r = append(r, gone)
		}
	}
	w.start(ctx, f, r)
	return true
}

// refuse says that the host has no room: in the status, once among the logs, and
// to callers in line.
func (w *worker) refuse(reason string) {
	w.fleet.diary.explain(w.name, reason)
	if !w.crowded {
		w.crowded = true
		w.note("not started: %s", reason)
		w.fleet.Logger.Warn("replica not started", "function", w.name, "err", reason)
	}
	w.fleet.Resolver.Refuse(w.name, &function.Failure{
		Kind:       function.ErrNoReplica,
		Text:       fmt.Sprintf("function %q cannot be started: %s", w.name.Name, reason),
		RetryAfter: roomPause,
	}, time.Now().Add(roomPause))
}

// evict removes a spare that makes room for a replica of another function, and
// closes gone when it is no more.
func (w *worker) evict(ctx context.Context, e eviction, other function.Name, gone chan struct{}) {
	members := w.fleet.Resolver.Members(w.name)
	i := slices.IndexFunc(members, func(m resolver.Member) bool { return m.ID == e.ID && !w.leaving[m.ID] })
	if i < 0 {
		close(gone)
		return
	}
	replica := members[i].Replica
	w.of(replica.ID).evicted = true
	if e.Spare == scale.BeyondMin {
		w.shrink()
	}
	w.note("frozen replica %s makes room for function %s", replica.Instance, other)
	w.fleet.Logger.Info("frozen replica evicted", "function", w.name, "replica", replica.Instance, "for", other)
	end := w.withdraw(ctx, replica)
	w.hold(ctx, replica, "replica not evicted", func() error {
		defer close(gone)
		return end()
	})
}

// shrink writes down that the function has one replica less.
func (w *worker) shrink() {
	_, err := w.fleet.Store.Change(w.name, func(stored function.Function) (function.Function, bool) {
		shrinks := stored.Replicas > 1
		if shrinks {
			stored.Replicas--
		}
		return stored, shrinks
	})
	if err != nil {
		w.fleet.Logger.Error("scaling not written down", "function", w.name, "err", err)
	}
}

// room is what has to be gone before a replica is started in its place.
type room []<-chan struct{}

// await returns when the room is there, or took too long to be made.
func (r room) await(ctx context.Context) {
	limited, cancel := context.WithTimeout(ctx, evictionTimeout)
	defer cancel()
	for _, gone := range r {
		select {
		case <-gone:
		case <-limited.Done():
			return
		}
	}
}
