package routes

import "sync/atomic"

// holders counts the requests that a route was given to, so that its filters are
// closed behind the last of them.
type holders struct {
	// state is twice the number of requests, plus one when the route has been retired.
	state atomic.Int64
}

// hold adds a request; a route that has been retired takes no more.
func (h *holders) hold() bool {
	for {
		state := h.state.Load()
		if state&1 == 1 {
			return false
		}
		if h.state.CompareAndSwap(state, state+2) {
			return true
		}
	}
}

// release takes a request off, and reports whether it was the last of a route that
// has been retired.
func (h *holders) release() bool { return h.state.Add(-2) == 1 }

// retired reports whether retire was called.
func (h *holders) retired() bool { return h.state.Load()&1 == 1 }

// retire lets no more requests in, and reports whether there are none. Only the first
// retire counts.
func (h *holders) retire() bool { return h.state.Or(1) == 0 }
