package resolver

import (
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"faas-docker/function"
)

// pool is the replicas of one function and the line of callers before them.
type pool struct {
	name function.Name

	// mu protects the fields below. It is held for a few instructions only.
	mu       sync.Mutex
	declared bool
	members  []*member // oldest first
	line     []*waiter // first come, first served
	policy   function.CallPolicy
	inFlight int // but for those on kept members
	alarm    int // rings once when more than so many are in flight; zero is never
	calls    uint64
	// callsBefore is how many of the calls were of the revision before.
	callsBefore uint64

	// Every member belongs to one rotation. Those of current take the function's
	// calls, those of previous the calls of the revision before, and those of aside
	// none.
	current, previous, aside rotation

	refusal      error
	refusedUntil time.Time

	// removed remembers for a while which replicas were removed: word of them that
	// is still under way must not bring them back.
	removed map[string]time.Time
}

// memory is how long a removed replica is remembered. Word of it is under way for
// as long as a call to the engine takes.
const memory = 5 * time.Minute

// member is one replica as the pool keeps it. What replica points to is never
// modified, only replaced: leases read it without the lock.
type member struct {
	replica   *function.Replica
	ready     bool
	warmth    Warmth
	rotation  *rotation // where it is lent from when it is ready or asleep
	withdrawn bool
	recalled  bool // lent while it was kept
	inFlight  int
	lastUsed  time.Time     // when it was last lent, given back or put into rotation
	idle      chan struct{} // closed when withdrawn, and nothing is in flight
	// listing is the one that replica was read from. A listing that began before
	// born cannot show the replica, and does not make it vanish.
	listing, born uint64
}

// waiter is one caller in line; done is closed after lease or err is set.
type waiter struct {
	pool  *pool
	done  chan struct{}
	lease Lease
	err   error
}

// Member is what is known of one replica at one moment.
type Member struct {
	function.Replica
	// Ready replicas are in rotation.
	Ready bool
	// Withdrawn replicas never come back into rotation.
	Withdrawn bool
	// Kept replicas take no calls of the function, until they are wanted back; a Ready
	// one takes those of the revision before. Recalled are those that have been lent so.
	Kept, Recalled bool
	Warmth         Warmth
	InFlight       int
	// LastUsed is when it was last lent, given back or put into rotation; zero if
	// it never was.
	LastUsed time.Time
}

func newPool(name function.Name) *pool {
	return &pool{name: name, removed: map[string]time.Time{}}
}

// claim lends a member, or puts the caller in line, or says why neither.
func (p *pool) claim() (Lease, *waiter, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.declared {
		return Lease{}, nil, function.UnknownFunction(p.name)
	}
	if m := p.leastBusy(&p.current); m != nil {
		lease := p.lend(m)
		lease.rings = p.alarmed()
		return lease, nil, nil
	}
	if m := p.rouseLast(&p.current); m != nil {
		p.refusal = nil
		lease := p.lend(m)
		lease.rings = true
		return lease, nil, nil
	}
	if p.refusal != nil && time.Now().Before(p.refusedUntil) {
		return Lease{}, nil, p.refusal
	}
	if limit := p.policy.MaxWaiting; limit > 0 && len(p.line) >= limit {
		return Lease{}, nil, p.busy()
	}
	w := &waiter{pool: p, done: make(chan struct{})}
	p.line = append(p.line, w)
	return Lease{}, w, nil
}

// alarmed reports, once, that more is in flight than was expected.
func (p *pool) alarmed() bool {
	if p.alarm == 0 || p.inFlight <= p.alarm {
		return false
	}
	p.alarm = 0
	return true
}

func (p *pool) setAlarm(above int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.alarm = above
}

// wait returns what the waiter is given. When ctx ends it returns the context's
// error, together with a lease if one was given in the same moment.
func (w *waiter) wait(ctx context.Context) (Lease, error) {
	select {
	case <-w.done:
		return w.lease, w.err
	case <-ctx.Done():
	}
	if w.pool.leave(w) {
		return Lease{}, ctx.Err()
	}
	<-w.done
	return w.lease, ctx.Err()
}

// choices is how many ready members are compared with one another. With more
// there are two choices: the next in turn, and a random other one, of which the
// less busy takes the call. That is within a constant of the best there is
// (Mitzenmacher, "The Power of Two Choices in Randomized Load Balancing", 2001)
// and costs the same for a thousand replicas as for five.
const choices = 4

