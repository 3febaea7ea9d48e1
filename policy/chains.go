package policy

import (
	"maps"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hashicorp/go-hclog"

	"faas-docker/function"
)

// chainIdle is how long an unused chain is kept: the routes that asked for it may be gone.
const chainIdle = time.Hour

// Chains keeps the chains of all functions: each is made of the annotations once, and what its policies
// remember survives a deployment that leaves them as they are. Its methods are safe for concurrent use.
// The zero value logs nothing.
type Chains struct {
	// Logger gets what the policies have to say; nil discards it. Set it before use.
	Logger hclog.Logger

	// mu protects the map, whose values are only replaced.
	mu   sync.RWMutex
	kept map[chainKey]*keptChain
}

type chainKey struct {
	name  function.Name
	route function.Policies
}

type keptChain struct {
	chain *Chain
	// own is what the chain was made from beside the route's part.
	own  *function.Policies
	made time.Time
	// used is when a call last passed, in nanoseconds since it was made.
	used atomic.Int64
}

func (k *keptChain) idle() time.Duration { return time.Since(k.made) - time.Duration(k.used.Load()) }

// Of returns the chain for a call of a function with its own policies and with those
// of the route that it came by. Either may be nil; with both nil there is none.
func (c *Chains) Of(name function.Name, own, route *function.Policies) *Chain {
	if own == nil && route == nil {
		return nil
	}
	key := chainKey{name: name}
	if route != nil {
		key.route = *route
	}
	c.mu.RLock()
	kept := c.kept[key]
	c.mu.RUnlock()
	if kept == nil || !same(kept.own, own) {
		kept = c.make(key, own)
	}
	kept.used.Store(int64(time.Since(kept.made)))
	return kept.chain
}

func same(a, b *function.Policies) bool {
	return a == b || a != nil && b != nil && *a == *b
}

func (c *Chains) make(key chainKey, own *function.Policies) *keptChain {
	c.mu.Lock()
	defer c.mu.Unlock()
	old := c.kept[key]
	if old != nil && same(old.own, own) {
		return old
	}
	var before *Chain
	if old != nil {
		before = old.chain
	}
	maps.DeleteFunc(c.kept, func(_ chainKey, k *keptChain) bool { return k.idle() > chainIdle })
	policies := key.route
	if own != nil {
		policies = own.With(key.route)
	}
	log := c.Logger
	if log == nil {
		log = hclog.NewNullLogger()
	}
	made := &keptChain{own: own, made: time.Now(), chain: newChain(key.name, policies, before, log)}
	if c.kept == nil {
		c.kept = map[chainKey]*keptChain{}
	}
	c.kept[key] = made
	return made
}

// Forget drops the chains of a function that is deployed no more.
func (c *Chains) Forget(name function.Name) {
	c.mu.Lock()
	defer c.mu.Unlock()
	maps.DeleteFunc(c.kept, func(key chainKey, _ *keptChain) bool { return key.name == name })
}
