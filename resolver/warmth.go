package resolver

import "faas-docker/function"

// Warmth says what stands between a replica and its next invocation.
type Warmth int

// The warmths. Awake is the zero value.
const (
	// Awake replicas run.
	Awake Warmth = iota
	// Asleep replicas were frozen on purpose. They are lent, the last frozen first,
	// when nobody is ready; the borrower finds them Waking.
	Asleep
	// Waking replicas are in rotation though their thaw is still under way: the
	// kernel keeps what is sent to them until they run.
	Waking
)

// String returns the word for the warmth.
func (w Warmth) String() string { return [...]string{"awake", "asleep", "waking"}[w] }

// Freeze takes a replica out of rotation that is ready, or kept, and has no invocation
// in flight, so that it can be paused, and reports whether it did. Gone has been called for
// it then: its connections would be stale when it wakes.
func (r *Resolver) Freeze(name function.Name, id string) bool {
	p := r.pool(name)
	if p == nil {
		return false
	}
	frozen := p.freeze(id)
	if frozen == nil {
		return false
	}
	r.gone(frozen)
	return true
}

// Doze takes a replica for asleep that is paused already, as after a restart of
// the provider, and reports whether it was.
func (r *Resolver) Doze(name function.Name, id string) bool {
	p := r.pool(name)
	return p != nil && p.doze(id)
}

// Rouse puts a sleeping replica into rotation, as a borrower would, and reports
// whether it slept. Whoever is told of the change thaws it.
func (r *Resolver) Rouse(name function.Name, id string) bool {
	p := r.pool(name)
	if p == nil || !p.rouse(id) {
		return false
	}
	r.changed(name)
	return true
}

// Paused says that a replica has been paused. listing is the number that Listing gave when
// that was known: listings that began before do not count any more, and those that began
// since count for more.
func (r *Resolver) Paused(name function.Name, id string, listing uint64) {
	r.changeState(name, id, function.Paused, listing)
}

// Woken says that a replica's thaw has succeeded; listing is as for Paused.
func (r *Resolver) Woken(name function.Name, id string, listing uint64) {
	r.changeState(name, id, function.Running, listing)
}

func (r *Resolver) changeState(name function.Name, id string, state function.State, listing uint64) {
	if p := r.pool(name); p != nil {
		p.changeState(id, state, listing)
	}
}

// Lose withdraws a replica that could not be thawed. Lost has been called for it
// then, so that the invocations on it can fail over; see there for untouched.
func (r *Resolver) Lose(replica function.Replica, untouched bool) {
	r.Withdraw(replica.Function, replica.ID)
	if r.Lost != nil {
		r.Lost(replica, untouched)
	}
}

func (p *pool) freeze(id string) *function.Replica {
	p.mu.Lock()
	defer p.mu.Unlock()
	m := p.find(id)
	if m == nil || m.withdrawn || !m.ready && !p.isKept(m) || m.warmth != Awake || m.inFlight > 0 {
		return nil
	}
	m.setReady(false)
	m.setWarmth(Asleep)
	return m.replica
}

func (p *pool) doze(id string) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	m := p.find(id)
	if m == nil || m.withdrawn || m.warmth != Awake || m.replica.State != function.Paused {
		return false
	}
	m.setWarmth(Asleep)
	p.rouseForLine()
	return true
}

func (p *pool) rouse(id string) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	m := p.find(id)
	if m == nil || m.warmth != Asleep {
		return false
	}
	m.setWarmth(Waking)
	p.enter(m)
	return true
}

// rouseLast puts the member of a rotation to use that was frozen last, because most of
// it is still in the processor's caches and in memory.
func (p *pool) rouseLast(from *rotation) *member {
	if len(from.asleep) == 0 {
		return nil
	}
	m := from.asleep[len(from.asleep)-1]
	m.setWarmth(Waking)
	m.setReady(true)
	return m
}

// rouseForLine serves the callers in line, if one that sleeps can.
func (p *pool) rouseForLine() {
	if len(p.line) == 0 {
		return
	}
	if m := p.rouseLast(&p.current); m != nil {
		p.enter(m)
	}
}

// changeState writes down what the fleet has done to a replica. A listing that was
// numbered later may be ahead of it: that knows better, and must find its own number when
// it comes to drop the members that it did not show.
func (p *pool) changeState(id string, state function.State, listing uint64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	m := p.find(id)
	if m == nil {
		return
	}
	if listing > m.listing {
		replica := *m.replica
		replica.State = state
		m.replica, m.listing = &replica, listing
	}
	m.putInOrder()
}
