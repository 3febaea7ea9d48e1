package engine

import (
	"cmp"
	"context"
	"slices"
	"strings"
	"time"

	"github.com/docker/docker/api/types/container"

	"faas-docker/function"
)

// Functions reads back from the labels of containers which functions this
// provider runs, for a provider that has lost its store. Each is described by
// its highest revision that no rollback has left, and counts the replicas of that
// revision that run or are frozen. What a rollback has left is its Previous, whose
// Until is zero. A function without any container cannot be read back.
func (c *Containers) Functions(ctx context.Context) ([]function.Function, error) {
	listed, err := c.list(ctx, function.Name{})
	if err != nil {
		return nil, err
	}
	found := map[function.Name]candidates{}
	for _, summary := range listed {
		f, left, err := decodeFunction(summary)
		if err != nil {
			c.logger.Warn("container not adopted: its labels cannot be read", "replica", summary.ID, "err", err)
			continue
		}
		candidate := found[f.ID()]
		if left {
			candidate.left = merge(candidate.left, f)
		} else {
			candidate.serving = merge(candidate.serving, f)
		}
		found[f.ID()] = candidate
	}
	functions := make([]function.Function, 0, len(found))
	for _, candidate := range found {
		functions = append(functions, candidate.function())
	}
	slices.SortFunc(functions, func(a, b function.Function) int {
		return cmp.Or(cmp.Compare(a.Namespace, b.Namespace), cmp.Compare(a.Name, b.Name))
	})
	return functions, nil
}

// candidates are the newest revision of a function that serves, or is to, and the
// newest that a rollback has left. Either may be missing: its Revision is zero.
type candidates struct{ serving, left function.Function }

func (c candidates) function() function.Function {
	switch {
	case c.serving.Name == "":
		// The revision gone back to has lost its last container.
		return c.left
	case c.left.Revision > c.serving.Revision:
		previous := c.left
		previous.Answered = true
		c.serving.Previous = previous.Replaced()
	}
	return c.serving
}

// decodeFunction reads the function that one container alone stands for. The
// identity that labels give counts, not the one inside the spec.
func decodeFunction(c container.Summary) (f function.Function, left bool, err error) {
	owner, err := decodeIdentity(c.Labels)
	if err != nil {
		return function.Function{}, false, err
	}
	spec, err := decodeSpec(c.Labels)
	if err != nil {
		return function.Function{}, false, err
	}
	config, err := decodeImageConfig(c.Labels)
	if err != nil {
		return function.Function{}, false, err
	}
	spec.Name, spec.Namespace = owner.name.Name, owner.name.Namespace
	f = function.Function{
		Spec:        spec,
		Revision:    owner.revision,
		ImageID:     c.ImageID,
		ImageConfig: config,
		CreatedAt:   time.Unix(c.Created, 0).UTC(),
	}
	if state := stateOf(string(c.State)); state == function.Running || state == function.Paused {
		f.Replicas = 1
	}
	left = len(c.Names) > 0 && strings.HasSuffix(c.Names[0], leftMark)
	return f, left, nil
}

// merge puts two descriptions of one function together; known is zero at first.
func merge(known, f function.Function) function.Function {
	if known.Revision == 0 && known.Name == "" {
		return f
	}
	earliest := slices.MinFunc([]time.Time{known.CreatedAt, f.CreatedAt}, time.Time.Compare)
	switch {
	case f.Revision > known.Revision:
		known = f
	case f.Revision == known.Revision:
		known.Replicas += f.Replicas
	}
	known.CreatedAt = earliest
	return known
}
