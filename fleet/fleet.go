// Package fleet makes it so: it compares what should run with what does, and is
// the only caller of start, stop, pause and unpause.
//
// Every function has a worker of its own, so that a slow pull, a long drain or a
// failing image of one delays no other. A worker decides with a pure function
// (plan.go), acts in tasks that run beside it, and is rung by the resolver when
// replicas change, by tasks when they end, and by the API when desires change.
package fleet

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/hashicorp/go-hclog"

	"faas-docker/function"
	"faas-docker/resolver"
)

// Store is where the fleet reads what should run and writes what it decided.
type Store interface {
	Fresh() bool
	Functions(namespace string) []function.Function
	Function(name function.Name) (function.Function, error)
	Create(f function.Function) (function.Function, error)
	Replace(name function.Name, change func(function.Function) function.Function) (function.Function, error)
	Restore(name function.Name, change func(function.Function) (function.Function, error)) (function.Function, error)
	Change(name function.Name, change func(function.Function) (function.Function, bool)) (function.Function, error)
	Delete(name function.Name) error
	Adopt(functions []function.Function) error
	Namespace(name string) (function.Namespace, error)
	DeleteNamespace(name string) error
	Secret(namespace, name string) (function.Secret, error)
	CreateSecret(secret function.Secret) error
}

// Engine is what the fleet asks of Docker.
type Engine interface {
	Prepare(ctx context.Context) error
	Capacity(ctx context.Context) (cpus int, memoryBytes int64, err error)
	Check(ctx context.Context, spec function.Spec) error
	Image(ctx context.Context, ref string) (id string, err error)
	Start(ctx context.Context, f function.Function) (function.Replica, error)
	Stop(ctx context.Context, id string, grace time.Duration) error
	Remove(ctx context.Context, id string) error
	Pause(ctx context.Context, id string) error
	Unpause(ctx context.Context, id string) error
	Leave(ctx context.Context, replica function.Replica, left bool) error
	Swap(ctx context.Context) (function.Swap, error)
	Memory(ctx context.Context, id string) (int64, error)
	Reclaim(ctx context.Context, id string, memory int64) error
	Restore(ctx context.Context, id string, spec function.Spec) error
	Usage(ctx context.Context, name function.Name) (function.Usage, error)
	PostMortem(ctx context.Context, id string) (function.PostMortem, error)
	PutSecrets(ctx context.Context, f function.Function, values map[string][]byte) error
	SecretsOf(ctx context.Context, id string) (map[string][]byte, error)
	RemoveSecrets(ctx context.Context, name function.Name, keep map[uint64]bool) error
	SecretOwners(ctx context.Context) ([]function.Name, error)
	Functions(ctx context.Context) ([]function.Function, error)
}

// Config is what the fleet needs. Store, Engine, Resolver and Logger are
// required.
type Config struct {
	Store    Store
	Engine   Engine
	Resolver *resolver.Resolver
	Logger   hclog.Logger

	// DeployWait bounds how long a deployment waits for its image before it is
	// answered and the pull goes on by itself. Zero means 20 s.
	DeployWait time.Duration
	// StartTimeout bounds the time from a replica's start to its first answer.
	// Zero means 60 s.
	StartTimeout time.Duration
	// DrainTimeout bounds the wait for the invocations of a replica that is to be
	// stopped. Zero means 60 s.
	DrainTimeout time.Duration
	// Await returns when the replica answers, or else with what it last said when
	// ctx ends; path is the health path that the user named, or empty. Nil means
	// that it is asked over HTTP.
	Await func(ctx context.Context, replica function.Replica, path string) error
	// Ask returns nil when the replica, which runs, answers now, and else what it said;
	// path is the health path that the user named, or empty. Nil means that it is
	// asked over HTTP.
	Ask func(ctx context.Context, replica function.Replica, path string) error
	// Judge refuses, with an ErrInvalid, a spec that asks the rest of the provider for
	// what it cannot give. Nil means that nobody objects.
	Judge func(function.Spec) error
	// Deleted is called after a function was deleted. Nil means nobody listens.
	Deleted func(function.Name)
	// Rested is called when the number of functions that have no replica, and are
	// started by their next call, changes. Nil means nobody listens.
	Rested func(change int)
	// Wall is the time of day, by which the end of a rollback's window is written down;
	// all else is counted by a clock that nobody can set. Nil means time.Now.
	Wall func() time.Time
	// Starts is how many containers may be in the making at a time. Zero means 8.
	Starts int
}

