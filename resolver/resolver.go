// Package resolver knows which replicas of each function are live, and lends
// them out one invocation at a time.
//
// The engine tells it what exists (Observe), the fleet tells it what may be used
// (MarkReady, Withdraw), and callers borrow (Acquire, Release). A caller that finds
// no replica ready waits in line, and the line is the demand signal: the fleet is told
// of each change and looks at Load.Waiting. There is no polling.
package resolver

import (
	"context"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"faas-docker/function"
	"faas-docker/replica"
)

// Resolver holds one pool per function. Make it with New; all methods are safe
// for concurrent use, and none holds a lock across I/O or a hook.
type Resolver struct {
	Hooks
	registry
	// listings numbers the listings of the engine, so that one which began before
	// a replica was started cannot make it vanish.
	listings atomic.Uint64

	synced     chan struct{}
	syncedOnce sync.Once
}

// New returns a Resolver that knows no function.
func New() *Resolver {
	return &Resolver{
		Hooks: Hooks{
			Changed: func(function.Name) {}, Back: func(time.Time) {}, CloseIdle: func(function.Replica) {},
			Severed: func(function.Replica) {}, ThawFailed: func(function.Replica, bool) {},
		},
		registry: registry{pools: map[function.Name]*pool{}},
		synced:   make(chan struct{}),
	}
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
	proven  bool // the replica had answered for itself when it was lent
	deaths  int32
}

// Replica is the borrowed replica. It is shared: do not modify it.
func (l Lease) Replica() *function.Replica { return l.replica }

// Waking reports whether the replica was still frozen when it was lent: if its thaw
// fails, Resolver.ThawFailed is called for it.
func (l Lease) Waking() bool { return l.waking }

// IsProven reports whether the replica had answered for itself when it was lent, or was
// seen to be ready after it was denied.
func (l Lease) IsProven() bool { return l.proven }

// Prove writes down that the replica has answered for itself.
func (l Lease) Prove() { l.member.proven.Store(true) }

// HasDied reports whether the replica has ended by itself since it was lent; false for the zero lease.
func (l Lease) HasDied() bool { return l.member != nil && l.member.deaths.Load() != l.deaths }

