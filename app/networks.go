package app

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hashicorp/go-hclog"

	"faas-docker/engine"
	"faas-docker/function"
	"faas-docker/function/clock"
	"faas-docker/handlers"
)

// networks keeps the guard in step with the engine's networks: it knows where callers come from.
type networks struct {
	engine *engine.Networks
	peers  *handlers.Peers
	logger hclog.Logger
	joined atomic.Bool // set while functions can be reached
}

// follow keeps the guard in step until ctx ends. Before the engine has told its networks, all but
// this machine stay outside; while it is away, its last answer stays in force.
func (n *networks) follow(ctx context.Context) {
	changed := clock.NewBell()
	var parts sync.WaitGroup
	defer parts.Wait()
	parts.Go(func() {
		for ctx.Err() == nil {
			err := n.engine.NetworkEvents(ctx, changed.Ring, changed.Ring)
			n.logger.Debug("network event stream lost", "err", err)
			clock.Sleep(ctx, time.Second)
		}
	})
	for ctx.Err() == nil {
		pause := resync
		if !n.learn(ctx) {
			pause = time.Second
		}
		select {
		case <-changed:
		case <-time.After(pause):
		case <-ctx.Done():
		}
	}
}

// networksTimeout bounds how long a silent engine is asked for its networks.
const networksTimeout = 10 * time.Second

// learn asks the engine once, and reports whether it has told. A network that is
// gone closes the guard to all but this machine; an engine that is away does not.
func (n *networks) learn(ctx context.Context) bool {
	ctx, cancel := context.WithTimeout(ctx, networksTimeout)
	defer cancel()
	neighbours, err := n.engine.Neighbours(ctx)
	n.joined.Store(err == nil && neighbours.Joined)
	switch {
	case err == nil:
		n.peers.Learn(&neighbours)
	case errors.Is(err, function.ErrNotFound):
		n.peers.Learn(nil)
		n.logger.Debug("function network does not exist", "err", err)
	default:
		n.logger.Debug("networks not read", "err", err)
	}
	return err == nil
}
