package resolver

import (
	"maps"
	"slices"
	"sync"
	"time"

	"faas-docker/function"
)

// registry holds the pools of all functions. It is safe for concurrent use.
type registry struct {
	// mu protects pools; each pool has a lock of its own, which is taken after it.
	mu    sync.RWMutex
	pools map[function.Name]*pool
}

// Names returns every function that is declared or has replicas.
func (r *registry) Names() []function.Name {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return slices.Collect(maps.Keys(r.pools))
}

func (r *registry) pool(name function.Name) *pool {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return r.pools[name]
}

// with lets act work on the function's pool, whose lock is held and which cannot be swept
// away meanwhile, and reports whether there is one. act must not call hooks.
func (r *registry) with(name function.Name, act func(*pool)) bool {
	r.mu.RLock()
	defer r.mu.RUnlock()
	p := r.pools[name]
	if p != nil {
		p.locked(act)
	}
	return p != nil
}

// ensure is with for a pool that is made when missing.
func (r *registry) ensure(name function.Name, act func(*pool)) {
	if r.with(name, act) {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.pools[name] == nil {
		r.pools[name] = &pool{name: name, roster: roster{removed: map[string]time.Time{}}}
	}
	r.pools[name].locked(act)
}

// sweep drops the pool of a function that is neither declared nor has replicas.
func (r *registry) sweep(name function.Name) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if p := r.pools[name]; p != nil {
		p.locked(func(p *pool) {
			if !p.declared && len(p.members) == 0 {
				delete(r.pools, name)
			}
		})
	}
}
