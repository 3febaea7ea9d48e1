// Package fleet makes it so: it compares what should run with what does, and is
// the only caller of start, stop, pause and unpause.
//
// Every function has a worker of its own, so that a slow pull, a long drain or a
// failing image of one delays no other. A worker decides with a pure function
// (plan.go), acts in tasks that run beside it, and is rung by the resolver when
// replicas change, by tasks when they end, and by the API when desires change.
package fleet

import (
	"cmp"
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hashicorp/go-hclog"

	"faas-docker/fleet/scale"
	"faas-docker/function"
	"faas-docker/function/clock"
	"faas-docker/resolver"
)

// Store is where the fleet reads what should run and writes what it decided.
type Store interface {
	Functions
	Namespaces
}

// Functions are the functions of a Store.
type Functions interface {
	Deployments
	// Fresh reports whether the store has just been made: what runs is adopted then.
	Fresh() bool
	Adopt(functions []function.Function) error
	Functions(namespace string) []function.Function
	Function(name function.Name) (function.Function, error)
	// Change changes a function unless change says no.
	Change(name function.Name, change func(function.Function) (function.Function, bool)) (function.Function, error)
}

// Deployments are what changes which functions there are, and their revisions.
type Deployments interface {
	Create(f function.Function) (function.Function, error)
	Replace(name function.Name, change func(function.Function) function.Function) (function.Function, error)
	Restore(name function.Name, change func(function.Function) (function.Function, error)) (function.Function, error)
	Delete(name function.Name) error
}

// Namespaces are the namespaces of a Store, with their secrets.
type Namespaces interface {
	Namespace(name string) (function.Namespace, error)
	DeleteNamespace(name string) error
	Secret(namespace, name string) (function.Secret, error)
	CreateSecret(secret function.Secret) error
}

// Engine is what the fleet asks of Docker.
type Engine interface {
	Host
	Images
	Starter
	Freezer
	SecretsKeeper
}

// Host is the machine that the engine runs on.
type Host interface {
	// Prepare makes what functions need of the engine.
	Prepare(ctx context.Context) error
	Capacity(ctx context.Context) (cpus int, memoryBytes int64, err error)
	Swap(ctx context.Context) (function.Swap, error)
	// Processors asks no engine, and answers the zero value when it does not know.
	Processors() function.Processors
	Usage(ctx context.Context, name function.Name) (function.Usage, error)
	// Functions rebuilds what was deployed from the containers there are.
	Functions(ctx context.Context) ([]function.Function, error)
}

// Images are the images of functions.
type Images interface {
	Check(ctx context.Context, spec function.Spec) error
	// Image resolves f.Image as its pull policy says or, where f.ImageID names an image
	// already, has exactly that in place.
	Image(ctx context.Context, f function.Function) (function.Image, error)
}

// Starter starts replicas and ends them.
type Starter interface {
	Start(ctx context.Context, f function.Function) (function.Replica, error)
	Stop(ctx context.Context, id string, grace time.Duration) error
	Remove(ctx context.Context, id string) error
	PostMortem(ctx context.Context, id string) (function.PostMortem, error)
	Leave(ctx context.Context, replica function.Replica, left bool) error
}

// Freezer freezes replicas, and has their memory on the host's swap meanwhile.
type Freezer interface {
	Pause(ctx context.Context, id string) error
	Unpause(ctx context.Context, id string) error
	Memory(ctx context.Context, id string) (int64, error)
	Reclaim(ctx context.Context, id string, memory int64) error
	Restore(ctx context.Context, id string, spec function.Spec) error
}

// SecretsKeeper puts secrets where replicas read them.
type SecretsKeeper interface {
	PutSecrets(ctx context.Context, f function.Function, values map[string][]byte) error
	SecretsOf(ctx context.Context, id string) (map[string][]byte, error)
	RemoveSecrets(ctx context.Context, name function.Name, keep map[uint64]bool) error
	SecretOwners(ctx context.Context) ([]function.Name, error)
}

// Config is what the fleet needs. Store, Engine, Resolver and Logger are
// required.
type Config struct {
	Store    Store
	Engine   Engine
	Resolver *resolver.Resolver
	Logger   hclog.Logger

	// StartTimeout bounds the time from a replica's start to its first answer.
	// Zero means 60 s.
	StartTimeout time.Duration
	// DrainTimeout bounds the wait for the invocations of a replica that is to be
	// stopped. Zero means 60 s.
	DrainTimeout time.Duration
}

