package front

import (
	"sync/atomic"
	"time"
)

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

func (s *Server) stallTimeout() time.Duration {
	if s.StallTimeout > 0 {
		return s.StallTimeout
	}
	return 60 * time.Second
}
