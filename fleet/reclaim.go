package fleet

import (
	"context"
	"errors"
	"time"

	"faas-docker/fleet/scale"
	"faas-docker/function"
	"faas-docker/replica"
	"faas-docker/resolver"
)

const reclaimTimeout = 30 * time.Second

// judgeReclaim refuses a spec whose frozen replicas shall give their memory back
// where that cannot be done.
func (f *Fleet) judgeReclaim(ctx context.Context, spec function.Spec, policy scale.Policy) error {
	if policy.ReclaimAfter <= 0 {
		return nil
	}
	if limitOf(spec) <= 0 {
		return function.Invalid("limits.memory", "missing: %s lowers it for replicas that are frozen", scale.LabelReclaim)
	}
	host, err := f.Engine.Swap(ctx)
	if err != nil {
		return err
	}
	if refusal := scale.CannotReclaim(host); refusal != "" {
		return function.Invalid(scale.LabelReclaim, "memory of frozen replicas cannot be reclaimed here: %s, or leave it out", refusal)
	}
	return nil
}

// limitOf is a function's memory limit in bytes; zero means none.
func limitOf(spec function.Spec) int64 {
	limit, _ := spec.Limits.Amounts()
	return limit
}

// reclaim puts most of a frozen replica's memory on the host's swap, if that is
// wise now; else it is looked at again after as long a time.
func (w *worker) reclaim(ctx context.Context, m resolver.Member) {
	limit := limitOf(w.deployment(m.Revision).Spec)
	w.operate(ctx, m.ID, replica.Reclaim, func() func(*worker) {
		limited, cancel := context.WithTimeout(ctx, reclaimTimeout)
		defer cancel()
		freed, err := w.fleet.reclaim(limited, m.ID, limit)
		return func(w *worker) {
			w.of(m.ID).since = time.Now()
			if err != nil {
				w.fleet.Logger.Debug("memory not reclaimed", "function", w.name, "replica", m.Instance, "err", err)
				return
			}
			w.tell(m.ID, replica.Event{Kind: replica.Swapped})
			w.fleet.Logger.Info("memory reclaimed", "function", w.name, "replica", m.Instance, "bytes", freed)
		}
	})
}

func (f *Fleet) reclaim(ctx context.Context, id string, limit int64) (freed int64, err error) {
	host, err := f.Engine.Swap(ctx)
	if err != nil {
		return 0, err
	}
	used, err := f.Engine.Memory(ctx, id)
	if err != nil {
		return 0, err
	}
	low, refusal := scale.ReclaimTo(host, limit, used)
	if refusal != "" {
		return 0, errors.New(refusal)
	}
	return used - low, f.Engine.Reclaim(ctx, id, low)
}

// revive thaws a replica, after it got its memory back if it may have been without.
// One that another provider process has frozen may have been.
func (w *worker) revive(m resolver.Member) func(context.Context, string) error {
	spec := w.deployment(m.Revision).Spec
	policy, err := scale.Parse(spec)
	if m.Memory == replica.MemoryIntact || err != nil || policy.ReclaimAfter <= 0 {
		return w.fleet.Engine.Unpause
	}
	return func(ctx context.Context, id string) error {
		if err := w.fleet.Engine.Restore(ctx, id, spec); err != nil {
			return err
		}
		return w.fleet.Engine.Unpause(ctx, id)
	}
}
