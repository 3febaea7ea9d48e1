package handlers

import (
	"net/http"
	"strings"

	"github.com/gorilla/mux"

	"faas-docker/grammar"
)

// Router serves what faas-provider's bootstrap does, by a router of our own: /system, the
// namespace routes included, stands behind the guard, and /function/ never passes through
// mux, which would clean its paths. All fields but MetricsGuarded are required.
type Router struct {
	// Invoke serves /function/, and GRPC the gRPC calls that no route wants.
	Invoke, GRPC http.Handler
	// Routes serves the requests that a route wants, and leaves the others to its argument.
	Routes func(http.Handler) http.Handler
	// Guard stands before the system API.
	Guard func(http.Handler) http.Handler
	// Metrics measures the system API, and shows the measurements.
	Metrics Metrics
	// MetricsGuarded has the metrics stand behind the guard, too.
	MetricsGuarded bool
	// Bounds keeps a system call from outliving its deadlines and the program.
	Bounds Bounds
}

// Metrics measures the system API, and shows the measurements.
type Metrics interface {
	Handler() http.Handler
	System(route string, next http.Handler) http.Handler
}

// Mount returns the handler of all requests to the program.
func (rt Router) Mount(api *API) http.Handler {
	m := mux.NewRouter().SkipClean(true)
	for _, resource := range api.resources() {
		route, _, _ := strings.Cut(resource.path, "/{")
		guarded := rt.Bounds.Around(rt.Guard(api.serve(resource.operations)))
		m.Handle(resource.path, rt.Metrics.System(route, guarded))
	}
	m.Handle("/healthz", api.adapt(api.health)).Methods(http.MethodGet, http.MethodHead)
	m.Handle("/metrics", rt.measurements()).Methods(http.MethodGet)
	m.HandleFunc("/", welcome).Methods(http.MethodGet)
	return rt.dispatch(m)
}

// dispatch gives invocations to the proxy, and the routes the other requests that they match.
func (rt Router) dispatch(others http.Handler) http.Handler {
	elsewhere := rt.Routes(either(grammar.IsGRPC, rt.GRPC, others))
	isInvocation := func(r *http.Request) bool { return strings.HasPrefix(r.URL.Path, "/function/") }
	return either(isInvocation, rt.Invoke, elsewhere)
}

func (rt Router) measurements() http.Handler {
	if rt.MetricsGuarded {
		return rt.Bounds.Around(rt.Guard(rt.Metrics.Handler()))
	}
	return rt.Bounds.Around(rt.Metrics.Handler())
}

// either gives the requests that are so to one handler, and the others to another.
func either(areSo func(*http.Request) bool, these, others http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if areSo(r) {
			these.ServeHTTP(w, r)
			return
		}
		others.ServeHTTP(w, r)
	})
}

func welcome(w http.ResponseWriter, _ *http.Request) {
	writeText(w, http.StatusOK, "faas-docker: functions are at /function/<name>, the OpenFaaS system API is at /system/\n")
}
