package front

import (
	"net"
	"sync/atomic"
	"time"
)

// pieceSize is how much is written at once, in bytes: a client must accept it within
// StallTimeout.
const pieceSize = 64 << 10

// stall notices that a client does not accept what it is sent. To write costs no look
// at a clock: the sweep has one.
type stall struct {
	// count is odd while something is being written.
	count atomic.Uint32
	// seen is what the sweep found last, and since when. They are the sweep's own.
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

// write sends what was gathered, and a piece after it, in one go.
func (c *conn) write(gathered, piece []byte, room *[2][]byte) error {
	c.server.turns.GiveWay()
	c.stall.count.Add(1)
	defer c.stall.count.Add(1)
	if len(piece) == 0 {
		_, err := c.tcp.Write(gathered)
		return err
	}
	*room = [2][]byte{gathered, piece}
	both := net.Buffers(room[:])
	_, err := both.WriteTo(c.tcp.TCPConn)
	return err
}

// closeIfStalled closes the connection when its client has not read for too long.
func (c *conn) closeIfStalled(now time.Duration) {
	if c.stall.lasts(now, c.server.stallTimeout()) {
		c.tcp.Close()
	}
}

func (s *Server) stallTimeout() time.Duration {
	if s.StallTimeout > 0 {
		return s.StallTimeout
	}
	return 60 * time.Second
}
