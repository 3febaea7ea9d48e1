package engine

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/events"
	"github.com/docker/docker/api/types/filters"

	"faas-docker/function"
)

const (
	// holderRetry is the pause after a first failure to make a holder, and after the
	// stream of events has broken; holderRetryMax is what it grows to.
	holderRetry    = time.Second
	holderRetryMax = time.Minute
	// doubtSpan is how long doubts about holders are left alone: most go away when
	// whoever removes a replica has removed its holder too, or restarts it.
	doubtSpan = 250 * time.Millisecond
	// sweepInterval is how often holders are looked after without a reason. The first
	// time is after aftermath: an engine goes on creating containers for a provider
	// that was killed.
	sweepInterval = time.Minute
	aftermath     = 2 * time.Second
)

// KeepHolders keeps as many network namespaces ready as may be needed at once (see
// Rest), at most as many as Config.Holders says, which makes starting a replica several times faster, and removes those whose
// replica has gone, until ctx ends. Then it removes what was ready. A replica
// whose namespace somebody took away is killed, because its address may be
// another's soon; it is then a replica that stopped by itself. It is to be called
// once, after Prepare; without it each replica has a namespace of its own.
func (e *Engine) KeepHolders(ctx context.Context) {
	e.holders.open()
	var parts sync.WaitGroup
	parts.Go(func() { e.watchHolders(ctx) })
	parts.Go(func() { e.lookAfterHolders(ctx) })
	e.refillHolders(ctx)
	parts.Wait()
	for _, h := range e.holders.close() {
		e.discardHolder(ctx, h)
	}
}

// Rest tells KeepHolders that change more functions than before have no replica
// and are started by their next call; fewer when it is negative.
func (e *Engine) Rest(change int) { e.holders.sleep(change) }

func (e *Engine) refillHolders(ctx context.Context) {
	pause := holderRetry
	for e.holders.awaitTurn(ctx) {
		err := e.addHolder(ctx)
		if err == nil {
			pause = holderRetry
			continue
		}
		if errors.Is(err, errNoHolders) {
			e.logger.Info("replicas start without ready network namespaces", "err", err)
			return
		}
		e.log(err)("no network namespace made ready", "err", err, "again_in", pause)
		select {
		case <-time.After(pause):
			pause = min(2*pause, holderRetryMax)
		case <-e.holders.answered:
			pause = holderRetry
		case <-ctx.Done():
			return
		}
		if errors.Is(err, function.ErrNotFound) {
			e.restoreNetwork(ctx)
		}
	}
}

// restoreNetwork makes the function network anew when it is what was missing.
func (e *Engine) restoreNetwork(ctx context.Context) {
	if err := e.ensureNetwork(ctx); err != nil {
		e.logger.Warn("function network not made anew", "err", err)
	}
}

// watchHolders takes holders that die out of the pool, and has the others looked
// after when one of them, or of the replicas in them, dies or goes.
func (e *Engine) watchHolders(ctx context.Context) {
	selected := roleFilter(e.network, "")
	selected.Add("type", "container")
	selected.Add("event", "die")
	selected.Add("event", "destroy")
	for {
		err := e.readHolderEvents(ctx, selected)
		if ctx.Err() != nil {
			return
		}
		e.logger.Debug("changes of holders go unnoticed", "err", err)
		if !sleep(ctx, holderRetry) {
			return
		}
	}
}

func (e *Engine) readHolderEvents(ctx context.Context, selected filters.Args) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	since, err := e.engineTime(ctx)
	if err != nil {
		return err
	}
	messages, broken := e.docker.Events(ctx, events.ListOptions{Since: since, Filters: selected})
	ring(e.holders.doubted) // by whatever went unnoticed before
	ring(e.holders.answered)
	for {
		select {
		case message := <-messages:
			if message.Actor.Attributes[function.LabelRole] == roleHolder {
				e.holders.drop(message.Actor.ID)
			} else if message.Actor.Attributes[function.LabelHolder] == "" {
				continue
			}
			ring(e.holders.doubted)
		case err := <-broken:
			return err
		}
	}
}

func (e *Engine) lookAfterHolders(ctx context.Context) {
	interval := time.NewTimer(aftermath)
	defer interval.Stop()
	for {
		select {
		case <-e.holders.doubted:
		case <-interval.C:
			interval.Reset(sweepInterval)
			if err := e.removeHelpers(ctx); err != nil {
				e.logger.Debug("helper containers not looked after", "err", err)
			}
		case <-ctx.Done():
			return
		}
		if !sleep(ctx, doubtSpan) {
			return
		}
		if err := e.SweepHolders(ctx); err != nil {
			e.logger.Debug("holders not looked after", "err", err)
		}
		for _, h := range e.holders.trim() {
			e.discardHolder(ctx, h)
		}
	}
}

// SweepHolders removes holders that no replica lives in, such as those of a process
// that was killed, and kills replicas that live in none. KeepHolders does so by
// itself, beside what else there is to do: it takes a moment for each.
func (e *Engine) SweepHolders(ctx context.Context) error {
	before := e.holders.see() // and again after it has listed: see strays
	listed, err := e.docker.ContainerList(ctx, container.ListOptions{All: true, Filters: roleFilter(e.network, "")})
	if err != nil {
		return e.explain("list holders", err)
	}
	known := newHolderList(listed, e.network)
	for _, h := range before.ready {
		if known.addresses[h.id] != h.address {
			e.holders.drop(h.id)
		}
	}
	for _, stray := range known.strays(before, e.holders.see()) {
		e.logger.Debug("stray holder removed", "holder", stray)
		e.removeHolder(ctx, stray)
	}
	for _, h := range before.used {
		if !known.exists[h.id] {
			e.holders.left(h.id, true)
		}
	}
	for _, joined := range known.cutOff() {
		e.killCutOff(ctx, joined)
	}
	return nil
}

// killCutOff kills a replica whose holder does not hold its address any more, if
// that is still so.
func (e *Engine) killCutOff(ctx context.Context, j joint) {
	if e.isAlive(ctx, j.holder) {
		return
	}
	e.logger.Warn("replica killed: the container that held its network was stopped or removed", "replica", j.replica, "holder", j.holder.id)
	if err := e.docker.ContainerKill(ctx, j.replica, "KILL"); err != nil {
		e.logger.Warn("replica not killed", "replica", j.replica, "err", err)
	}
}
