package resolver

import (
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"github.com/hashicorp/go-hclog"

	"faas-docker/function"
	"faas-docker/function/clock"
	"faas-docker/replica"
)

// Engine is what the resolver listens to. Its events are a doorbell, its list is
// the letter.
type Engine interface {
	// Events calls subscribed once it listens, then changed for every event about
	// a replica, perhaps from several goroutines, until the stream breaks or ctx
	// ends. It always returns an error.
	Events(ctx context.Context, subscribed func(), changed func(function.Event)) error
	// Replicas lists the replicas of one function; of all for the zero Name.
	Replicas(ctx context.Context, name function.Name) ([]function.Replica, error)
}

// Watch keeps the resolver true to the engine until ctx ends: it subscribes to
// the events, then lists everything, then lists each function again that an event
// names, and everything after two seconds and then every resync. It reconnects with a growing pause, of at
// most one second, whenever the engine does not answer. What is known stays in
// force meanwhile: replicas that run go on being lent.
func (r *Resolver) Watch(ctx context.Context, engine Engine, resync time.Duration, logger hclog.Logger) {
	pause := reconnectFloor
	var away time.Time // since when the engine does not answer; zero while it does
	for ctx.Err() == nil {
		w := watcher{resolver: r, engine: engine, resync: resync, bells: &doorbells{rung: clock.NewBell(), who: map[function.Name]bool{}}}
		w.listed = func() {
			pause = reconnectFloor
			if !away.IsZero() {
				logger.Info("engine answers again", "after", time.Since(away).Round(time.Millisecond))
				since := away
				away = time.Time{}
				r.Back(since)
			}
		}
		err := w.run(ctx)
		if ctx.Err() != nil {
			return
		}
		report := logger.Debug
		if away.IsZero() {
			away, report = time.Now(), logger.Warn
		}
		report("engine does not answer", "err", err, "retry_in", pause)
		clock.Sleep(ctx, pause/2+rand.N(pause/2+1))
		pause = min(2*pause, reconnectCeiling)
	}
}

const (
	reconnectFloor   = 100 * time.Millisecond
	reconnectCeiling = time.Second
	// aftermath is when everything is listed a second time: an engine goes on
	// creating containers for a provider that was killed, and no event tells.
	aftermath = 2 * time.Second
	// listTimeout is when an engine that was asked for its events or for a list, and is
	// silent, counts as one that does not answer.
	listTimeout = 20 * time.Second
	// firstTimeout is in place of that until it has answered for the first time: after
	// a boot, with a slow disk, it may need long.
	firstTimeout = 2 * time.Minute
)

// Synced is closed when the engine has been listed for the first time.
func (r *Resolver) Synced() <-chan struct{} { return r.synced }

// Observe replaces what is known of one function's replicas by a listing of the
// engine; of all functions when name is the zero Name. listing is the number that
// Listing gave before the engine was asked.
func (r *Resolver) Observe(name function.Name, listing uint64, replicas []function.Replica) {
	news := map[function.Name]bool{}
	for _, shown := range replicas {
		var listed told
		r.ensure(shown.Function, func(p *pool) { listed = p.upsert(shown, listing) })
		r.perform(listed.replica, listed.effects&^replica.Ring)
		news[shown.Function] = news[shown.Function] || listed.effects.Has(replica.Ring)
	}
	names := []function.Name{name}
	if name.IsZero() {
		names = r.Names()
	}
	for _, n := range names {
		var dropped []told
		r.with(n, func(p *pool) { dropped = p.drop(listing) })
		for _, each := range dropped {
			r.perform(each.replica, each.effects&^replica.Ring)
		}
		r.sweep(n)
		news[n] = news[n] || len(dropped) > 0
	}
	for n, are := range news {
		if are {
			r.Changed(n)
		}
	}
}

// Listing numbers a listing that is about to begin.
func (r *Resolver) Listing() uint64 { return r.listings.Add(1) }

// watcher is one connection to the engine's events.
type watcher struct {
	resolver *Resolver
	engine   Engine
	resync   time.Duration
	bells    *doorbells
	listed   func() // called when everything was listed for the first time
}

func (w *watcher) run(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	broken := make(chan error, 1)
	subscribed := make(chan struct{})
	var events sync.WaitGroup
	events.Go(func() {
		broken <- w.engine.Events(ctx, func() { close(subscribed) }, w.hear)
	})
	err := w.listen(ctx, subscribed, broken)
	cancel()
	events.Wait()
	return fmt.Errorf("watch the engine: %w", err)
}

// hear takes a replica that died out of rotation at once: its address may be
// another's by the time a list shows it. All else is read from the list.
func (w *watcher) hear(event function.Event) {
	if event.Died != "" {
		w.resolver.Tell(event.Function, event.Died, replica.Event{Kind: replica.Died})
		return
	}
	w.bells.ring(event.Function)
}

func (w *watcher) listen(ctx context.Context, subscribed <-chan struct{}, broken <-chan error) error {
	if err := w.awaitSubscription(subscribed, broken); err != nil {
		return err
	}
	if err := w.list(ctx, function.Name{}); err != nil {
		return err
	}
	w.resolver.syncedOnce.Do(func() { close(w.resolver.synced) })
	w.listed()
	tick := time.NewTimer(min(aftermath, w.resync))
	defer tick.Stop()
	for {
		select {
		case err := <-broken:
			return err
		case <-tick.C:
			if err := w.list(ctx, function.Name{}); err != nil {
				return err
			}
			tick.Reset(w.resync)
		case <-w.bells.rung:
			if err := w.listRung(ctx); err != nil {
				return err
			}
		}
	}
}

func (w *watcher) awaitSubscription(subscribed <-chan struct{}, broken <-chan error) error {
	patience := w.patience()
	select {
	case <-subscribed:
		return nil
	case err := <-broken:
		return err
	case <-time.After(patience):
		return fmt.Errorf("subscribe to events: no answer within %s", patience)
	}
}

// patience is how long an engine may be silent before it counts as one that does not
// answer.
func (w *watcher) patience() time.Duration {
	select {
	case <-w.resolver.synced:
		return listTimeout
	default:
		return firstTimeout
	}
}

func (w *watcher) listRung(ctx context.Context) error {
	for _, name := range w.bells.take() {
		if err := w.list(ctx, name); err != nil {
			return err
		}
	}
	return nil
}

func (w *watcher) list(ctx context.Context, name function.Name) error {
	ctx, cancel := context.WithTimeout(ctx, w.patience())
	defer cancel()
	listing := w.resolver.Listing()
	replicas, err := w.engine.Replicas(ctx, name)
	if err != nil {
		return fmt.Errorf("list replicas: %w", err)
	}
	w.resolver.Observe(name, listing, replicas)
	return nil
}

// doorbells collects the functions that rang until they are taken: many events about one
// function in a short time are one listing.
type doorbells struct {
	rung clock.Bell
	mu   sync.Mutex
	who  map[function.Name]bool
}

func (d *doorbells) ring(name function.Name) {
	d.mu.Lock()
	d.who[name] = true
	d.mu.Unlock()
	d.rung.Ring()
}

func (d *doorbells) take() []function.Name {
	d.mu.Lock()
	defer d.mu.Unlock()
	names := slices.Collect(maps.Keys(d.who))
	clear(d.who)
	return names
}
