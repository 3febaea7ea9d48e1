// Package replica owns the life cycle of one replica: what is known of it, and what it
// becomes with each event. It is pure: the holder of a Record gives it to Next with an event,
// keeps the Record that comes back, and carries out the effects.
package replica

import "faas-docker/function"

// Phase is where a replica is in its life.
type Phase int

// The phases. The zero value is a replica of which nothing is known.
const (
	Unknown Phase = iota
	// Created replicas have a container that has not been started yet.
	Created
	// Starting replicas run and have not answered yet.
	Starting
	// Ready replicas take calls.
	Ready
	// Suspect replicas have answered before, and take no calls until they answer again.
	Suspect
	// Freezing replicas are being paused. They take no calls: a call could begin just
	// before the pause takes effect.
	Freezing
	// Frozen replicas are paused, and are lent when no other is ready.
	Frozen
	// Thawing replicas are lent though they may still be paused: the kernel keeps what is
	// sent to them until they run.
	Thawing
	// ThawingSuspect replicas are Thawing, and take no further calls until they answer.
	ThawingSuspect
	// Stalled replicas were paused by somebody else: by hand, or by a provider before this
	// one. They take no calls until they are taken for Frozen.
	Stalled
	// Draining replicas never take a call again; those in flight may end.
	Draining
	// Stopping replicas have had their time to drain.
	Stopping
	// Exited replicas have stopped though they were to run.
	Exited
	// Gone replicas have no container any more.
	Gone
)

// String returns the word for the phase.
func (p Phase) String() string {
	return [...]string{
		"unknown", "created", "starting", "ready", "suspect", "freezing", "frozen", "thawing", "thawing suspect", "stalled",
		"draining", "stopping", "exited", "gone",
	}[p]
}

// Role says which calls a replica takes when it takes any.
type Role int

// The roles. The zero value is that of the function's own calls.
const (
	// Current replicas take the function's calls.
	Current Role = iota
	// Previous replicas take the calls for the revision before the present one.
	Previous
	// Recalled replicas are Previous ones that have been lent.
	Recalled
	// Aside replicas take no calls; they are kept for a way back.
	Aside
)

// Doubt is why a replica must answer again before it takes calls.
type Doubt int

// The doubts. The zero value is none.
const (
	None Doubt = iota
	// Unreachable replicas could not be connected to, or were seen to move or to be thawed
	// by somebody else.
	Unreachable
	// Unready replicas have said themselves that they are not ready.
	Unready
	// Denied replicas have a watchdog that answered for a process which may not listen yet.
	Denied
)

// Operation is what is being done to a replica. There is one at a time.
type Operation int

// The operations. The zero value is none.
const (
	NoOperation Operation = iota
	// Probe asks it whether it answers.
	Probe
	// Pause, Thaw and Reclaim have the engine pause it, let it run again, or put its memory
	// on the host's swap.
	Pause
	Thaw
	Reclaim
	// End stops it, or removes its container.
	End
)

// String returns the word for the operation.
func (o Operation) String() string {
	return [...]string{"none", "probe", "pause", "thaw", "reclaim", "end"}[o]
}

// Memory is where the memory of a frozen replica is.
type Memory int

// The memories. The zero value is that of replicas of which it is not known.
const (
	MemoryUnknown Memory = iota
	// MemoryIntact is that of replicas that this process has frozen.
	MemoryIntact
	// MemoryReclaimed is mostly on the host's swap.
	MemoryReclaimed
)

// Record is all that is known of where a replica is in its life.
type Record struct {
	Phase     Phase
	Role      Role
	Doubt     Doubt
	Operation Operation
	// Memory is meaningful while it is frozen.
	Memory Memory
	// Seen is the state of the container as the engine told it last, in the listing with the
	// number Listing. A listing that began before Born cannot show the replica.
	Seen          function.State
	Listing, Born uint64
	// InFlight is the number of calls that it carries.
	InFlight int
	// Answered is set once the replica was seen to answer.
	Answered bool
}

// IsOpen reports whether its phase lets the replica take calls now. Its Role says which: for Aside none.
// A frozen one is lent, too, but only when none is open.
func (r Record) IsOpen() bool { return r.Phase == Ready || r.Phase == Thawing }

// IsKept reports whether the replica takes none of the function's own calls, and is kept for
// a way back.
func (r Record) IsKept() bool { return r.Role != Current }

// IsLeaving reports whether the replica is on its way out, by our own will.
func (r Record) IsLeaving() bool { return r.Phase == Draining || r.Phase == Stopping }

// IsCold reports whether the replica is frozen or about to be.
func (r Record) IsCold() bool { return r.Phase == Frozen || r.Phase == Freezing }

// IsThawing reports whether the replica is to run again, and may still be paused.
func (r Record) IsThawing() bool { return r.Phase == Thawing || r.Phase == ThawingSuspect }

// IsChanging reports whether a pause, a thaw or a reclaim is under way.
func (r Record) IsChanging() bool {
	return r.Operation == Pause || r.Operation == Thaw || r.Operation == Reclaim
}

// IsEnding reports whether the replica is on its way out, whether by our will or because it
// has exited and is being removed.
func (r Record) IsEnding() bool { return r.IsLeaving() || r.Operation == End }

// isSpent reports whether a replica will never carry a call again.
func (r Record) isSpent() bool {
	return (r.IsLeaving() || r.Phase == Gone) && r.InFlight == 0
}
