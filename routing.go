package main

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httputil"
	"net/url"
	"strings"
	"time"

	"github.com/hashicorp/go-hclog"

	"faas-docker/function"
	"faas-docker/handlers"
	"faas-docker/routes"
	"faas-docker/store"
)

// apiSource is the name of the source of the rules that came over the API.
const apiSource = "api"

// settleTime bounds how long the API waits until a change of its rules is in force.
const settleTime = 5 * time.Second

// routing is the route table with all that keeps it in step with its sources. Of
// rules that clash, those of the API come before those of the file, and both before
// those of the functions' annotations.
type routing struct {
	live     routes.Live
	loader   routes.Loader
	options  routes.Options
	book     *routes.Book
	deployed *routes.Deployed
	// functions carries requests for /function/, servers those for other URLs.
	functions http.Handler
	servers   http.Handler
	logger    hclog.Logger
}

func (p *provider) newRouting() (*routing, error) {
	t := &routing{options: p.config.routeOptions(), logger: p.logger.Named("routes")}
	t.options.Invoke, t.options.Logger = t.invoke, t.logger
	var err error
	if t.book, err = routes.NewBook(apiSource, p.store, t.options); err != nil {
		return nil, err
	}
	t.deployed = routes.NewDeployed(func() []function.Spec { return specsOf(p.store.Functions("")) })
	t.loader.Live, t.loader.Options, t.loader.Observe = &t.live, t.options, t.tell()
	t.loader.Sources = []routes.Source{t.book}
	if p.config.routesFile != "" {
		t.loader.Sources = append(t.loader.Sources, routes.NewFile(p.config.routesFile))
	}
	t.loader.Sources = append(t.loader.Sources, t.deployed)
	t.servers = newServers(t.logger)
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

// run keeps the table in step until ctx ends.
func (t *routing) run(ctx context.Context) { _ = t.loader.Run(ctx) }

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
		return server{route.URL, t.servers}
	}
	return t.invoke(route.Function)
}

// invoke carries requests to a function: they are given the path of its invocations.
func (t *routing) invoke(name function.Name) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		target := r.RequestURI
		if !strings.HasPrefix(target, "/") {
			target = "/" + strings.TrimPrefix(r.URL.RequestURI(), "/")
		}
		invocation := r.WithContext(r.Context())
		invocation.RequestURI = "/function/" + name.String() + target
		t.functions.ServeHTTP(w, invocation)
	})
}

// server is a backend that is no function.
type server struct {
	url  *url.URL
	next http.Handler
}

// serverKey is the key of a server's URL in the context of a request for it.
type serverKey struct{}

// ServeHTTP passes a request on to the server.
func (s server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.next.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), serverKey{}, s.url)))
}

