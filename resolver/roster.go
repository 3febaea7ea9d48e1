package resolver

import (
	"maps"
	"sync/atomic"
	"time"

	"faas-docker/function"
	"faas-docker/replica"
)

// member is one replica as the pool keeps it. What replica points to is never
// modified, only replaced: leases read it without the lock.
type member struct {
	replica *function.Replica
	// record is where the replica is in its life; only apply changes it.
	record replica.Record
	// proven is set once it has answered for itself, and deaths counts how often it has ended, or moved,
	// by itself.
	proven   atomic.Bool
	deaths   atomic.Int32
	lastUsed time.Time     // when it was last lent, given back or put into rotation
	idle     chan struct{} // closed when it will never carry a call again
	settled  chan struct{} // closed when it is no longer freezing
}

// Member is what is known of one replica at one moment.
type Member struct {
	function.Replica
	replica.Record
	// LastUsed is when it was last lent, given back or put into rotation; zero if
	// it never was.
	LastUsed time.Time
}

// roster is the members of a pool, and where each is lent from.
type roster struct {
	members []*member // oldest first

	// Every member belongs to one rotation. Those of current take the function's
	// calls, those of previous the calls of the revision before, and those of aside
	// none.
	current, previous, aside rotation

	// removed remembers for a while which replicas were removed: word of them that
	// is still under way must not bring them back.
	removed map[string]time.Time
}

// memory is how long a removed replica is remembered. Word of it is under way for
// as long as a call to the engine takes.
const memory = 5 * time.Minute

// member finds a replica, or makes it known; nil if it was removed: word of it is under way
// still.
func (r *roster) member(shown function.Replica) *member {
	if known := r.find(shown.ID); known != nil {
		return known
	}
	if _, removed := r.removed[shown.ID]; removed {
		return nil
	}
	m := &member{replica: &shown, idle: make(chan struct{})}
	r.members = append(r.members, m)
	return m
}

func (r *roster) find(id string) *member {
	for _, m := range r.members {
		if m.replica.ID == id {
			return m
		}
	}
	return nil
}

func (r *roster) remember(id string) {
	now := time.Now()
	maps.DeleteFunc(r.removed, func(_ string, at time.Time) bool { return now.Sub(at) > memory })
	r.removed[id] = now
}

// asleep counts the members that answer when called, those about to sleep among them.
func (r *roster) asleep() int {
	count := len(r.current.frozen)
	for _, m := range r.members {
		if m.record.Role == replica.Current && m.record.Phase == replica.Freezing {
			count++
		}
	}
	return count
}

// freezing finds a member of a rotation that is about to be frozen.
func (r *roster) freezing(from *rotation) *member {
	for _, m := range r.members {
		if m.record.Phase == replica.Freezing && r.rotation(m.record.Role) == from {
			return m
		}
	}
	return nil
}

// rotation returns where a member of this role is lent from.
func (r *roster) rotation(role replica.Role) *rotation {
	switch role {
	case replica.Current:
		return &r.current
	case replica.Aside:
		return &r.aside
	}
	return &r.previous
}

// enlist keeps the lists of those that are lent.
func (r *roster) enlist(m *member, before, after replica.Record) {
	from, to := r.rotation(before.Role), r.rotation(after.Role)
	move(m, &from.ready, &to.ready, before.IsOpen(), after.IsOpen())
	move(m, &from.frozen, &to.frozen, before.Phase == replica.Frozen, after.Phase == replica.Frozen)
}

// move takes a member from the list that it was in to the end of the one that it is in, if that
// is another.
func move(m *member, from, to *[]*member, was, is bool) {
	if was == is && from == to {
		return
	}
	*from = without(*from, m)
	if is {
		*to = append(*to, m)
	}
}

func (r *roster) snapshot() []Member {
	members := make([]Member, len(r.members))
	for i, m := range r.members {
		members[i] = Member{Replica: *m.replica, Record: m.record, LastUsed: m.lastUsed}
		members[i].State = m.record.Seen
	}
	return members
}
