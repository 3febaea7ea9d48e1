package resolver

import "faas-docker/function"

// Keep takes a replica out of rotation that may be wanted back: unlike one that is
// withdrawn it comes back when it is admitted, or dozes. The channel is closed when
// the last invocation on it has ended; at once when there is none. Gone is called
// for it then: its connections would be stale when it comes back.
func (r *Resolver) Keep(name function.Name, id string) <-chan struct{} {
	p := r.pool(name)
	if p == nil {
		return closed()
	}
	idle, gone := p.keep(id)
	if gone != nil {
		r.gone(gone)
	}
	return idle
}

// keep returns the channel that tells when the member is idle, and the replica if
// it was idle at once.
func (p *pool) keep(id string) (<-chan struct{}, *function.Replica) {
	p.mu.Lock()
	defer p.mu.Unlock()
	m := p.find(id)
	if m == nil {
		return closed(), nil
	}
	p.setReady(m, false)
	p.setWarmth(m, Awake)
	m.kept = true
	if p.settle(m) {
		return m.idle, m.replica
	}
	return m.idle, nil
}

// regain makes a member that was kept one like any other.
func (p *pool) regain(m *member) {
	if !m.kept {
		return
	}
	m.kept = false
	if isClosed(m.idle) && !m.withdrawn {
		m.idle = make(chan struct{})
	}
}