// Hooks are what a Fleet asks and tells others. They may be replaced before Run; those of a
// new Fleet ask over HTTP, have no objection and tell nobody.
type Hooks struct {
	// Await returns when the replica is ready for calls, or else with what it last said
	// when ctx ends; tell is called with what it says meanwhile.
	Await func(ctx context.Context, replica function.Replica, ready function.Readiness, tell func(string)) error
	// Ask returns nil when the replica, which runs, answers within the check's time, and else
	// what it said.
	Ask func(ctx context.Context, replica function.Replica, check function.Probe) error
	// Judge refuses, with an ErrInvalid, a spec that asks the rest of the provider for
	// what it cannot give.
	Judge func(function.Spec) error
	// Calls tells how often a function was called: that of a new Fleet, how often its replicas
	// were lent since the program began.
	Calls func(function.Name) uint64
	// Deleted is called after a function was deleted.
	Deleted func(function.Name)
	// Rested is called when the number of functions that have no replica, and are
	// started by their next call, changes.
	Rested func(change int)
	// Wall is the time of day, by which the end of a rollback's window is written down;
	// all else is counted by the monotonic clock.
	Wall func() time.Time
}

// Fleet keeps every function as it should be. Make it with New and call Run; the
// other methods are safe for concurrent use, before Run too.
type Fleet struct {
	Config
	Hooks
	starts *startQueue
	*diary // its exported methods are the fleet's
	ledger *ledger
	ready  chan struct{} // closed when Run has begun
	// busy are the bits of the part of the host's processors that was in use lately.
	busy atomic.Uint64
	// publishing orders what callers are told with what is stored.
	publishing sync.Mutex

	// mu protects the fields below.
	mu      sync.Mutex
	workers map[function.Name]*worker
	// refreshed are the functions whose secrets have changed before Run.
	refreshed map[function.Name]bool
	running   context.Context // nil before and after Run
	group     sync.WaitGroup
}

// New returns a Fleet for every function in the store. Its Ring and Forgive are to be the
// resolver's Changed and Back.
func New(config Config) *Fleet {
	config.StartTimeout = cmp.Or(config.StartTimeout, time.Minute)
	config.DrainTimeout = cmp.Or(config.DrainTimeout, time.Minute)
	f := &Fleet{
		Config: config,
		Hooks: Hooks{
			Await: awaitHTTP, Ask: askHTTP, Wall: time.Now,
			Judge:   func(function.Spec) error { return nil },
			Calls:   func(name function.Name) uint64 { return config.Resolver.Load(name).Invocations },
			Deleted: func(function.Name) {}, Rested: func(int) {},
		},
		starts:  newStartQueue(mostStarts, func(name function.Name) bool { return config.Resolver.Load(name).Waiting > 0 }),
		diary:   &diary{entries: map[function.Name]*entry{}},
		ledger:  &ledger{pages: map[function.Name][]scale.Reserved{}, refused: map[function.Name]bool{}},
		ready:   make(chan struct{}),
		workers: map[function.Name]*worker{}, refreshed: map[function.Name]bool{},
	}
	for _, known := range config.Store.Functions("") {
		f.publish(known.ID())
	}
	return f
}

// publish tells callers what the store says of a function now: what is settled for its calls, or
// that it is deleted. Of several at a time the last one has read what was stored last.
func (f *Fleet) publish(name function.Name) {
	f.publishing.Lock()
	defer f.publishing.Unlock()
	known, err := f.Store.Function(name)
	switch {
	case errors.Is(err, function.ErrNotFound):
		f.Resolver.Forget(name)
		return
	case err != nil:
		f.Logger.Error("callers not told of a function", "function", name, "err", err)
		return
	}
	policy, err := known.Settings().CallPolicy()
	if err != nil {
		f.Logger.Error("call policy ignored", "function", name, "err", err)
	}
	f.Resolver.Declare(name, policy)
}

