package fleet

import (
	"context"
	"fmt"

	"faas-docker/fleet/scale"
	"faas-docker/function"
	"faas-docker/resolver"
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
	f.publish(name)
	f.await(ctx, name)
	return nil
}

func (f *Fleet) rolledBack(current function.Function) (function.Function, error) {
	name := current.ID()
	if current.Previous == nil {
		return current, function.Conflict("function %q cannot be rolled back: no revision before the present one is kept; the annotation %s of an update says for how long", name.Name, function.AnnotationRollback)
	}
	if f.kept(name, current.Previous.Revision) == 0 {
		return current, function.Conflict("function %q cannot be rolled back: no replica of the revision before is left; deploy its image again: %s", name.Name, exactImage(*current.Previous))
	}
	policy, err := scale.Parse(current.Previous.Spec)
	if err != nil {
		return current, err
	}
	return current.RolledBack(policy.Deployed(current.Replicas)), nil
}

// exactImage names the image of a revision as exactly as is known: its tag may have moved
// to another image since.
func exactImage(p function.Previous) string {
	switch {
	case p.ImageDigest != "":
		return p.ImageDigest
	case p.ImageID != "":
		return fmt.Sprintf("%s, as long as its ID is %s; if it is not, give that image a tag of its own with docker tag", p.Spec.Image, p.ImageID)
	}
	return p.Spec.Image
}

// await returns when the function's worker has looked and acted, or ctx ends.
func (f *Fleet) await(ctx context.Context, name function.Name) {
	acted := make(chan struct{})
	if !f.tell(name, func(w *worker) { w.post(func(*worker) { close(acted) }) }) {
		return
	}
	select {
	case <-acted:
	case <-ctx.Done():
	}
}

// kept counts the replicas of a revision that could be gone back to.
func (f *Fleet) kept(name function.Name, revision uint64) int {
	return len(which(f.Resolver.Members(name), func(m resolver.Member) bool {
		return m.Revision == revision && isLive(m) && (m.IsOpen() || m.IsKept() || m.State == function.Paused)
	}))
}

func isLive(m resolver.Member) bool {
	return !m.IsLeaving() && (m.State == function.Running || m.State == function.Paused)
}
