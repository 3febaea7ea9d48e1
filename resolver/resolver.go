// Package resolver knows which replicas of each function are live, and lends
// them out one invocation at a time.
//
// The engine tells it what exists (Observe), the fleet tells it what may be used
// (Admit, Withdraw), and callers borrow (Acquire, Release). A caller who finds
// nobody ready waits in line, and the line is the demand signal: whoever is told
// of a change looks at Load.Waiting. Nobody polls.
package resolver

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"faas-docker/function"
)

// Resolver holds one pool per function. Make it with New; all methods are safe
// for concurrent use, and none holds a lock across I/O or a hook.
type Resolver struct {
	// Changed is called, without locks held, when the replicas of a function
	// changed or a caller began to wait for one. Set it before use; nil means
	// nobody listens.
	Changed func(function.Name)
	// Gone is called, without locks held, when a replica has left for good or falls
	// asleep and carries no invocation: the connections kept to it can be closed.
	// Set it before use; nil means nobody listens.
	Gone func(function.Replica)
	// Died is called, without locks held, when a replica is known to have stopped, or to
	// have lost its address, though invocations may be in flight on it: they may wait in
	// vain for an end of their connections. A replica that is withdrawn has not died. It
	// may be called more than once. Set it before use; nil means nobody listens.
	Died func(function.Replica)
	// Lost is called, without locks held, when a replica could not be thawed though
	// invocations may be in flight on it: they can only fail. untouched is set when the
	// function has certainly seen nothing of them, so that they may be sent elsewhere.
	// Set it before use; nil means nobody listens.
	Lost func(replica function.Replica, untouched bool)
	// Back is called, without locks held, when the engine has answered again after it
	// had not, as was noticed at the time away: what failed since may succeed now. Set
	// it before use; nil means nobody listens.
	Back func(away time.Time)

	// listings numbers the listings of the engine, so that one which began before
	// a replica was started cannot make it vanish.
	listings atomic.Uint64

	// mu protects pools; each pool has a lock of its own.
	mu    sync.RWMutex
	pools map[function.Name]*pool

	synced     chan struct{}
	syncedOnce sync.Once
}

// New returns a Resolver that knows no function.
func New() *Resolver {
	return &Resolver{pools: map[function.Name]*pool{}, synced: make(chan struct{})}
}

// Lease is one invocation's hold on one replica. It must be released exactly
// once.
type Lease struct {
	pool    *pool
	member  *member
	replica *function.Replica
	owner   *Resolver
	waking  bool // the replica slept when it was lent, or was on its way to wake
	rings   bool // lending it has roused it, or is more than its fleet expects
}

// Replica is the borrowed replica. It is shared: do not modify it.
func (l Lease) Replica() *function.Replica { return l.replica }

// Waking reports whether the replica was still asleep when it was lent: if its thaw
// fails, Resolver.Lost is called for it.
func (l Lease) Waking() bool { return l.waking }

// Release gives the replica back.
func (l Lease) Release() {
	gone, drained := l.pool.release(l.member)
	if gone {
		l.owner.gone(l.replica)
	}
	if drained {
		l.owner.changed(l.pool.name)
	}
}

// Acquire lends a ready replica that has few invocations in flight, claiming it
// and counting it in one step. With none ready it lends a sleeping one, which
// thaws meanwhile. With none at all it waits until one is ready, or ctx ends, or the fleet says that none can be had (Refuse). A function that
// is not declared is an ErrNotFound at once, and one whose line is full an ErrBusy;
// every other failure is an ErrNoReplica or the context's error.
func (r *Resolver) Acquire(ctx context.Context, name function.Name) (Lease, error) {
	p := r.pool(name)
	if p == nil {
		return Lease{}, function.UnknownFunction(name)
	}
	lease, w, err := p.claim()
	if w != nil || lease.rings {
		r.changed(name)
	}
	if w != nil {
		lease, err = w.wait(ctx)
	}
	lease.owner = r
	if err != nil && lease.member != nil {
		// Somebody served us just as ctx ended; what was lent goes back.
		lease.Release()
	}
	return lease, err
}

// Declare makes a function known: from now on callers wait for its replicas
// instead of being told that it does not exist. Of the policy, the limits of
// invocations in flight and of callers in line are kept here.
func (r *Resolver) Declare(name function.Name, policy function.CallPolicy) {
	r.with(name, func(p *pool) { p.declare(policy) })
}

// Policy returns what a function was declared with; zero for an unknown one.
func (r *Resolver) Policy(name function.Name) function.CallPolicy {
	p := r.pool(name)
	if p == nil {
		return function.CallPolicy{}
	}
	return p.callPolicy()
}

// Alarm has Changed called, once, when a function has more invocations in flight
// than so many: a burst is over before anybody looks by himself. Zero is never.
func (r *Resolver) Alarm(name function.Name, above int) {
	if p := r.pool(name); p != nil {
		p.setAlarm(above)
	}
}

