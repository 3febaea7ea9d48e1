package resolver

import (
	"context"

	"faas-docker/function"
	"faas-docker/replica"
)

// AcquirePrevious lends a replica of the revision before, of those that are kept to be
// lent. A sleeping one thaws meanwhile. Where there is none, or none has room for one
// more invocation, it does as Acquire does.
func (r *Resolver) AcquirePrevious(ctx context.Context, name function.Name) (Lease, error) {
	p := r.pool(name)
	if p == nil {
		return Lease{}, function.UnknownFunction(name)
	}
	lease, settled := p.claimPrevious()
	for settled != nil {
		select {
		case <-settled:
			lease, settled = p.claimPrevious()
		case <-ctx.Done():
			return Lease{}, ctx.Err()
		}
	}
	if lease.member == nil {
		return r.Acquire(ctx, name)
	}
	lease.owner = r
	if lease.rings {
		r.Changed(name)
	}
	return lease, nil
}

// claimPrevious lends a kept member, and rings when that is new to it. A call that finds
// all of those busy that are awake has one more thaw, for the calls to come. While one is
// freezing, and there is no other, settled tells when to ask again.
func (p *pool) claimPrevious() (lease Lease, settled <-chan struct{}) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.declared {
		return Lease{}, nil
	}
	m, roused := p.previous.leastBusy(p.policy.MaxInFlight), replica.Effects(0)
	if frozen := p.previous.lastFrozen(); frozen != nil && (m == nil || m.record.InFlight > 0) {
		roused = p.follow(frozen, replica.Event{Kind: replica.Rouse})
		if m == nil {
			m = frozen
		}
	}
	if m == nil {
		if freezing := p.freezing(&p.previous); freezing != nil {
			return Lease{}, freezing.settled
		}
		return Lease{}, nil
	}
	lease = p.lend(m)
	lease.rings = lease.rings || roused.Has(replica.Ring)
	p.callsBefore++
	return lease, nil
}
