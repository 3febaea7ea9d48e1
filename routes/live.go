package routes

import (
	"net/http"
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

// Swap puts a table in force. The routes that were in force and are not in the new
// one are retired: their filters are closed when the last request that was given
// them by Acquire has released them. A table that has been replaced must not be put
// in force again if its filters are FilterClosers.
func (l *Live) Swap(t *Table) {
	l.mu.Lock()
	defer l.mu.Unlock()
	old := l.table.Swap(t)
	if old == nil || old == t {
		return
	}
	for _, route := range old.dropped(t) {
		if route.holders.retire() {
			route.closeFilters()
		}
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
	var list []*Route
	for _, route := range t.routes {
		if route.closes && !kept[route] {
			list = append(list, route)
		}
	}
	return list
}

// Lookup finds the route for a request in the table in force. It is for those who only
// want to know; to run the filters, Acquire the route.
func (l *Live) Lookup(r *http.Request) (*Route, Params) { return l.table.Load().Lookup(r) }

// Lease is a route that one request was given. Its filters stay open until Release,
// which is called exactly once.
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
		case route.holders.hold():
			return Lease{Route: route, Params: params, held: true}, true
		case l.table.Load() == table:
			// Somebody has put a retired table back in force: no one can help that.
			return Lease{Route: route, Params: params}, true
		}
	}
}

// Release gives the route back.
func (l Lease) Release() {
	if l.held && l.Route.holders.release() {
		l.Route.closeFilters()
	}
}

// Serve passes the request through the filters to the backend, as Route.Serve does.
func (l Lease) Serve(w http.ResponseWriter, r *http.Request, backend http.Handler) {
	l.Route.Serve(w, r, l.Params, backend)
}