// Fleet keeps every function as it should be. Make it with New and call Run; the
// other methods are safe for concurrent use, before Run too.
type Fleet struct {
	Config
	starts chan struct{} // one token per container in the making
	diary  *diary
	ledger *ledger
	ready  chan struct{} // closed when Run has begun

	// mu protects the fields below.
	mu      sync.Mutex
	workers map[function.Name]*worker
	running context.Context // nil before and after Run
	group   sync.WaitGroup
}

// New returns a Fleet for every function in the store; it becomes the resolver's
// Changed and Back hooks.
func New(config Config) *Fleet {
	config.DeployWait = orDefault(config.DeployWait, 20*time.Second)
	config.StartTimeout = orDefault(config.StartTimeout, time.Minute)
	config.DrainTimeout = orDefault(config.DrainTimeout, time.Minute)
	config.Starts = orDefault(config.Starts, 8)
	if config.Await == nil {
		config.Await = awaitHTTP
	}
	if config.Wall == nil {
		config.Wall = time.Now
	}
	if config.Ask == nil {
		config.Ask = askHTTP
	}
	f := &Fleet{
		Config:  config,
		starts:  make(chan struct{}, config.Starts),
		diary:   newDiary(),
		ledger:  newLedger(),
		ready:   make(chan struct{}),
		workers: map[function.Name]*worker{},
	}
	config.Resolver.Changed = f.ring
	config.Resolver.Back = f.forgive
	for _, known := range config.Store.Functions("") {
		f.declare(known.Spec)
	}
	return f
}

// declare makes a function known to callers.
func (f *Fleet) declare(spec function.Spec) {
	policy, err := spec.CallPolicy()
	if err != nil {
		f.Logger.Error("call policy passed over", "function", spec.ID(), "err", err)
	}
	f.Resolver.Declare(spec.ID(), policy)
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
		f.ring(name)
	}
	f.tidy(ctx)
	close(f.ready)
	f.group.Go(func() { f.watchHost(ctx) })
	f.sample(ctx)
	f.mu.Lock()
	f.running = nil
	f.mu.Unlock()
	f.group.Wait()
}

// tidy has secrets removed that a provider which was killed has left: of old
// revisions, and of functions that are deleted.
func (f *Fleet) tidy(ctx context.Context) {
	owners, err := f.Engine.SecretOwners(ctx)
	if err != nil {
		f.Logger.Error("secrets that may be left over not looked for", "err", err)
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
	retry(ctx, func() error { return f.Engine.Prepare(ctx) }, func(err error, pause time.Duration) {
		f.Logger.Error("engine cannot be prepared", "err", err, "retry_in", pause)
	})
	f.measureHost(ctx)
	if f.Store.Fresh() {
		retry(ctx, func() error { return f.adopt(ctx) }, func(err error, pause time.Duration) {
			f.Logger.Error("containers cannot be adopted", "err", err, "retry_in", pause)
		})
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.running = ctx
	return ctx.Err() == nil
}

// ring tells the function's worker to look again. Before Run has begun nobody
// listens; Run rings for all.
func (f *Fleet) ring(name function.Name) { f.tell(name, nil) }

// forgive tells all workers that the engine is back, which was away since then.
func (f *Fleet) forgive(away time.Time) {
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
func retry(ctx context.Context, act func() error, failed func(error, time.Duration)) {
	for wait := 200 * time.Millisecond; ctx.Err() == nil; wait = min(2*wait, 5*time.Second) {
		err := act()
		if err == nil {
			return
		}
		failed(err, wait)
		pause(ctx, wait)
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

func orDefault[T comparable](value, otherwise T) T {
	var zero T
	if value == zero {
		return otherwise
	}
	return value
}
