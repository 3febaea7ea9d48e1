package main

import (
	"context"
	"net/http"
	"strings"

	"github.com/hashicorp/go-hclog"

	"faas-docker/function"
	"faas-docker/routes"
)

// routing is the route table with all that keeps it in step with its sources. Of
// rules that clash, those of the API come before those of the file, and both before
// those of the functions' annotations.
type routing struct {
	live     routes.Live
	loader   routes.Loader
	options  routes.Options
	book     *routes.Book
	deployed *routes.Deployed
	// functions carries requests for /function/, previous does so to the revision before
	// the present one, and servers carry those for other URLs.
	functions, previous http.Handler
	servers             *servers
	logger              hclog.Logger
}

func (p *provider) newRouting() (*routing, error) {
	t := &routing{options: p.config.routeOptions(), logger: p.logger.Named("routes")}
	t.options.Invoke, t.options.Logger = t.invoke, t.logger
	var err error
	if t.book, err = routes.NewBook(apiSource, p.store, t.options); err != nil {
		return nil, err
	}
	t.deployed = routes.NewDeployed(func() []function.Spec { return specsOf(p.store.Functions("")) })
	p.store.FunctionsChanged = t.deployed.Ring
	t.loader.Live, t.loader.Options, t.loader.Observe = &t.live, t.options, t.tell()
	t.loader.Sources = []routes.Source{t.book}
	if p.config.routesFile != "" {
		t.loader.Sources = append(t.loader.Sources, routes.NewFile(p.config.routesFile))
	}
	t.loader.Sources = append(t.loader.Sources, t.deployed)
	t.servers = newServers(p.config.trustedProxies, t.logger)
	return t, nil
}

// routeOptions are how rules are read, as far as the configuration says.
func (c config) routeOptions() routes.Options {
	return routes.Options{
		IgnoreTrailingSlash: c.ignoreTrailingSlash,
		DefaultNamespace:    c.functionNamespace,
		ClientIP:            clientAddress(c.trustedProxies),
	}
}

func specsOf(functions []function.Function) []function.Spec {
	specs := make([]function.Spec, len(functions))
	for i, f := range functions {
		specs[i] = f.Spec
	}
	return specs
}

// judge refuses specs whose annotations hold rules that can never work.
func (t *routing) judge(spec function.Spec) error { return routes.CheckSpec(spec, t.options) }

// run keeps the table in step until ctx ends, which is the only thing that ends it. The
// last table stays.
func (t *routing) run(ctx context.Context) {
	_ = t.loader.Run(ctx)
	t.servers.transport.CloseIdleConnections()
}

// before serves the requests that a route wants, and leaves the others to next.
func (t *routing) before(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		lease, found := t.live.Acquire(r)
		if !found {
			next.ServeHTTP(w, r)
			return
		}
		defer lease.Release()
		lease.Serve(w, r, t.backend(lease.Route))
	})
}

// backend is what answers the requests of a route.
func (t *routing) backend(route *routes.Route) http.Handler {
	if route.URL != nil {
		return t.servers.to(route.URL)
	}
	if route.Previous {
		return invocations(route.Function, t.previous)
	}
	return t.invoke(route.Function)
}

// invoke carries requests to a function.
func (t *routing) invoke(name function.Name) http.Handler {
	return invocations(name, t.functions)
}

// invocations gives requests the path of a function's invocations. They are copies: the
// request itself remains the filters', which may keep it.
func invocations(name function.Name, carrier http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		target := r.RequestURI
		if !strings.HasPrefix(target, "/") {
			target = "/" + strings.TrimPrefix(r.URL.RequestURI(), "/")
		}
		invocation := r.WithContext(r.Context())
		invocation.RequestURI = "/function/" + name.String() + target
		carrier.ServeHTTP(w, invocation)
	})
}

// tell logs how the table changes: what is in force, and each new problem once.
func (t *routing) tell() func(routes.Report) {
	known := map[string]bool{}
	inForce := 0
	return func(report routes.Report) {
		if n := report.Table.Len(); n != inForce {
			t.logger.Info("routes in force", "count", n, "kept_aside", len(report.Problems))
			inForce = n
		}
		seen := map[string]bool{}
		warn := func(message, text string) {
			if seen[text] = true; !known[text] {
				t.logger.Warn(message, "err", text)
			}
		}
		for _, source := range report.Sources {
			if source.Err != nil {
				warn("routes not read: those that were read last stay", source.Err.Error())
			}
		}
		for _, problem := range report.Problems {
			warn("route kept aside", problem.String())
		}
		known = seen
	}
}
