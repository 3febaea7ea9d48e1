package front

import (
	"math"
	"sync/atomic"
	"time"
)

// What idling.until holds beside the time when an idle connection is closed.
const (
	// busy: a request is being read or answered.
	busy time.Duration = 0
	// claimed: the connection is being closed.
	claimed time.Duration = -1
	// never is the time that does not come.
	never time.Duration = math.MaxInt64
)

// idling is since when, and until when, a connection is idle, by the server's clock. It is safe for
// concurrent use.
type idling struct {
	// until is when an idle connection is to be closed; or busy or claimed.
	until atomic.Int64
	// since is when it became idle last.
	since atomic.Int64
}

// forever reads a limit of zero as none.
func forever(limit time.Duration) time.Duration {
	if limit <= 0 {
		return math.MaxInt64 / 2
	}
	return limit
}

// rest makes the connection idle, until the next request or for a time. The clock may tick any moment.
func (i *idling) rest(now, limit time.Duration) {
	i.since.Store(int64(now))
	i.until.Store(int64(now + tickTime + forever(limit)))
}

// wake makes it busy, and reports whether it was not claimed.
func (i *idling) wake() bool { return time.Duration(i.until.Swap(int64(busy))) != claimed }

// isIdleUntil claims the connection if it is to be closed by now.
func (i *idling) isIdleUntil(now time.Duration) bool {
	return i.claim(func(until time.Duration) bool { return until <= now })
}

// hasRested claims the connection if it has been idle for restTime.
func (i *idling) hasRested(now time.Duration) bool {
	return i.claim(func(time.Duration) bool { return now-time.Duration(i.since.Load()) >= restTime })
}

// claim claims the connection if it is idle, and may be closed by when its time is over.
func (i *idling) claim(may func(until time.Duration) bool) bool {
	until := i.until.Load()
	return until > int64(busy) && may(time.Duration(until)) && i.until.CompareAndSwap(until, int64(claimed))
}

// stall notices that a client does not read its answer. To write costs no look
// at a clock: the sweep has one.
type stall struct {
	// count is odd while something is being written.
	count atomic.Uint32
	// seen is the count that the sweep found last, and since when. They are the sweep's own.
	seen  uint32
	since time.Duration
}

// lasts reports whether one write is under way for longer than limit.
func (s *stall) lasts(now, limit time.Duration) bool {
	count := s.count.Load()
	if count != s.seen {
		s.seen, s.since = count, now
	}
	return count%2 == 1 && now-s.since >= limit
}

// begin and end are called around a write.
func (s *stall) begin() { s.count.Add(1) }

func (s *stall) end() { s.count.Add(1) }
