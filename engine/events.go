package engine

import (
	"context"
	"fmt"
	"sync"

	"github.com/docker/docker/api/types/events"

	"faas-docker/function"
)

// Events calls changed for each container of a function that starts, dies, is
// removed, paused, unpaused or runs out of memory, when a list shows it; for one
// that dies also before that, at once. It calls subscribed once before all that:
// no later change is missed, so a list that is made later is complete. changed may be called from several goroutines, and not after Events
// has returned. It returns ctx's error when ctx ends, and another when the stream
// breaks, after which changes go unnoticed until it is called and everything is
// listed again.
func (c *Containers) Events(ctx context.Context, subscribed func(), changed func(function.Event)) error {
	ctx, cancel := context.WithCancel(ctx)
	var settling sync.WaitGroup
	defer settling.Wait()
	defer cancel()
	return c.events(ctx, eventFilter(c.network), subscribed, func(message events.Message) {
		c.report(ctx, message, changed, &settling)
	})
}

// report passes an event on. The engine sends it a moment before a list shows what
// it tells, but holds the container meanwhile, so an inspect returns afterwards;
// its answer does not matter. That moment can be long, and other events do not wait.
func (c *Containers) report(ctx context.Context, message events.Message, changed func(function.Event), settling *sync.WaitGroup) {
	owner, err := decodeIdentity(message.Actor.Attributes)
	if err != nil {
		c.logger.Debug("event skipped", "replica", message.Actor.ID, "err", fmt.Errorf("%s: %w", message.Action, err))
		return
	}
	if message.Action == events.ActionDie {
		changed(function.Event{Function: owner.name, Died: message.Actor.ID})
	}
	settling.Go(func() {
		_, _ = c.docker.ContainerInspect(ctx, message.Actor.ID)
		changed(function.Event{Function: owner.name})
	})
}
