package fleet

import (
	"context"

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
