package engine

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/distribution/reference"
	"github.com/docker/docker/client"
)

// silencePause is how long a registry that did not answer is not asked again, so that
// many deployments without a network are not all held up.
const silencePause = 30 * time.Second

// registries asks image registries, through the engine, what a tag means.
type registries struct {
	timeout time.Duration
	// silent has when a registry may be asked again, by its host.
	silent sync.Map
}

// digestOf returns the digest that a reference has in its registry now. The error is
// Docker's own, unless the registry does not answer in time, or did not lately.
func (r *registries) digestOf(ctx context.Context, docker *client.Client, named reference.Named, auth string) (string, error) {
	host := reference.Domain(named)
	if until, known := r.silent.Load(host); known && time.Now().Before(until.(time.Time)) {
		return "", fmt.Errorf("%s has not answered lately: i/o timeout", host)
	}
	limited, cancel := context.WithTimeout(ctx, r.timeout)
	defer cancel()
	found, err := docker.DistributionInspect(limited, named.String(), auth)
	if limited.Err() != nil && ctx.Err() == nil {
		r.silent.Store(host, time.Now().Add(silencePause))
		return "", fmt.Errorf("%s has not answered within %s: i/o timeout", host, r.timeout)
	}
	return found.Descriptor.Digest.String(), err
}
