package resolver

import (
	"time"

	"faas-docker/function"
	"faas-docker/replica"
)

// Hooks are what a Resolver tells others, without locks held. They are set before use; those
// of a new Resolver do nothing.
type Hooks struct {
	// Changed is called when the replicas of a function changed or a caller began to wait
	// for one.
	Changed func(function.Name)
	// CloseIdle is called when a replica has left for good or is about to be frozen, and
	// carries no invocation: the connections kept to it can be closed.
	CloseIdle func(function.Replica)
	// Severed is called when a replica is known to have stopped, or to have lost its address,
	// though invocations may be in flight on it: they may wait in vain for an end of their
	// connections. A replica that is withdrawn is not severed. It may be called more than
	// once.
	Severed func(function.Replica)
	// ThawFailed is called by the fleet when a replica, which it has withdrawn, could not be
	// thawed though invocations may be in flight on it: they can only fail. untouched is set
	// when the function has certainly seen nothing of them, so that they may be sent elsewhere.
	ThawFailed func(replica function.Replica, untouched bool)
	// Back is called when the engine has answered again after it had not, as was noticed at
	// the time away: what failed since may succeed now.
	Back func(away time.Time)
}

// perform calls the hooks that an event of a replica asks for. No lock is held.
func (h *Hooks) perform(of *function.Replica, effects replica.Effects) {
	if effects.Has(replica.Sever) {
		h.Severed(*of)
	}
	if effects.Has(replica.Close) {
		h.CloseIdle(*of)
	}
	if effects.Has(replica.Ring) {
		h.Changed(of.Function)
	}
}