// Run makes the desired state so until ctx ends, then waits for what is under
// way. It begins when the resolver has seen the engine for the first time.
// Containers keep running when it returns.
func (f *Fleet) Run(ctx context.Context) {
	if !f.begin(ctx) {
		return
	}
	f.survey()
	for _, name := range f.Resolver.Names() {
		f.Ring(name)
	}
	f.refreshEarly()
	f.tidy(ctx)
	close(f.ready)
	f.group.Go(func() {
		for clock.Sleep(ctx, hostPause) == nil {
			f.measureHost(ctx)
		}
	})
	f.sample(ctx)
	f.mu.Lock()
	f.running = nil
	f.mu.Unlock()
	f.group.Wait()
}

// refreshEarly gives replicas the secrets that have changed before Run.
func (f *Fleet) refreshEarly() {
	f.mu.Lock()
	early := f.refreshed
	f.refreshed = nil
	f.mu.Unlock()
	for name := range early {
		f.tell(name, (*worker).refreshSecrets)
	}
}

// tidyTimeout bounds the engine's list of secrets, for which nothing else is to wait.
const tidyTimeout = 10 * time.Second

// tidy has secrets removed that a provider which was killed has left: of old
// revisions, and of functions that are deleted.
func (f *Fleet) tidy(ctx context.Context) {
	limited, cancel := context.WithTimeout(ctx, tidyTimeout)
	defer cancel()
	owners, err := f.Engine.SecretOwners(limited)
	if err != nil {
		f.Logger.Error("orphaned secret scan failed", "err", err)
	}
	for _, name := range owners {
		f.tell(name, func(w *worker) { w.untidy = true })
	}
}

// Ready is closed when Run has seen the engine and prepared it.
func (f *Fleet) Ready() <-chan struct{} { return f.ready }

// begin waits for the engine, and adopts what it runs if the store was lost.
func (f *Fleet) begin(ctx context.Context) bool {
	select {
	case <-f.Resolver.Synced():
	case <-ctx.Done():
		return false
	}
	f.retry(ctx, "engine preparation failed", f.Engine.Prepare)
	f.measureHost(ctx)
	if f.Store.Fresh() {
		f.retry(ctx, "container adoption failed", f.adopt)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.running = ctx
	return ctx.Err() == nil
}

// Ring tells the function's worker to look again. Rings before
// Run has begun are lost; Run rings for all.
func (f *Fleet) Ring(name function.Name) { f.tell(name, nil) }

// Forgive tells all workers that the engine is back, which was away since then.
func (f *Fleet) Forgive(away time.Time) {
	for _, name := range f.Resolver.Names() {
		f.tell(name, func(w *worker) { w.forgive(away.Add(-departure)) })
	}
}

// tell has the function's worker, made when missing, run act before it looks
// again. It reports whether anybody listens.
func (f *Fleet) tell(name function.Name, act func(*worker)) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.running == nil {
		return false
	}
	w := f.workers[name]
	if w == nil {
		w = newWorker(f, name)
		f.workers[name] = w
		ctx := f.running
		w.attend = func() { f.group.Go(func() { w.run(ctx) }) }
	}
	w.post(act)
	return true
}

// dismiss ends a worker that has nothing left to do, unless it was told of
// something new meanwhile.
func (f *Fleet) dismiss(w *worker) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	if w.isRung() {
		return false
	}
	delete(f.workers, w.name)
	return true
}

// retry repeats act with a growing pause, of at most five seconds, until it
// succeeds or ctx ends.
func (f *Fleet) retry(ctx context.Context, failure string, act func(context.Context) error) {
	for wait := 200 * time.Millisecond; ctx.Err() == nil; wait = min(2*wait, 5*time.Second) {
		err := act(ctx)
		if err == nil {
			return
		}
		f.Logger.Error(failure, "err", err, "retry_in", wait)
		clock.Sleep(ctx, wait)
	}
}

// log returns what is logged with that the engine could not do something to a replica.
// That the engine is away is said elsewhere, once.
func (f *Fleet) log(err error) func(message string, args ...any) {
	if isAway(err) {
		return f.Logger.Debug
	}
	return f.Logger.Error
}

// isAway reports whether a failure only says that the engine does not answer, or not in
// time.
func isAway(err error) bool {
	return errors.Is(err, function.ErrUnavailable) || errors.Is(err, context.DeadlineExceeded)
}