// Release gives the replica back.
func (l Lease) Release() {
	l.owner.perform(l.replica, l.pool.release(l.member))
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
		r.Changed(name)
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

// Lend is Acquire for a caller that does not wait: the replica is ready. Where there is none such,
// nothing has happened.
func (r *Resolver) Lend(name function.Name) (lease Lease, lent bool) {
	p := r.pool(name)
	if p == nil {
		return Lease{}, false
	}
	if lease, lent = p.claimReady(); lease.rings {
		r.Changed(name)
	}
	lease.owner = r
	return lease, lent
}

// Declare makes a function known: from now on callers wait for its replicas
// instead of being told that it does not exist. Of the policy, the limits of
// invocations in flight and of callers in line are kept here.
func (r *Resolver) Declare(name function.Name, policy function.CallPolicy) {
	r.ensure(name, func(p *pool) {
		p.declared, p.policy = true, policy
		p.serveLine()
	})
}

// Policy returns what a function was declared with; zero for an unknown one.
func (r *Resolver) Policy(name function.Name) (policy function.CallPolicy) {
	r.with(name, func(p *pool) { policy = p.policy })
	return policy
}

// Alarm has Changed called, once, when a function has more invocations in flight
// than above: a burst is over before the next regular look. Zero is never. seen is how many
// the caller knows to be in flight: when more than both are by now, Changed is called at once.
func (r *Resolver) Alarm(name function.Name, above, seen int) {
	rings := false
	r.with(name, func(p *pool) {
		p.alarm = above
		rings = p.inFlight > seen && p.alarmed()
	})
	if rings {
		r.Changed(name)
	}
}

// Forget makes a function unknown: waiting callers are told so, and its
// replicas are lent no more. The replicas stay observed until they are gone.
func (r *Resolver) Forget(name function.Name) {
	known := r.with(name, func(p *pool) {
		p.declared = false
		p.line.turnAway(function.UnknownFunction(name))
	})
	if known {
		r.sweep(name)
		r.Changed(name)
	}
}

// Add makes a replica known that was just started, without lending it yet.
// listing is the number that Listing gave before the start began: what a listing
// with a higher one says of the replica counts for more.
func (r *Resolver) Add(replica function.Replica, listing uint64) {
	born := r.listings.Add(1)
	r.ensure(replica.Function, func(p *pool) { p.add(replica, listing, born) })
}

// MarkReady puts a running replica into rotation: it has been seen to answer. It
// reports whether the replica takes calls now.
func (r *Resolver) MarkReady(name function.Name, id string) bool {
	record, _ := r.Tell(name, id, replica.Event{Kind: replica.Answered})
	return record.Phase == replica.Ready
}

// Begin begins an operation on a replica, and reports whether it did: there is one at a time.
// A pause begins with taking it out of rotation, if it has no invocation in flight. CloseIdle has
// been called for it then: its connections would be stale when it wakes. It is lent again after
// Paused, or Rouse if it was not.
func (r *Resolver) Begin(name function.Name, id string, op replica.Operation) bool {
	_, effects := r.Tell(name, id, replica.Event{Kind: replica.Begin, Operation: op})
	return effects.Has(replica.Grant)
}

// Suspect takes a replica out of rotation that could not be reached, until it is marked ready
// again: the fleet, which is told of the change, finds out whether it lives. Lists would tell so too,
// but later.
func (r *Resolver) Suspect(name function.Name, id string) {
	r.Tell(name, id, replica.Event{Kind: replica.Doubted, Doubt: replica.Unreachable})
}

// Deny is Suspect for a replica whose watchdog has answered for a process that may not
// listen yet. Once it is marked ready again what it answers counts.
func (r *Resolver) Deny(name function.Name, id string) {
	r.Tell(name, id, replica.Event{Kind: replica.Doubted, Doubt: replica.Denied})
}

// Tell gives an event to a replica and has its effects carried out. It returns what is known
// of the replica then; zero for an unknown one.
func (r *Resolver) Tell(name function.Name, id string, e replica.Event) (is replica.Record, effects replica.Effects) {
	var of *function.Replica
	r.with(name, func(p *pool) {
		if m := p.find(id); m != nil {
			effects = p.follow(m, e) | p.rouseForLine()
			of, is = m.replica, m.record
		}
	})
	r.perform(of, effects)
	return is, effects
}

// Withdraw takes a replica out of rotation for good. The channel is closed when
// the last invocation on it has ended; at once when there is none.
func (r *Resolver) Withdraw(name function.Name, id string) <-chan struct{} {
	idle := make(chan struct{})
	close(idle)
	r.with(name, func(p *pool) {
		if m := p.find(id); m != nil {
			idle = m.idle
		}
	})
	r.Tell(name, id, replica.Event{Kind: replica.Withdraw})
	return idle
}

// Remove makes a replica unknown whose container was removed, without waiting for
// the engine to say so.
func (r *Resolver) Remove(name function.Name, id string) {
	var removed told
	r.with(name, func(p *pool) { removed = p.remove(id) })
	r.perform(removed.replica, removed.effects)
	r.sweep(name)
}

// Refuse ends the wait of everybody in line for a function with err, and turns
// away newcomers with it until then or until a replica is ready.
func (r *Resolver) Refuse(name function.Name, err error, until time.Time) {
	r.with(name, func(p *pool) {
		p.line.refusal, p.line.refusedUntil = err, until
		p.line.turnAway(err)
	})
}

// ClearRefusal lets callers wait again: the reason of Refuse has passed.
func (r *Resolver) ClearRefusal(name function.Name) {
	r.with(name, func(p *pool) { p.line.refusal = nil })
}

// Members returns what is known of a function's replicas, oldest first.
func (r *Resolver) Members(name function.Name) (members []Member) {
	r.with(name, func(p *pool) { members = p.snapshot() })
	return members
}

// Member returns what is known of one replica; found is false for an unknown one.
func (r *Resolver) Member(name function.Name, id string) (m Member, found bool) {
	members := r.Members(name)
	if i := slices.IndexFunc(members, func(m Member) bool { return m.ID == id }); i >= 0 {
		return members[i], true
	}
	return Member{}, false
}

// Load returns the function's load; zero for an unknown one.
func (r *Resolver) Load(name function.Name) (load function.Load) {
	r.with(name, func(p *pool) { load = p.load() })
	return load
}
