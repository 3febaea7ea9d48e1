package routes

import (
	"context"
	"net/http"
	"net/url"
	"strings"

	"github.com/hashicorp/go-hclog"

	"faas-docker/function"
)

// Mount is the route table before a server, and what keeps it in step with its sources. Of rules that
// clash, those of the API come first, then the file's, then those of annotations. Make it with NewMount;
// its methods are safe for concurrent use.
type Mount struct {
	MountConfig
	// Functions carries requests for /function/, and Previous does so to the revision before the
	// present one. They are set before the first request.
	Functions, Previous http.Handler
	// Guard keeps callers from functions that ask for credentials; nil means that none does.
	Guard *Guard
	// Live is the table in force.
	Live Live
	// Loader follows the sources.
	Loader Loader
	// API has the rules that came over the API.
	API *APIRules

	deployed *deployed
}

// Carrier carries requests to backends that are no functions.
type Carrier interface {
	// To returns the handler that passes requests on to the server of a URL.
	To(*url.URL) http.Handler
	// Close lets go of connections that wait for requests.
	Close()
}

// MountConfig is what a Mount is made of.
type MountConfig struct {
	// Options are how rules are read.
	Options Options
	// Store keeps the rules of the API.
	Store RuleStore
	// File is the file of rules; empty means none.
	File string
	// Specs returns all functions as they are now.
	Specs func() []function.Spec
	// Callers tells functions from other callers.
	Callers Callers
	// Servers carry requests to other URLs than functions.
	Servers Carrier
	Logger  hclog.Logger
}

// NewMount reads the rules that are in the store.
func NewMount(c MountConfig) (*Mount, error) {
	m := &Mount{MountConfig: c, deployed: &deployed{specs: c.Specs, bell: make(bell, 1)}, Guard: &Guard{config: c}}
	var err error
	if m.API, err = NewAPIRules(c.Store, m.Options); err != nil {
		return nil, err
	}
	m.Guard.Refresh()
	m.Loader.Live, m.Loader.Options, m.Loader.Observe = &m.Live, m.Options, m.tell()
	m.Loader.Sources = []Source{m.API}
	if c.File != "" {
		m.Loader.Sources = append(m.Loader.Sources, NewFile(c.File))
	}
	m.Loader.Sources = append(m.Loader.Sources, m.deployed)
	return m, nil
}

// FunctionsChanged has rules and guard follow the annotations. Call it before a deployment is answered.
func (m *Mount) FunctionsChanged() {
	m.Guard.Refresh()
	m.deployed.bell.ring()
}

// Judge refuses specs whose rules can never work, or would take another function's host.
func (m *Mount) Judge(spec function.Spec) error {
	if err := CheckSpec(spec, m.Options); err != nil {
		return err
	}
	return CheckTakeover(spec, m.Specs(), m.Options)
}

// Run keeps the table in step until ctx ends, and only that ends it. The last table stays.
func (m *Mount) Run(ctx context.Context) {
	_ = m.Loader.Run(ctx)
	m.Servers.Close()
}

// Before serves the requests that a route wants, and leaves the others to next.
func (m *Mount) Before(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		lease, found := m.Live.Acquire(r)
		if !found {
			next.ServeHTTP(w, r)
			return
		}
		defer lease.Release()
		lease.Route.Serve(w, withoutClimbs(r), lease.Params, m.Backend(lease.Route))
	})
}

// Backend is what answers the requests of a route.
func (m *Mount) Backend(route *Route) http.Handler {
	if route.URL != nil {
		return m.Servers.To(route.URL)
	}
	carrier := m.Invoke(route.Function)
	if route.Previous {
		carrier = invocations(route.Function, m.Previous)
	}
	return m.Guard.behindRoute(route.Function, carrier)
}

// Invoke returns what carries requests to a function, past the routes.
func (m *Mount) Invoke(name function.Name) http.Handler {
	return invocations(name, m.Functions)
}

// invocations passes on a copy of each request, with the path /function/NAME…: filters may keep the original.
func invocations(name function.Name, carrier http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		target := r.RequestURI
		if !strings.HasPrefix(target, "/") {
			target = "/" + strings.TrimPrefix(r.URL.RequestURI(), "/")
		}
		ctx := r.Context()
		if _, known := function.PrefixFrom(ctx); !known {
			ctx = function.WithPrefix(ctx, "") // the client has not named the function
		}
		invocation := r.WithContext(ctx)
		invocation.RequestURI = "/function/" + name.String() + target
		carrier.ServeHTTP(w, invocation)
	})
}

// tell logs how the table changes: what is in force, and each new problem once.
func (m *Mount) tell() func(Report) {
	known := map[string]bool{}
	inForce := 0
	return func(report Report) {
		if n := report.Table.Len(); n != inForce {
			m.Logger.Info("routes in force", "count", n, "rejected", len(report.Problems))
			inForce = n
		}
		seen := map[string]bool{}
		warn := func(message, text string) {
			if seen[text] = true; !known[text] {
				m.Logger.Warn(message, "err", text)
			}
		}
		for _, source := range report.Sources {
			if source.Err != nil {
				warn("routes not read: those that were read last stay", source.Err.Error())
			}
		}
		for _, problem := range report.Problems {
			warn("route rejected", problem.String())
		}
		known = seen
	}
}
