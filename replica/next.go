package replica

import "faas-docker/function"

// Kind is what happens to a replica.
type Kind int

// The kinds of events. Listed, Unlisted, Started, Paused and Woken tell facts of the engine
// and carry the number of the listing that they count as.
const (
	// Listed is a listing of the engine that shows the replica.
	Listed Kind = iota
	// Unlisted is a listing that does not.
	Unlisted
	// Started is the end of the start that the provider itself has made.
	Started
	// Died is the engine's event that the container has ended.
	Died
	// Answered is a successful probe.
	Answered
	// Doubted is that a replica in use did not behave like one that is ready.
	Doubted
	// Paused and Woken are that the engine has paused it, or lets it run again.
	Paused
	Woken
	// Swapped is that most of its memory is on the host's swap.
	Swapped
	// AdoptFrozen is the decision to take a stalled replica for a frozen one.
	AdoptFrozen
	// Rouse is the decision to thaw it.
	Rouse
	// Keep and Unkeep are the decisions to take it out of the function's own calls for a way
	// back, and to bring it back.
	Keep
	Unkeep
	// Withdraw is the decision to stop it.
	Withdraw
	// Drained is that its calls have ended, or had their time.
	Drained
	// Removed is that its container was removed.
	Removed
	// Begin and Finish are the begin and the end of an operation. A pause begins with the
	// decision to freeze the replica.
	Begin
	Finish
	// Lent and Returned are the begin and the end of a call.
	Lent
	Returned
)

// Event is one thing that happens to a replica.
type Event struct {
	Kind Kind
	// Listing is the number of the listing that the event counts as: facts with a higher
	// number than those known count for more.
	Listing uint64
	// State is the container's, and Moved is set when its address has changed; with Listed.
	State function.State
	Moved bool
	// Born is the number below which listings cannot show the replica; with Started.
	Born uint64
	// Doubt is why it is doubted.
	Doubt Doubt
	// Role is what it is kept for.
	Role Role
	// Operation is what begins or ends.
	Operation Operation
}

// Effects are what has to be done because of an event. The zero value is nothing.
type Effects uint8

const (
	// Serve means that the replica takes calls, or calls of another kind, from now on: callers
	// may wait for it.
	Serve Effects = 1 << iota
	// Settle means that a pause under way has ended: callers may wait to know how.
	Settle
	// Spent means that it will never carry a call again.
	Spent
	// Close means that connections kept to it can be closed.
	Close
	// Sever means that the calls on it can only fail: it has died, or is elsewhere.
	Sever
	// Grant means that an operation may begin: there was none.
	Grant
	// Ring means that the fleet has something new to look at.
	Ring
)

// Has reports whether all of these are among the effects.
func (e Effects) Has(all Effects) bool { return e&all == all }

// Next returns what a replica becomes with an event, and what has to be done. An event that
// cannot happen in a phase, or is older than what is known, changes nothing.
func Next(r Record, e Event) (Record, Effects) {
	next, effects := r.step(e)
	if next.IsOpen() && (!r.IsOpen() || r.IsKept() && !next.IsKept()) {
		effects |= Serve
	}
	if r.Phase == Freezing && next.Phase != Freezing {
		effects |= Settle
	}
	if next.isSpent() && !r.isSpent() {
		effects |= Spent | Close
	}
	return next, effects
}

func (r Record) step(e Event) (Record, Effects) {
	if r.Phase == Gone && e.Kind != Returned { // the calls that it carried still end
		return r, 0
	}
	switch e.Kind {
	case Listed, Unlisted, Started, Paused, Woken, Died, Removed:
		return r.learn(e)
	case Lent, Returned:
		return r.use(e)
	case Begin:
		return r.begin(e.Operation)
	case Finish:
		return r.finish(e.Operation), 0
	}
	if r.IsLeaving() {
		if e.Kind == Drained {
			r.Phase = Stopping
		}
		return r, 0
	}
	return r.decide(e)
}

// begin begins an operation on a replica that has none. Only one that runs can be asked.
func (r Record) begin(op Operation) (Record, Effects) {
	isImpossible := op == NoOperation || op == Probe && r.Seen != function.Running || op == Pause && !r.canFreeze()
	if r.Operation != NoOperation || isImpossible {
		return r, 0
	}
	r.Operation = op
	switch op {
	case Pause:
		r.Phase = Freezing
		return r, Grant | Close
	case Reclaim:
		r.Memory = MemoryUnknown // some of it may be gone, whatever comes of it
	}
	return r, Grant
}

// canFreeze reports whether a replica may be paused: it carries no call, and was seen to answer
// or is kept.
func (r Record) canFreeze() bool {
	return r.InFlight == 0 && (r.Phase == Ready || r.IsKept() && (r.Phase == Suspect || r.Phase == Starting))
}

// finish ends an operation. One that another has superseded is over already.
func (r Record) finish(op Operation) Record {
	if r.Operation == op {
		r.Operation = NoOperation
	}
	return r
}

func (r Record) learn(e Event) (Record, Effects) {
	switch e.Kind {
	case Listed:
		return r.list(e)
	case Unlisted:
		if max(r.Listing, r.Born) >= e.Listing {
			return r, 0
		}
		r.Phase = Gone
		return r, Sever | Ring
	case Started:
		r.Born = e.Born
		if r.Phase == Unknown {
			r.Listing = e.Listing
		}
		if r.Phase == Unknown || r.Seen == function.Created {
			return r.see(e.State, false)
		}
	case Paused:
		return r.temper(e, function.Paused)
	case Woken:
		return r.temper(e, function.Running)
	case Died:
		next, effects := r.doubt(Unreachable)
		return next, effects | Sever
	case Removed:
		r.Phase = Gone
		return r, Sever
	}
	return r, 0
}

