package engine

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"time"

	"github.com/docker/docker/api/types/container"

	"faas-docker/function"
)

// Functions reads back from the labels of containers which functions this
// provider runs, for a provider that has lost its store. Each is described by
// its highest revision, and counts the replicas of that revision that run or are
// frozen. A function without any container cannot be read back.
func (e *Engine) Functions(ctx context.Context) ([]function.Function, error) {
	listed, err := e.list(ctx, function.Name{})
	if err != nil {
		return nil, err
	}
	found := map[function.Name]function.Function{}
	for _, summary := range listed {
		f, err := decodeFunction(summary)
		if err != nil {
			e.logger.Warn("container not adopted: its labels cannot be read", "replica", summary.ID, "err", err)
			continue
		}
		found[f.ID()] = merge(found[f.ID()], f)
	}
	return slices.SortedFunc(maps.Values(found), func(a, b function.Function) int {
		return cmp.Or(cmp.Compare(a.Namespace, b.Namespace), cmp.Compare(a.Name, b.Name))
	}), nil
}

// decodeFunction reads the function that one container alone stands for. The
// identity that labels give counts, not the one inside the spec.
func decodeFunction(c container.Summary) (function.Function, error) {
	owner, err := decodeIdentity(c.Labels)
	if err != nil {
		return function.Function{}, err
	}
	spec, err := decodeSpec(c.Labels)
	if err != nil {
		return function.Function{}, err
	}
	spec.Name, spec.Namespace = owner.name.Name, owner.name.Namespace
	f := function.Function{
		Spec:      spec,
		Revision:  owner.revision,
		ImageID:   c.ImageID,
		CreatedAt: time.Unix(c.Created, 0).UTC(),
	}
	if state := stateOf(string(c.State)); state == function.Running || state == function.Paused {
		f.Replicas = 1
	}
	return f, nil
}

// merge puts two descriptions of one function together; known is zero at first.
func merge(known, f function.Function) function.Function {
	if known.Revision == 0 && known.Name == "" {
		return f
	}
	earliest := known.CreatedAt
	if f.CreatedAt.Before(earliest) {
		earliest = f.CreatedAt
	}
	switch {
	case f.Revision > known.Revision:
		known = f
	case f.Revision == known.Revision:
		known.Replicas += f.Replicas
	}
	known.CreatedAt = earliest
	return known
}
