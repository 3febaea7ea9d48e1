package resolver

import (
	"fmt"
	"slices"
	"sync"
	"time"

	"faas-docker/function"
	"faas-docker/replica"
)

// pool is the replicas of one function and the line of callers before them.
type pool struct {
	name function.Name

	// mu protects the fields below. It is held for a few instructions only.
	mu       sync.Mutex
	declared bool
	policy   function.CallPolicy
	inFlight int // but for those on kept members
	alarm    int // rings once when more than so many are in flight; zero is never
	calls    uint64
	// callsBefore is how many of the calls were of the revision before.
	callsBefore uint64

	roster
	line line
}

// locked lets act work on the pool. The other methods, but for those that claim and release,
// require mu.
func (p *pool) locked(act func(*pool)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	act(p)
}

// claim lends a member, or puts the caller in line, or says why neither.
func (p *pool) claim() (Lease, *waiter, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.declared {
		return Lease{}, nil, function.UnknownFunction(p.name)
	}
	if lease, lent := p.lendReady(); lent {
		return lease, nil, nil
	}
	if m := p.current.lastFrozen(); m != nil {
		p.line.refusal = nil
		return p.lend(m), nil, nil
	}
	if err := p.line.closed(); err != nil && p.freezing(&p.current) == nil {
		return Lease{}, nil, err
	}
	if limit := p.policy.MaxWaiting; limit > 0 && len(p.line.callers) >= limit {
		return Lease{}, nil, p.busy()
	}
	return Lease{}, p.line.join(p), nil
}

// claimReady lends a member that is ready, if there is one.
func (p *pool) claimReady() (lease Lease, lent bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.declared {
		return Lease{}, false
	}
	return p.lendReady()
}

func (p *pool) lendReady() (lease Lease, lent bool) {
	m := p.current.leastBusy(p.policy.MaxInFlight)
	if m == nil {
		return Lease{}, false
	}
	lease = p.lend(m)
	lease.rings = p.alarmed()
	return lease, true
}

// alarmed reports, once, that more is in flight than was expected.
func (p *pool) alarmed() bool {
	if p.alarm == 0 || p.inFlight <= p.alarm {
		return false
	}
	p.alarm = 0
	return true
}

func (p *pool) busy() error {
	return &function.Failure{
		Kind:       function.ErrBusy,
		Text:       fmt.Sprintf("function %q is busy: %d invocations in flight and %d callers in line are all that its policy allows", p.name.Name, p.inFlight, len(p.line.callers)),
		RetryAfter: time.Second,
	}
}

// lend lends a member that takes calls, or a frozen one, which begins to thaw.
func (p *pool) lend(m *member) Lease {
	effects := p.apply(m, replica.Event{Kind: replica.Lent})
	m.lastUsed = time.Now()
	p.calls++
	return Lease{pool: p, member: m, replica: m.replica, rings: effects.Has(replica.Ring), waking: m.record.Phase == replica.Thawing, proven: m.proven.Load(), deaths: m.deaths.Load()}
}

func (p *pool) release(m *member) replica.Effects {
	p.mu.Lock()
	defer p.mu.Unlock()
	effects := p.apply(m, replica.Event{Kind: replica.Returned})
	m.lastUsed = time.Now()
	p.serveLine()
	return effects
}

// add writes down a replica that was just started. What a listing has shown since
// the start began counts for more, unless that was made before it ran.
func (p *pool) add(started function.Replica, listing, born uint64) {
	m := p.member(started)
	if m == nil {
		return
	}
	if m.record.Seen == function.Created {
		m.replica = &started
	}
	p.follow(m, replica.Event{Kind: replica.Started, State: started.State, Listing: listing, Born: born})
}

// told is a replica before an event, and what has to be done because of that. The zero value
// is that of an unknown one.
type told struct {
	replica *function.Replica
	effects replica.Effects
}

// upsert writes down what a listing shows of a replica.
func (p *pool) upsert(shown function.Replica, listing uint64) told {
	m := p.member(shown)
	if m == nil {
		return told{}
	}
	before := m.replica
	if listing >= m.record.Listing && shown.State != function.Created && *before != shown {
		m.replica = &shown
	}
	effects := p.follow(m, replica.Event{Kind: replica.Listed, State: shown.State, Moved: before.Address != shown.Address, Listing: listing})
	if !before.Address.IsValid() {
		effects &^= replica.Sever // there was nothing to sever
	}
	return told{before, effects}
}

// serveLine lends members to the callers in line, first come, first served.
func (p *pool) serveLine() {
	for len(p.line.callers) > 0 {
		m := p.current.leastBusy(p.policy.MaxInFlight)
		if m == nil {
			return
		}
		p.line.serve(p.lend(m))
	}
}

func (p *pool) remove(id string) told {
	m := p.find(id)
	if m == nil {
		return told{}
	}
	p.members = without(p.members, m)
	p.remember(id)
	return told{m.replica, p.follow(m, replica.Event{Kind: replica.Removed})}
}

// drop forgets the members that a listing did not show. A member that was seen after the
// listing began stays.
func (p *pool) drop(listing uint64) (dropped []told) {
	p.members = slices.DeleteFunc(p.members, func(m *member) bool {
		effects := p.follow(m, replica.Event{Kind: replica.Unlisted, Listing: listing})
		if m.record.Phase != replica.Gone {
			return false
		}
		dropped = append(dropped, told{m.replica, effects})
		return true
	})
	return dropped
}

func (p *pool) load() function.Load {
	return function.Load{
		Ready: len(p.current.ready), Asleep: p.asleep(), InFlight: p.inFlight, Waiting: len(p.line.callers),
		Invocations: p.calls, InvocationsBefore: p.callsBefore,
	}
}

// rouseForLine serves the callers in line, if one that sleeps can.
func (p *pool) rouseForLine() replica.Effects {
	m := p.current.lastFrozen()
	if m == nil || len(p.line.callers) == 0 {
		return 0
	}
	return p.follow(m, replica.Event{Kind: replica.Rouse}) & replica.Ring
}

// apply gives an event to a member, and keeps the pool in step with what becomes of it. It
// serves no caller: see follow.
func (p *pool) apply(m *member, e replica.Event) replica.Effects {
	before := m.record
	after, effects := replica.Next(before, e)
	m.record = after
	p.enlist(m, before, after)
	p.inFlight += counted(after) - counted(before)
	if after.Phase == replica.Freezing && before.Phase != replica.Freezing {
		m.settled = make(chan struct{})
	}
	if effects.Has(replica.Sever) && !before.IsLeaving() {
		m.deaths.Add(1)
	}
	if effects.Has(replica.Settle) {
		close(m.settled)
	}
	if effects.Has(replica.Spent) {
		close(m.idle)
	}
	return effects
}

// follow is apply; then it serves the callers in line, if the member takes calls now. What one
// that was denied answers from then on counts, to the first of them already.
func (p *pool) follow(m *member, e replica.Event) replica.Effects {
	doubt := m.record.Doubt
	effects := p.apply(m, e)
	if e.Kind == replica.Answered && doubt == replica.Denied && m.record.Doubt == replica.None {
		m.proven.Store(true)
	}
	if effects.Has(replica.Serve) {
		m.lastUsed = time.Now()
		if m.record.Role == replica.Current {
			p.line.refusal = nil
			p.serveLine()
		}
	}
	return effects
}

// counted is how many of a replica's calls are the function's own.
func counted(r replica.Record) int {
	if r.IsKept() {
		return 0
	}
	return r.InFlight
}
