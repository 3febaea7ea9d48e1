package fleet

import (
	"context"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"faas-docker/fleet/scale"
)

// making is one container of a function in the making: first it waits for its turn, then
// the engine is at it.
type making struct {
	revision uint64
	// cancel gives it up while it waits.
	cancel context.CancelFunc
	// begun is set by its task when its turn has come; release gives back the slot that it
	// has since then.
	begun   atomic.Bool
	release func()
	// abandonedAt is when it was found to be unwanted; zero while it is wanted.
	abandonedAt time.Time
}

func (m *making) begin(release func()) {
	m.release = sync.OnceFunc(release)
	m.begun.Store(true)
}

// makings are the containers of one function in the making. They belong to its worker.
type makings []*making

func (l makings) of(revision uint64) int {
	count := 0
	for _, m := range l {
		if m.revision == revision {
			count++
		}
	}
	return count
}

// queued counts those that wait for their turn and were not given up, by revision.
func (l makings) queued() map[uint64]int {
	counts := map[uint64]int{}
	for _, m := range l {
		if m.abandonedAt.IsZero() && !m.begun.Load() {
			counts[m.revision]++
		}
	}
	return counts
}

// giveUp gives up so many of a revision that wait for their turn, the youngest first.
func (l makings) giveUp(revision uint64, count int) {
	for _, m := range slices.Backward(l) {
		if count > 0 && m.revision == revision && m.abandonedAt.IsZero() && !m.begun.Load() {
			m.abandonedAt = time.Now()
			m.cancel()
			count--
		}
	}
}

// supersede gives up those of revisions that are not wanted any more, and counts those
// that cannot be stopped: the engine is at them. After a while it is taken to hang, and no
// longer waited for.
func (l makings) supersede(wanted func(revision uint64) bool, now time.Time) (busy int, until time.Time) {
	for _, m := range l {
		if wanted(m.revision) {
			continue
		}
		if m.abandonedAt.IsZero() {
			m.abandonedAt = now
			m.cancel()
		}
		if !m.begun.Load() {
			continue
		}
		if end := m.abandonedAt.Add(supersededPatience); now.Before(end) {
			busy++
			until = scale.Earlier(until, end)
			continue
		}
		m.release()
	}
	return busy, until
}

// supersededPatience is how long the next revision waits for the engine to be done with a
// container that is no longer wanted: a burst of updates would keep it busy with those.
const supersededPatience = 2 * time.Second