// newServers carries requests to the servers that their contexts name. Functions take
// the way of package proxy; here it is enough to be correct.
func newServers(logger hclog.Logger) http.Handler {
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.Proxy = nil
	transport.MaxIdleConnsPerHost = 64
	transport.DisableCompression = true
	return &httputil.ReverseProxy{
		Transport: transport,
		Rewrite: func(r *httputil.ProxyRequest) {
			r.SetURL(r.In.Context().Value(serverKey{}).(*url.URL))
			r.Out.Host = r.In.Host // as functions see it
			r.SetXForwarded()
		},
		ErrorLog: logger.StandardLogger(&hclog.StandardLoggerOptions{ForceLevel: hclog.Debug}),
		ErrorHandler: func(w http.ResponseWriter, r *http.Request, err error) {
			at := r.Context().Value(serverKey{})
			logger.Warn("server of a route did not answer", "url", at, "err", err)
			w.Header().Set("X-OpenFaaS-Internal", "routes")
			http.Error(w, fmt.Sprintf("%v, where a route sends this request, cannot be reached: the provider's log says more", at), http.StatusBadGateway)
		},
	}
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

// Routes lists all rules for the API: those in force in the order in which they are
// asked, then those kept aside.
func (t *routing) Routes() handlers.RouteList {
	report := t.loader.Report()
	list := handlers.RouteList{Routes: []handlers.Route{}, Sources: []handlers.RouteSource{}}
	for _, route := range report.Table.Routes() {
		list.Routes = append(list.Routes, shown(route.Rule, nil))
	}
	for _, problem := range report.Problems {
		list.Routes = append(list.Routes, shown(problem.Rule, problem.Err))
	}
	for _, s := range report.Sources {
		source := handlers.RouteSource{Name: s.Name, Rules: s.Rules, LoadedAt: s.LoadedAt}
		if s.Err != nil {
			source.Problem = s.Err.Error()
		}
		list.Sources = append(list.Sources, source)
	}
	return list
}

// shown is a rule as the API shows it.
func shown(rule routes.Rule, problem error) handlers.Route {
	route := handlers.Route{ID: rule.ID, Source: rule.Source, Rule: rule.Text}
	if rule.Err == nil {
		rule.ID = ""
		route.Rule = rule.String()
	}
	if problem != nil {
		route.Problem = problem.Error()
	}
	return route
}

// PutRoutes adds rules over the API, and waits until they are in force.
func (t *routing) PutRoutes(ctx context.Context, id, text string) ([]handlers.Route, error) {
	rules, err := t.book.PutText(id, text)
	if err != nil {
		return nil, err
	}
	t.logger.Info("routes put", "count", len(rules), "first", rules[0].ID)
	var put []handlers.Route
	err = t.settle(ctx, func(report routes.Report) bool {
		put = findRules(report, rules)
		return len(put) == len(rules)
	})
	return put, err
}

// findRules looks rules of the API up in a report.
func findRules(report routes.Report, rules []routes.Rule) []handlers.Route {
	states := statesOf(report)
	var found []handlers.Route
	for _, rule := range rules {
		if state, ok := states[rule.ID]; ok && state.Rule == shown(rule, nil).Rule {
			found = append(found, state)
		}
	}
	return found
}

// statesOf tells how the rules of the API are, by their names.
func statesOf(report routes.Report) map[string]handlers.Route {
	states := map[string]handlers.Route{}
	note := func(rule routes.Rule, problem error) {
		if rule.Source == apiSource {
			states[rule.ID] = shown(rule, problem)
		}
	}
	for _, route := range report.Table.Routes() {
		note(route.Rule, nil)
	}
	for _, problem := range report.Problems {
		note(problem.Rule, problem.Err)
	}
	return states
}

// DeleteRoute deletes a rule of the API, and waits until it is no longer in force.
func (t *routing) DeleteRoute(ctx context.Context, id string) error {
	if err := t.book.Delete(id); err != nil {
		return err
	}
	t.logger.Info("route deleted", "route", id)
	return t.settle(ctx, func(report routes.Report) bool {
		_, there := statesOf(report)[id]
		return !there
	})
}

// settle waits until a change that was made shows.
func (t *routing) settle(ctx context.Context, wanted func(routes.Report) bool) error {
	ctx, cancel := context.WithTimeout(ctx, settleTime)
	defer cancel()
	if err := t.loader.Await(ctx, wanted); err != nil {
		return function.Unavailable(err, "the change is kept, but is not in force yet: look at GET /system/routes")
	}
	return nil
}

// routedStore is the store, with a doorbell for the routes in annotations.
type routedStore struct {
	*store.Store
	changed func()
}

// Create deploys, and rings.
func (s routedStore) Create(f function.Function) (function.Function, error) {
	defer s.changed()
	return s.Store.Create(f)
}

// Replace deploys anew, and rings.
func (s routedStore) Replace(n function.Name, change func(function.Function) function.Function) (function.Function, error) {
	defer s.changed()
	return s.Store.Replace(n, change)
}

// Delete deletes, and rings.
func (s routedStore) Delete(n function.Name) error {
	defer s.changed()
	return s.Store.Delete(n)
}

// Adopt takes over what runs, and rings.
func (s routedStore) Adopt(functions []function.Function) error {
	defer s.changed()
	return s.Store.Adopt(functions)
}
