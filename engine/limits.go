package engine

import (
	"context"
	"fmt"

	"github.com/docker/docker/api/types/container"

	"faas-docker/function"
)

// unlimitedSwap is Docker's word for as much swap as there is.
const unlimitedSwap = -1

// Limits sets how much memory replicas may hold.
type Limits struct{ *daemon }

// Swap returns what the engine's machine has of swap now. That of another machine
// is not known, which is no error.
func (l *Limits) Swap(ctx context.Context) (function.Swap, error) {
	if !l.isHere() {
		return function.Swap{}, nil
	}
	info, err := l.docker.Info(ctx)
	if err != nil {
		return function.Swap{}, l.explain("ask for the engine's swap", err)
	}
	swap, err := hostSwap()
	swap.Accounted = info.MemoryLimit && info.SwapLimit
	return swap, err
}

// Reclaim leaves a frozen replica so much memory, in bytes; the rest of what it has
// goes to the host's swap. Restore must come before it runs again.
func (l *Limits) Reclaim(ctx context.Context, id string, memory int64) error {
	return l.limit(ctx, id, memory, unlimitedSwap)
}

// Restore gives a replica the limits that its spec says.
func (l *Limits) Restore(ctx context.Context, id string, spec function.Spec) error {
	granted := resources(spec, 1)
	return l.limit(ctx, id, granted.Memory, granted.MemorySwap)
}

func (l *Limits) limit(ctx context.Context, id string, memory, swap int64) error {
	_, err := l.docker.ContainerUpdate(ctx, id, container.UpdateConfig{Resources: container.Resources{Memory: memory, MemorySwap: swap}})
	return l.explain(fmt.Sprintf("limit the memory of replica %q to %d bytes", id, memory), err)
}