// Forget makes a function unknown: waiting callers are told so, and nobody
// borrows its replicas any more. The replicas stay observed until they are gone.
func (r *Resolver) Forget(name function.Name) {
	p := r.pool(name)
	if p == nil {
		return
	}
	p.forget()
	r.sweep(name)
	r.changed(name)
}

// Add makes a replica known that was just started, without lending it yet.
// listing is the number that Listing gave before the start began: what a listing
// with a higher one says of the replica counts for more.
func (r *Resolver) Add(replica function.Replica, listing uint64) {
	born := r.listings.Add(1)
	r.with(replica.Function, func(p *pool) { p.add(replica, listing, born) })
}

// Admit puts a running replica into rotation: it has been seen to answer. It
// reports whether the replica is known, runs and was not withdrawn.
func (r *Resolver) Admit(name function.Name, id string) bool {
	p := r.pool(name)
	return p != nil && p.admit(id)
}

// Suspect takes a replica out of rotation that is said to be dead or could not be
// reached, until it is admitted again: whoever is told of the change finds out
// whether it lives. Lists would tell so too, but later.
func (r *Resolver) Suspect(name function.Name, id string) {
	if p := r.pool(name); p != nil && p.suspect(id) {
		r.changed(name)
	}
}

// ended is Suspect for a replica that has died.
func (r *Resolver) ended(name function.Name, id string) {
	r.Suspect(name, id)
	if p := r.pool(name); p != nil {
		r.died(p.replica(id))
	}
}

// Withdraw takes a replica out of rotation for good. The channel is closed when
// the last invocation on it has ended; at once when there is none.
func (r *Resolver) Withdraw(name function.Name, id string) <-chan struct{} {
	p := r.pool(name)
	if p == nil {
		return closed()
	}
	idle, gone := p.withdraw(id)
	if gone != nil {
		r.gone(gone)
	}
	return idle
}

// Remove makes a replica unknown whose container was removed, without waiting for
// the engine to say so.
func (r *Resolver) Remove(name function.Name, id string) {
	p := r.pool(name)
	if p == nil {
		return
	}
	dead, idle := p.remove(id)
	r.died(dead)
	if idle {
		r.gone(dead)
	}
	r.sweep(name)
}

// Refuse ends the wait of everybody in line for a function with err, and turns
// away newcomers with it until then or until a replica is admitted.
func (r *Resolver) Refuse(name function.Name, err error, until time.Time) {
	if p := r.pool(name); p != nil {
		p.refuse(err, until)
	}
}

// Relent has nobody turned away any more: what Refuse said of a function has passed.
func (r *Resolver) Relent(name function.Name) {
	if p := r.pool(name); p != nil {
		p.relent()
	}
}

// Members returns what is known of a function's replicas, oldest first.
func (r *Resolver) Members(name function.Name) []Member {
	p := r.pool(name)
	if p == nil {
		return nil
	}
	return p.snapshot()
}

// Load returns the function's load; zero for an unknown one.
func (r *Resolver) Load(name function.Name) function.Load {
	p := r.pool(name)
	if p == nil {
		return function.Load{}
	}
	return p.load()
}

// Names returns every function that is declared or has replicas.
func (r *Resolver) Names() []function.Name {
	r.mu.RLock()
	defer r.mu.RUnlock()
	names := make([]function.Name, 0, len(r.pools))
	for name := range r.pools {
		names = append(names, name)
	}
	return names
}

func (r *Resolver) pool(name function.Name) *pool {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return r.pools[name]
}

// with lets act work on the function's pool, which is made when missing and
// cannot be swept away meanwhile. act must not call hooks.
func (r *Resolver) with(name function.Name, act func(*pool)) {
	if r.withExisting(name, act) {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.pools[name] == nil {
		r.pools[name] = newPool(name)
	}
	act(r.pools[name])
}

func (r *Resolver) withExisting(name function.Name, act func(*pool)) bool {
	r.mu.RLock()
	defer r.mu.RUnlock()
	p := r.pools[name]
	if p != nil {
		act(p)
	}
	return p != nil
}

// sweep drops the pool of a function that is neither declared nor has replicas.
func (r *Resolver) sweep(name function.Name) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if p := r.pools[name]; p != nil && p.abandoned() {
		delete(r.pools, name)
	}
}

func (r *Resolver) changed(name function.Name) {
	if r.Changed != nil {
		r.Changed(name)
	}
}

func (r *Resolver) gone(replica *function.Replica) {
	if r.Gone != nil {
		r.Gone(*replica)
	}
}

// died tells of a replica that has died; nil is none.
func (r *Resolver) died(replica *function.Replica) {
	if r.Died != nil && replica != nil {
		r.Died(*replica)
	}
}

func (r *Resolver) back(away time.Time) {
	if r.Back != nil {
		r.Back(away)
	}
}

func closed() <-chan struct{} {
	c := make(chan struct{})
	close(c)
	return c
}
