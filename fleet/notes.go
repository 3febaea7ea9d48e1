package fleet

import (
	"context"
	"maps"
	"time"

	"faas-docker/fleet/scale"
	"faas-docker/replica"
	"faas-docker/resolver"
)

// note is what a worker remembers of one replica, from when it first hears of it
// until that is gone.
type note struct {
	// since is when the replica took its present temperature.
	since time.Time
	// born is when it was first seen. The engine says when it was created, but by a
	// clock that may not be ours, and may be set.
	born time.Time
	// size is what it reserves of the host; zero when another process has started it.
	size scale.Resources
	// kept is when it was taken out of rotation for a way back.
	kept time.Time
	// counted is set when starting does not count it: a listing may show a new one
	// before the task that starts it has ended.
	counted bool
	// crashCounted is set when its death has counted as a failure.
	crashCounted bool
	// evicted is set when it makes room for another: it is as good as gone. It is called when
	// it is gone, or could not be stopped.
	evicted func()
	// left is set when a rollback went back from its revision, and marking while the
	// engine is told whether it did.
	left, marking bool
	// ending spaces the attempts to stop or remove it after failures, and tempering those to
	// pause or thaw it.
	ending, tempering attempts
	// endProbe ends the probe that it is under; nil when there is none.
	endProbe context.CancelFunc
	pulses   pulses
	// denied is set when it was told that its watchdog answers for a process that may not
	// listen.
	denied bool
	// found is set when it was there before this worker: how old it is, is not known.
	found bool
}

// attempts spaces what the engine is asked to do to a replica after failures: it is asked again
// after a moment. The zero value has seen no failure.
type attempts struct {
	failures backoff
	after    time.Time
}

// failed returns how long to wait before the next attempt: a second, and longer each time when
// it is the replica that resists and not the engine that is away.
func (a *attempts) failed(err error) time.Duration {
	wait := time.Second
	if !isAway(err) {
		wait = max(wait, a.failures.fail(time.Now(), 0))
	}
	a.after = time.Now().Add(wait)
	return wait
}

// of returns what is remembered of a replica.
func (w *worker) of(id string) *note {
	if w.notes[id] == nil {
		w.notes[id] = &note{}
	}
	return w.notes[id]
}

// remember begins with the replicas that are new, and forgets those that are no
// more.
func (w *worker) remember(members []resolver.Member) {
	alive, now := map[string]bool{}, time.Now()
	for _, m := range members {
		alive[m.ID] = true
		n := w.of(m.ID)
		if m.Operation != replica.Probe {
			n.stopProbe() // it was paused, or has exited
		}
		if m.Doubt == replica.Denied && !n.denied {
			w.note("replica %s takes no calls until the process behind its watchdog listens: it answered a call with 500 in its place", m.Instance)
			w.fleet.Logger.Info("replica unready: its watchdog answered for its process", "function", w.name, "replica", m.Instance)
		}
		n.denied = m.Doubt == replica.Denied
		if n.born.IsZero() {
			n.since, n.born, n.found = now, now, !w.seasoned
		}
	}
	w.seasoned = true
	maps.DeleteFunc(w.notes, func(id string, n *note) bool {
		if alive[id] {
			return false
		}
		n.stopProbe()
		n.letGo()
		return true
	})
}

// letGo tells whom a replica makes room for that it waits no longer.
func (n *note) letGo() {
	if n.evicted != nil {
		n.evicted()
	}
}

// stopProbe ends the probe of a replica, if there is one: its result counts no more.
func (n *note) stopProbe() {
	if n.endProbe != nil {
		n.endProbe()
		n.endProbe = nil
	}
}

// age is how long a replica has been known; zero when it was not known before.
func (w *worker) age(id string) time.Duration {
	if n := w.notes[id]; n != nil && !n.born.IsZero() {
		return time.Since(n.born)
	}
	return 0
}

// note returns what is remembered of a replica; nothing of one that is unknown.
func (v view) note(id string) note {
	if n := v.notes[id]; n != nil {
		return *n
	}
	return note{}
}
