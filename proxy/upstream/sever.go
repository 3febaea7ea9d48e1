package upstream

import (
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"faas-docker/function"
	"faas-docker/wire"
)

// severDelay is how long what a replica has sent before it died may be under way. On
// one machine that is no time; the end of its connections comes as it is torn down.
const severDelay = time.Second

// Sever breaks off the calls that are in flight on a replica which has died, a second
// later: what it has sent until then is passed on, and the end of its connections is
// found as ever. But a replica whose network went with it, or before it, ends none; its
// calls would wait in vain. Connections that are made from now on are not touched: the
// replica may be started again.
func (u *Pools) Sever(replica *function.Replica) {
	open := u.remove(replica)
	if len(open) == 0 {
		return
	}
	died := time.Now()
	time.AfterFunc(severDelay, func() {
		for _, s := range open {
			s.sever(died)
		}
	})
}

// remove drops the pool of a replica that has died and returns the connections to it that are in use.
func (u *Pools) remove(replica *function.Replica) []*socket {
	u.mu.Lock()
	defer u.mu.Unlock()
	dead := u.byID[replica.ID]
	if dead == nil || dead.address != replica.Address {
		return nil
	}
	u.drop(replica.ID)
	return dead.sockets.all()
}

// sockets are the open connections to one replica. They enter when they are made and leave when they
// are closed, so that calls have nothing to do with it. The zero value is ready for use.
type sockets struct {
	mu   sync.Mutex
	open map[*socket]struct{}
}

func (s *sockets) add(one *socket) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.open == nil {
		s.open = map[*socket]struct{}{}
	}
	s.open[one] = struct{}{}
}

func (s *sockets) remove(one *socket) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.open, one)
}

func (s *sockets) all() []*socket {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Collect(maps.Keys(s.open))
}

// socket is a connection to a replica.
type socket struct {
	*wire.Conn
	among *sockets
	// died is when the replica did, if the end was made up because of that; nil else.
	died atomic.Pointer[time.Time]
}

// IsSevered reports whether the end of the connection was made up because the replica has died.
func (s *socket) IsSevered() bool { return s.died.Load() != nil }

// lifeSince is how long after a moment the connection ended, which has just been found.
func (s *socket) lifeSince(moment time.Time) time.Duration {
	if died := s.died.Load(); died != nil {
		return died.Sub(moment)
	}
	return time.Since(moment)
}

// Close closes the connection; more than once does no harm.
func (s *socket) Close() error {
	s.among.remove(s)
	return s.Conn.Close()
}

// sever lets the reader find the end of the connection behind what has arrived, unless
// the replica has ended it itself.
func (s *socket) sever(died time.Time) {
	if s.HasEnded() {
		return
	}
	s.died.Store(&died)
	// It fails only on a closed connection, which is not read any more.
	_ = s.CloseRead()
}
