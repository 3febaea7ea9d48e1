package resolver

import (
	"context"

	"faas-docker/function"
)

// Keep takes a replica of the revision before out of the function's rotation, but not
// for good: Regain brings it back. With lend it takes the calls of AcquirePrevious
// meanwhile, otherwise none. Its invocations go on; Changed is called when the last of
// them has ended, unless it has been lent again.
func (r *Resolver) Keep(name function.Name, id string, lend bool) {
	if p := r.pool(name); p != nil {
		p.keep(id, lend)
	}
}

// Regain makes a replica that was kept one like any other, as ready and as warm as it
// is.
func (r *Resolver) Regain(name function.Name, id string) {
	if p := r.pool(name); p != nil {
		p.regain(id)
	}
}

// AcquirePrevious lends a replica of the revision before, of those that are kept to be
// lent. A sleeping one thaws meanwhile. Where there is none, or none has room for one
// more invocation, it does as Acquire does.
func (r *Resolver) AcquirePrevious(ctx context.Context, name function.Name) (Lease, error) {
	p := r.pool(name)
	if p == nil {
		return Lease{}, function.UnknownFunction(name)
	}
	lease, lent := p.claimPrevious()
	if !lent {
		return r.Acquire(ctx, name)
	}
	lease.owner = r
	if lease.rings {
		r.changed(name)
	}
	return lease, nil
}

func (p *pool) keep(id string, lend bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	m := p.find(id)
	if m == nil || m.withdrawn || p.isKept(m) {
		return
	}
	to := &p.aside
	if lend {
		to = &p.previous
	}
	p.count(m, -m.inFlight)
	m.recalled = false
	m.move(to)
}

func (p *pool) regain(id string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	m := p.find(id)
	if m == nil || m.withdrawn || !p.isKept(m) {
		return
	}
	m.recalled = false
	m.move(&p.current)
	p.count(m, m.inFlight)
	if m.ready {
		p.enter(m)
	}
	p.rouseForLine()
}

func (p *pool) isKept(m *member) bool { return m.rotation != &p.current }

// claimPrevious lends a kept member, and rings when that is new to it. A call that finds
// all of those busy that are awake has one more thaw, for the calls to come.
func (p *pool) claimPrevious() (lease Lease, lent bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.declared {
		return Lease{}, false
	}
	m, roused := p.leastBusy(&p.previous), (*member)(nil)
	if m == nil || m.inFlight > 0 {
		roused = p.rouseLast(&p.previous)
	}
	if m == nil {
		m = roused
	}
	if m == nil {
		return Lease{}, false
	}
	lease = p.lend(m)
	lease.rings = roused != nil || !m.recalled
	m.recalled = true
	p.callsBefore++
	return lease, true
}
