package routes

import (
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
)

// Live is the table that is in force. The zero value has none, and finds nothing. Its
// methods are safe for concurrent use; Lookup and Acquire never wait.
type Live struct {
	table atomic.Pointer[Table]
	// mu orders the swaps.
	mu sync.Mutex
}

// Table returns the table in force; nil before the first Swap.
func (l *Live) Table() *Table { return l.table.Load() }

// Swap puts a table in force. Routes that were in force and are not in it are retired: their filters are
// closed when the last request that was given them by Acquire has released them. A table that has been
// replaced must not be put in force again if its filters are FilterClosers.
func (l *Live) Swap(t *Table) {
	l.mu.Lock()
	defer l.mu.Unlock()
	old := l.table.Swap(t)
	if old == nil || old == t {
		return
	}
	for _, route := range old.dropped(t) {
		route.retire()
	}
}

// dropped lists the routes with filters to close that the next table does not have.
func (t *Table) dropped(next *Table) []*Route {
	kept := map[*Route]bool{}
	for _, route := range next.Routes() {
		if route.closes {
			kept[route] = true
		}
	}
	return slices.DeleteFunc(t.Routes(), func(r *Route) bool { return !r.closes || kept[r] })
}

// Lookup finds the route for a request in the table in force. Acquire it to run its filters.
func (l *Live) Lookup(r *http.Request) (*Route, Params) { return l.table.Load().Lookup(r) }

// Lease is one request's hold on a route: its filters stay open until Release, called exactly once.
type Lease struct {
	Route  *Route
	Params Params
	held   bool
}

// Acquire finds the route for a request and holds it; false means that there is none.
func (l *Live) Acquire(r *http.Request) (Lease, bool) {
	for {
		table := l.table.Load()
		route, params := table.Lookup(r)
		switch {
		case route == nil:
			return Lease{}, false
		case !route.closes:
			return Lease{Route: route, Params: params}, true
		case route.hold():
			return Lease{Route: route, Params: params, held: true}, true
		case l.table.Load() == table:
			// A retired table was put back in force, which Swap forbids.
			return Lease{Route: route, Params: params}, true
		}
	}
}

// Release gives the route back.
func (l Lease) Release() {
	if l.held {
		l.Route.release()
	}
}

// hold counts a request that the route is given to; a route that is retired takes no more.
func (r *Route) hold() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.retired {
		r.requests++
	}
	return !r.retired
}

func (r *Route) release() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.requests--; r.requests == 0 && r.retired {
		r.closeFilters()
	}
}

// retire has a dropped route's filters closed behind its last request. Only the first call counts.
func (r *Route) retire() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.retired && r.requests == 0 {
		r.closeFilters()
	}
	r.retired = true
}

func (r *Route) isRetired() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.retired
}