// leastBusy finds a ready member with few invocations in flight, and room for one
// more. Equals take turns.
func (p *pool) leastBusy(from *rotation) *member {
	count := len(from.ready)
	if count == 0 {
		return nil
	}
	from.turn++
	first := from.turn % count
	best := from.ready[first]
	if count > choices {
		best = lessBusy(best, from.ready[(first+1+rand.IntN(count-1))%count])
	}
	if count <= choices || p.isFull(best) {
		best = from.leastOfAll(first)
	}
	if p.isFull(best) {
		return nil
	}
	return best
}

// isFull reports whether a member has as many invocations as it may.
func (p *pool) isFull(m *member) bool {
	return p.policy.MaxInFlight > 0 && m.inFlight >= p.policy.MaxInFlight
}

// busy says that the line is as long as it may be.
func (p *pool) busy() error {
	return &function.Failure{
		Kind:       function.ErrBusy,
		Text:       fmt.Sprintf("function %q is busy: %d invocations in flight and %d callers in line are all that its policy allows", p.name.Name, p.inFlight, len(p.line)),
		RetryAfter: time.Second,
	}
}

func lessBusy(a, b *member) *member {
	if b.inFlight < a.inFlight {
		return b
	}
	return a
}

func (p *pool) lend(m *member) Lease {
	m.inFlight++
	m.lastUsed = time.Now()
	p.count(m, 1)
	p.calls++
	return Lease{pool: p, member: m, replica: m.replica, waking: m.warmth == Waking}
}

// release reports whether the member is withdrawn and idle now, or drained: kept, and
// its last invocation has ended.
func (p *pool) release(m *member) (gone, drained bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	m.inFlight--
	m.lastUsed = time.Now()
	p.count(m, -1)
	p.serveLine()
	return p.settle(m), p.isKept(m) && !m.recalled && m.inFlight == 0
}

// count adds to what is in flight on the members that take the function's calls.
func (p *pool) count(m *member, calls int) {
	if !p.isKept(m) {
		p.inFlight += calls
	}
}

// settle closes the idle channel of a withdrawn member without invocations, once,
// and reports whether it did.
func (p *pool) settle(m *member) bool {
	if !m.withdrawn || m.inFlight > 0 || isClosed(m.idle) {
		return false
	}
	close(m.idle)
	return true
}

// leave takes a waiter out of the line and reports whether it was still there.
func (p *pool) leave(w *waiter) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	i := slices.Index(p.line, w)
	if i < 0 {
		return false
	}
	p.line = slices.Delete(p.line, i, i+1)
	return true
}

func (p *pool) declare(policy function.CallPolicy) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.declared, p.policy = true, policy
	p.serveLine()
}

func (p *pool) callPolicy() function.CallPolicy {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.policy
}

func (p *pool) forget() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.declared = false
	p.turnAway(function.UnknownFunction(p.name))
}

func (p *pool) refuse(err error, until time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.refusal, p.refusedUntil = err, until
	p.turnAway(err)
}

func (p *pool) relent() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.refusal = nil
}

func (p *pool) turnAway(err error) {
	for _, w := range p.line {
		w.err = err
		close(w.done)
	}
	p.line = nil
}

// add writes down a replica that was just started. What a listing has shown since
// the start began counts for more, unless that was made before it ran.
func (p *pool) add(replica function.Replica, listing, born uint64) {
	p.upsert(replica, listing)
	p.mu.Lock()
	defer p.mu.Unlock()
	m := p.find(replica.ID)
	if m == nil {
		return
	}
	m.born = born
	if m.replica.State == function.Created {
		m.replica = &replica
	}
}

// upsert writes down what is known of a replica and reports whether that is news. It
// returns what was known before of one that has stopped since, or lost its address.
func (p *pool) upsert(replica function.Replica, listing uint64) (news bool, dead *function.Replica) {
	p.mu.Lock()
	defer p.mu.Unlock()
	m := p.find(replica.ID)
	if _, removed := p.removed[replica.ID]; removed {
		return false, nil
	}
	if m == nil {
		p.members = append(p.members, &member{replica: &replica, rotation: &p.current, idle: make(chan struct{}), listing: listing})
		return true, nil
	}
	if listing < m.listing || *m.replica == replica {
		m.listing = max(m.listing, listing)
		return false, nil
	}
	m.listing = listing
	if replica.State == function.Created {
		// Nothing goes back to where it began: the listing was made before the start.
		return false, nil
	}
	moved := m.replica.Address != replica.Address
	changed := moved || m.replica.State != replica.State
	if before := m.replica; before.Address.IsValid() && (moved || changed && replica.State == function.Exited) {
		dead = before
	}
	m.replica = &replica
	if moved {
		m.leaveRotation()
	}
	// One that was seen to run all along may be about to be paused.
	if changed {
		m.putInOrder()
	}
	return changed, dead
}

