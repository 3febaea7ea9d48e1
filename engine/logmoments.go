package engine

import (
	"slices"
	"time"
)

// maxMoments bounds the moments that are remembered of one stream; a file of Docker's standard
// size holds no more lines.
const maxMoments = 1 << 17

// moments remembers when the frames of a stream were written. Docker reads on at the beginning
// of a new file when it has begun one, though it has read some of that already: what comes then
// has come before. A clock that was set back makes frames older, too, but not of moments that
// were seen. The zero value has seen nothing.
type moments struct {
	// origin is the moment of the first frame; the others are counted from there.
	origin time.Time
	// times are in order; those before some were forgotten if cut is set.
	times []time.Duration
	cut   bool
	// last is when the last frame was written that came, whether it was new or not.
	last time.Duration
}

// repeats notes a frame, and reports whether frames that were seen come again with it. A frame
// within a line is of the same moment as those before it.
func (m *moments) repeats(at time.Time, withinLine bool) bool {
	if m.origin.IsZero() {
		m.origin = at
	}
	now, before := at.Sub(m.origin), m.last
	m.last = now
	newest := len(m.times) - 1
	switch {
	case newest < 0:
	case now < before && m.has(now):
		return true
	case now < before && now < m.times[newest]:
		// The clock was set back.
		m.times, m.cut = nil, false
	case now == before && !withinLine && isExact(at):
		return true
	}
	m.add(now)
	return false
}

// has reports whether a frame of a moment was seen, or may have been.
func (m *moments) has(at time.Duration) bool {
	if m.cut && at < m.times[0] {
		return true
	}
	_, found := slices.BinarySearch(m.times, at)
	return found
}

func (m *moments) add(at time.Duration) {
	if len(m.times) > 0 && at <= m.times[len(m.times)-1] {
		return
	}
	if len(m.times) == maxMoments {
		m.times = slices.Delete(m.times, 0, maxMoments/2)
		m.cut = true
	}
	m.times = append(m.times, at)
}

// isExact reports whether a moment was read from a clock that tells nanoseconds: two lines are
// not of the same one. A journal knows microseconds only.
func isExact(at time.Time) bool { return at.Nanosecond()%1000 != 0 }
