package holders

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/events"
	"github.com/docker/docker/api/types/filters"

	"faas-docker/function"
	"faas-docker/function/clock"
)

const (
	// retryPause is the pause after a first failure to make a holder, and after the
	// stream of events has broken; retryPauseMax is what it grows to.
	retryPause    = time.Second
	retryPauseMax = time.Minute
	// doubtSpan is how long doubts about holders are left alone: most go away when
	// the process that removes a replica has removed its holder too, or restarts it.
	doubtSpan = 250 * time.Millisecond
	// sweepInterval is how often holders are swept without a reason. The first
	// time is after aftermath: an engine goes on creating containers for a provider
	// that was killed.
	sweepInterval = time.Minute
	aftermath     = 2 * time.Second
)

// Keep keeps as many network namespaces ready as may be needed at once (see AtZero), but no
// more than New was told, and removes those whose replica has gone, until ctx
// ends. Then it removes those that are ready. A replica whose namespace was taken away by
// hand is killed, because its address may be another's soon; it is then a replica that
// stopped by itself. Keep is to be called once, when the function network exists; without
// it each replica has a namespace of its own.
func (k *Keeper) Keep(ctx context.Context) {
	var parts sync.WaitGroup
	parts.Go(func() { k.watch(ctx) })
	parts.Go(func() { k.sweepOften(ctx) })
	k.refill(ctx)
	parts.Wait()
	for _, h := range k.pool.close() {
		k.remove(ctx, h)
	}
}

func (k *Keeper) refill(ctx context.Context) {
	pause := retryPause
	for k.pool.awaitTurn(ctx) {
		err := k.Add(ctx)
		if err == nil {
			pause = retryPause
			continue
		}
		if errors.Is(err, errNoProgram) {
			k.logger.Info("replicas start without ready network namespaces", "err", err)
			return
		}
		k.engine.Log(err)("network namespace not made ready", "err", err, "again_in", pause)
		select {
		case <-time.After(pause):
			pause = min(2*pause, retryPauseMax)
		case <-k.pool.answered:
			pause = retryPause
		case <-ctx.Done():
			return
		}
		if errors.Is(err, function.ErrNotFound) {
			if err := k.engine.EnsureNetwork(ctx); err != nil {
				k.logger.Warn("function network not recreated", "err", err)
			}
		}
	}
}

// watch takes holders that die out of the pool, and has the others swept
// when one of them, or of the replicas in them, dies or goes.
func (k *Keeper) watch(ctx context.Context) {
	for ctx.Err() == nil {
		if err := k.readEvents(ctx); ctx.Err() == nil {
			k.logger.Debug("holder event stream lost", "err", err)
			clock.Sleep(ctx, retryPause)
		}
	}
}

func (k *Keeper) readEvents(ctx context.Context) error {
	selected := filters.NewArgs(
		k.ours(), filters.Arg("type", "container"), filters.Arg("event", "die"), filters.Arg("event", "destroy"),
	)
	return k.engine.Events(ctx, selected, func() {
		k.pool.doubted.Ring() // by whatever went unnoticed before
		k.pool.answered.Ring()
	}, k.hear)
}

func (k *Keeper) hear(message events.Message) {
	switch {
	case message.Actor.Attributes[function.LabelRole] == function.RoleHolder:
		k.pool.drop(message.Actor.ID)
	case message.Actor.Attributes[function.LabelHolder] == "":
		return
	}
	k.pool.doubted.Ring()
}

// ours selects all containers of this provider.
func (k *Keeper) ours() filters.KeyValuePair {
	return filters.Arg("label", function.LabelProvider+"="+k.network)
}

func (k *Keeper) sweepOften(ctx context.Context) {
	interval := time.NewTimer(aftermath)
	defer interval.Stop()
	for {
		select {
		case <-k.pool.doubted:
		case <-interval.C:
			interval.Reset(sweepInterval)
		case <-ctx.Done():
			return
		}
		if clock.Sleep(ctx, doubtSpan) != nil {
			return
		}
		if err := k.Sweep(ctx); err != nil {
			k.logger.Debug("holder sweep failed", "err", err)
		}
		for _, h := range k.pool.trim() {
			k.remove(ctx, h)
		}
	}
}

// Sweep removes holders that no replica lives in, such as those of a process
// that was killed, and kills replicas that live in none. Keep does so by
// itself, beside its other tasks: it takes a moment for each.
func (k *Keeper) Sweep(ctx context.Context) error {
	before := k.pool.see() // and again after it has listed: see strays
	listed, err := k.docker.ContainerList(ctx, container.ListOptions{All: true, Filters: filters.NewArgs(k.ours())})
	if err != nil {
		return k.engine.Explain("list holders", err)
	}
	known := newList(listed, k.network)
	for _, h := range before.ready {
		if known.holders[h.ID].Address != h.Address {
			k.pool.drop(h.ID)
		}
	}
	for _, stray := range known.strays(before, k.pool.see()) {
		k.logger.Debug("stray holder removed", "holder", stray)
		k.Leave(ctx, stray)
	}
	for _, h := range before.used {
		if _, exists := known.holders[h.ID]; !exists {
			k.pool.left(h.ID, true)
		}
	}
	for _, joined := range known.cutOff() {
		k.killCutOff(ctx, joined)
	}
	return nil
}

// killCutOff kills a replica whose holder does not hold its address any more, if
// that is still so.
func (k *Keeper) killCutOff(ctx context.Context, j joint) {
	if k.isAlive(ctx, j.holder) {
		return
	}
	k.logger.Warn("replica killed: the container that held its network was stopped or removed", "replica", j.replica, "holder", j.holder.ID)
	if err := k.docker.ContainerKill(ctx, j.replica, "KILL"); err != nil {
		k.logger.Warn("replica not killed", "replica", j.replica, "err", err)
	}
}