// putInOrder gives a member whose state has just been learned the place in the pool that
// goes with it.
func (m *member) putInOrder() {
	switch {
	case m.isOutOfOrder():
		m.leaveRotation()
	case m.warmth == Waking && m.replica.State == function.Running:
		m.setWarmth(Awake) // whoever has thawed it
	}
}

// leaveRotation takes a member out that must be seen to answer again before it is lent.
func (m *member) leaveRotation() {
	m.setReady(false)
	m.setWarmth(Awake)
}

// isOutOfOrder reports whether a member's state is not what its place in the pool
// demands.
func (m *member) isOutOfOrder() bool {
	switch m.replica.State {
	case function.Running:
		return m.warmth == Asleep // somebody has thawed it
	case function.Paused:
		return m.warmth == Awake
	default:
		return true
	}
}

func (p *pool) find(id string) *member {
	for _, m := range p.members {
		if m.replica.ID == id {
			return m
		}
	}
	return nil
}

// replica is what is known of a replica; nil for an unknown one.
func (p *pool) replica(id string) *function.Replica {
	p.mu.Lock()
	defer p.mu.Unlock()
	if m := p.find(id); m != nil {
		return m.replica
	}
	return nil
}

func (p *pool) admit(id string) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	m := p.find(id)
	if m == nil || m.withdrawn || m.replica.State != function.Running {
		return false
	}
	p.enter(m)
	return true
}

func (p *pool) suspect(id string) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	m := p.find(id)
	if m == nil || !m.ready {
		return false
	}
	m.setReady(false)
	return true
}

// enter puts a member into rotation.
func (p *pool) enter(m *member) {
	m.setReady(true)
	m.lastUsed = time.Now()
	if p.isKept(m) {
		return
	}
	p.refusal = nil
	p.serveLine()
}

// serveLine lends members to the callers in line, first come, first served.
func (p *pool) serveLine() {
	for len(p.line) > 0 {
		m := p.leastBusy(&p.current)
		if m == nil {
			return
		}
		w := p.line[0]
		p.line = p.line[1:]
		w.lease = p.lend(m)
		close(w.done)
	}
}

// withdraw returns the channel that tells when the member is idle, and the
// replica if it was idle at once.
func (p *pool) withdraw(id string) (<-chan struct{}, *function.Replica) {
	p.mu.Lock()
	defer p.mu.Unlock()
	m := p.find(id)
	if m == nil {
		return closed(), nil
	}
	if p.retire(m) {
		return m.idle, m.replica
	}
	return m.idle, nil
}

// remove returns the replica, if it was known, and whether it was idle.
func (p *pool) remove(id string) (dead *function.Replica, idle bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	m := p.find(id)
	if m == nil {
		return nil, false
	}
	p.members = slices.DeleteFunc(p.members, func(other *member) bool { return other == m })
	p.remember(id)
	return m.replica, p.retire(m)
}

func (p *pool) remember(id string) {
	now := time.Now()
	maps.DeleteFunc(p.removed, func(_ string, at time.Time) bool { return now.Sub(at) > memory })
	p.removed[id] = now
}

// retire takes m out of rotation and reports whether it is idle.
func (p *pool) retire(m *member) (gone bool) {
	m.leaveRotation()
	m.withdrawn = true
	return p.settle(m)
}

// drop forgets the members that a listing did not show, and returns them and those of
// them that were idle. A member that was seen after the listing began stays.
func (p *pool) drop(listing uint64) (dead, idle []*function.Replica) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.members = slices.DeleteFunc(p.members, func(m *member) bool {
		if max(m.listing, m.born) >= listing {
			return false
		}
		dead = append(dead, m.replica)
		if p.retire(m) {
			idle = append(idle, m.replica)
		}
		return true
	})
	return dead, idle
}

// abandoned reports whether nothing is left to know of this function.
func (p *pool) abandoned() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return !p.declared && len(p.members) == 0
}

func (p *pool) snapshot() []Member {
	p.mu.Lock()
	defer p.mu.Unlock()
	members := make([]Member, len(p.members))
	for i, m := range p.members {
		members[i] = Member{Replica: *m.replica, Ready: m.ready, Withdrawn: m.withdrawn, Kept: p.isKept(m), Recalled: m.recalled, Warmth: m.warmth, InFlight: m.inFlight, LastUsed: m.lastUsed}
	}
	return members
}

func (p *pool) load() function.Load {
	p.mu.Lock()
	defer p.mu.Unlock()
	return function.Load{
		Ready: len(p.current.ready), Asleep: len(p.current.asleep), InFlight: p.inFlight, Waiting: len(p.line),
		Invocations: p.calls, InvocationsBefore: p.callsBefore,
	}
}

func isClosed(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}
