package fleet

import (
	"maps"
	"time"

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
	// kept is when it was taken out of rotation for a way back.
	kept time.Time
	// counted is set when starting does not count it: a listing may show a new one
	// before the task that starts it has ended.
	counted bool
	// mourned is set when its death has counted as a failure.
	mourned bool
	// admitted is set when it was seen to answer.
	admitted bool
	// intact is set while it is frozen by this worker with all of its memory, and
	// reclaimed while most of that is on the host's swap.
	intact, reclaimed bool
	// evicted is set when it made room for another: it is as good as gone.
	evicted bool
	// left is set when a rollback went back from its revision, and marking while the
	// engine is told whether it did.
	left, marking bool
	// ending spaces the attempts to stop or remove it after failures.
	ending backoff
	// pulse is its health; nil while that is not watched.
	pulse *pulse
}

// endFailed returns how long to wait before the replica is ended once more: a second,
// and longer each time when it is the replica that resists and not the engine that is
// away.
func (n *note) endFailed(err error) time.Duration {
	if isAway(err) {
		return time.Second
	}
	return max(time.Second, n.ending.fail(time.Now(), 0))
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
		if n := w.of(m.ID); n.born.IsZero() {
			n.since, n.born = now, now
		}
	}
	maps.DeleteFunc(w.notes, func(id string, _ *note) bool { return !alive[id] })
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
