package routes

import (
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"faas-docker/function"
)

// Guard keeps callers from functions that are closed by name, or that ask for credentials.
type Guard struct {
	// proxy answers calls that are refused.
	proxy  Proxy
	config MountConfig
	// closed are the functions that ask for something; nil before the first.
	closed atomic.Pointer[map[function.Name]*Access]

	// mu orders the changes of closed.
	mu    sync.Mutex
	tried time.Time
}

// Proxy invokes functions by the names in their requests.
type Proxy interface {
	http.Handler
	// Target returns the function that a request names.
	Target(*http.Request) (function.Name, error)
	// Refuse answers a request with a failure.
	Refuse(http.ResponseWriter, *http.Request, error)
}

// Callers tells functions from other callers.
type Callers interface {
	// IsFunction reports whether a function sends the request; known is false while that cannot be told.
	IsFunction(*http.Request) (yes, known bool)
}

// guardRetry is how often filters that could not be made are tried again, while called.
const guardRetry = time.Second

// Refresh reads all functions' annotations. Call it before a deployment is answered, so that no
// call passes under the old ones.
func (d *Guard) Refresh() {
	d.mu.Lock()
	defer d.mu.Unlock()
	before, now := d.table(), map[function.Name]*Access{}
	for _, spec := range d.config.Specs() {
		name := spec.ID()
		access := AccessOf(spec, d.config.Options, before[name])
		if access == nil {
			continue
		}
		now[name] = access
		if err := access.Err(); err != nil && (before[name] == nil || before[name].Err() == nil) {
			d.config.Logger.Error("function cannot be called by its name: its filters cannot be made", "function", name.String(), "err", err)
		}
	}
	d.tried = time.Now()
	d.closed.Store(&now)
}

// Guards reports whether calls of a function by its name have to pass by Before.
func (d *Guard) Guards(name function.Name) bool {
	_, guards := d.table()[name]
	return guards
}

// IsClosed reports whether only functions may call a function by its name.
func (d *Guard) IsClosed(name function.Name) bool {
	access := d.table()[name]
	return access != nil && access.Closed
}

func (d *Guard) table() map[function.Name]*Access {
	if table := d.closed.Load(); table != nil {
		return *table
	}
	return nil
}

// Before lets to the proxy only the calls by name that the functions' annotations allow.
func (d *Guard) Before(next Proxy) http.Handler {
	d.proxy = next
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if len(d.table()) == 0 {
			next.ServeHTTP(w, r)
			return
		}
		name, err := next.Target(r)
		access := d.access(name)
		if err != nil || access == nil {
			next.ServeHTTP(w, r)
			return
		}
		if access.Closed {
			if err := d.closedTo(name, r); err != nil {
				next.Refuse(w, r, err)
				return
			}
		}
		d.ask(access, name, next).ServeHTTP(w, r)
	})
}

// behindRoute asks callers by a route, after its filters, for the credentials of the function.
func (d *Guard) behindRoute(name function.Name, next http.Handler) http.Handler {
	if d != nil {
		if access := d.access(name); access != nil {
			return d.ask(access, name, next)
		}
	}
	return next
}

// ask asks for the credentials that a function wants.
func (d *Guard) ask(access *Access, name function.Name, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := access.Err(); err != nil {
			d.proxy.Refuse(w, r, function.Unavailable(err, "function %q cannot check credentials at the moment: the provider's log says why", name.String()))
			return
		}
		access.Serve(w, r, next)
	})
}

// access is what a function asks for, nil for nothing; filters that failed are made again.
func (d *Guard) access(name function.Name) *Access {
	access := d.table()[name]
	if access == nil || access.Err() == nil {
		return access
	}
	d.mu.Lock()
	due := time.Since(d.tried) > guardRetry
	if due {
		d.tried = time.Now() // one caller tries, and not all that have come
	}
	d.mu.Unlock()
	if due {
		d.Refresh()
	}
	return d.table()[name]
}

// closedTo is why a closed function may not be called by name, as if it were not there; nil when it may.
func (d *Guard) closedTo(name function.Name, r *http.Request) error {
	yes, known := d.config.Callers.IsFunction(r)
	switch {
	case yes:
		return nil
	case !known:
		return &function.Failure{
			Kind: function.ErrUnavailable, RetryAfter: time.Second,
			Text: "the provider is starting and does not yet know which callers are functions: try again",
		}
	}
	return function.UnknownFunction(name)
}