// list takes note of a listing. Nothing goes back to where it began: a listing that shows a
// replica as created was made before its start.
func (r Record) list(e Event) (Record, Effects) {
	if e.Listing < r.Listing {
		return r, 0
	}
	r.Listing = e.Listing
	if e.State == function.Created && r.Phase != Unknown {
		return r, 0
	}
	return r.see(e.State, e.Moved)
}

// see records the container's state, by whatever cause it changed.
func (r Record) see(state function.State, moved bool) (Record, Effects) {
	if r.Phase != Unknown && !moved && r.Seen == state {
		return r, 0
	}
	effects := Ring
	if moved || state == function.Exited && r.Phase != Unknown {
		effects |= Sever
	}
	r.Seen = state
	return r.settle(moved), effects
}

// settle brings the phase in line with the state of the container.
func (r Record) settle(moved bool) Record {
	if r.IsLeaving() {
		return r
	}
	switch r.Seen {
	case function.Running:
		return r.run(moved)
	case function.Paused:
		if moved || !r.IsCold() && !r.IsThawing() {
			r.Phase = Stalled
			r = r.finish(Probe) // it cannot answer
		}
	case function.Created:
		r.Phase = Created
	default:
		r.Phase = Exited
		r = r.finish(Probe) // there is nothing to ask any more
	}
	return r
}

// run brings the phase of a replica that runs in line with that. One that was seen to run all
// along may be about to be paused; one that somebody else has thawed must answer again.
func (r Record) run(moved bool) Record {
	switch {
	case !moved && (r.Phase == Ready || r.Phase == Freezing):
	case !moved && r.Phase == Thawing:
		r.Phase = Ready
	case r.Answered:
		r.Phase, r.Doubt = Suspect, max(r.Doubt, Unreachable)
	default:
		r.Phase = Starting
	}
	return r
}

// temper takes note of what the provider has had done to the container. A listing with a
// higher number may be ahead of it: that knows better.
func (r Record) temper(e Event, state function.State) (Record, Effects) {
	if r.Phase == Unknown {
		return r, 0
	}
	if e.Listing > r.Listing {
		r.Seen, r.Listing = state, e.Listing
	}
	if state == function.Paused {
		r = r.finish(Pause)
		r.Memory = MemoryIntact
	} else {
		r = r.finish(Thaw)
		r.Memory = MemoryUnknown
	}
	if r.Phase == Freezing {
		r.Phase = Frozen
	}
	return r.settle(false), 0
}

// doubt takes a replica that is lent out of use until it answers.
func (r Record) doubt(why Doubt) (Record, Effects) {
	switch r.Phase {
	case Ready:
		r.Phase = Suspect
	case Thawing:
		r.Phase = ThawingSuspect
	default:
		return r, 0
	}
	r.Doubt = why
	return r, Ring
}

// use counts calls. A frozen replica that is lent begins to thaw. The end of the last call on one that
// is kept rings, because it can be frozen; but not on a recalled one, which rests first.
func (r Record) use(e Event) (Record, Effects) {
	if e.Kind == Lent {
		return r.lend()
	}
	if r.InFlight == 0 {
		return r, 0
	}
	r.InFlight--
	if r.InFlight == 0 && (r.Role == Previous || r.Role == Aside) && !r.IsLeaving() && r.Phase != Gone {
		return r, Ring
	}
	return r, 0
}

func (r Record) lend() (Record, Effects) {
	effects := Effects(0)
	switch {
	case r.Role == Aside || !r.IsOpen() && r.Phase != Frozen:
		return r, 0
	case r.Phase == Frozen:
		r.Phase, effects = Thawing, Ring
	}
	if r.Role == Previous {
		r.Role, effects = Recalled, Ring
	}
	r.InFlight++
	return r, effects
}

// decide does what the provider has decided for a replica that is to stay.
func (r Record) decide(e Event) (Record, Effects) {
	switch e.Kind {
	case Answered:
		return r.answer(), 0
	case Doubted:
		return r.doubt(e.Doubt)
	case Swapped:
		r.Memory = MemoryReclaimed
	case AdoptFrozen:
		if r.Phase == Stalled {
			r.Phase = Frozen
		}
	case Rouse:
		if r.Phase == Frozen || r.Phase == Freezing {
			r.Phase = Thawing
			if r.Role == Previous {
				r.Role = Recalled // it is to be lent: a kept one is frozen again at once
			}
			return r, Ring
		}
	case Keep:
		if r.Role == Current && r.Phase != Unknown {
			r.Role = e.Role
		}
	case Unkeep:
		r.Role = Current
	case Withdraw:
		if r.Phase != Unknown {
			r.Phase = Draining
			return r.finish(Probe), 0
		}
	}
	return r, 0
}

// answer records that a probe was answered: the replica takes calls from now on. One that is paused, or
// about to be, takes none for that.
func (r Record) answer() Record {
	if r.Phase == Starting || r.Phase == Suspect || r.Phase == Ready {
		r.Phase, r.Doubt, r.Answered = Ready, None, true
	}
	return r
}
