package engine

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/docker/docker/api/types/events"

	"faas-docker/function"
)

// Events calls changed for each container of a function that starts, dies, is
// removed, paused, unpaused or runs out of memory, when a list shows it; for one
// that dies also before that, at once. It calls subscribed once before all that:
// what changes from then on is not missed, so what is listed from then on is
// complete. changed may be called from several goroutines, and not after Events
// has returned. It returns ctx's error when ctx ends, and another when the stream
// breaks, after which changes go unnoticed until it is called and everything is
// listed again.
func (e *Engine) Events(ctx context.Context, subscribed func(), changed func(function.Event)) error {
	ctx, cancel := context.WithCancel(ctx)
	var settling sync.WaitGroup
	defer settling.Wait()
	defer cancel()
	since, err := e.engineTime(ctx)
	if err != nil {
		return err
	}
	messages, broken := e.docker.Events(ctx, events.ListOptions{Since: since, Filters: eventFilter(e.network)})
	subscribed()
	for {
		select {
		case message := <-messages:
			e.report(ctx, message, changed, &settling)
		case err := <-broken:
			if ctx.Err() != nil {
				return ctx.Err()
			}
			return e.explain("read events", err)
		}
	}
}

// timeTimeout bounds the question for the time. A slow disk after a boot takes it a
// while; one that is never answered must not keep events from being read.
const timeTimeout = 2 * time.Minute

// engineTime returns the engine's clock. The engine answers a subscription a
// little before it has subscribed us; asking for events since a moment before
// makes it replay the ones in between. An engine that stays silent fails.
func (e *Engine) engineTime(ctx context.Context) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, timeTimeout)
	defer cancel()
	info, err := e.docker.Info(ctx)
	if err != nil {
		return "", e.explain("ask for the engine's time", err)
	}
	return info.SystemTime, nil
}

// report passes an event on. The engine sends it a moment before a list shows what
// it tells, but holds the container meanwhile, so an inspect returns afterwards;
// what it says does not matter. That moment can be long, and others do not wait.
func (e *Engine) report(ctx context.Context, message events.Message, changed func(function.Event), settling *sync.WaitGroup) {
	owner, err := decodeIdentity(message.Actor.Attributes)
	if err != nil {
		e.logger.Debug("event skipped", "replica", message.Actor.ID, "err", fmt.Errorf("%s: %w", message.Action, err))
		return
	}
	if message.Action == events.ActionDie {
		changed(function.Event{Function: owner.name, Died: message.Actor.ID})
	}
	settling.Go(func() {
		_, _ = e.docker.ContainerInspect(ctx, message.Actor.ID)
		changed(function.Event{Function: owner.name})
	})
}
