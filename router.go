package main

import (
	"context"
	"io"
	"net/http"
	"strings"
	"time"

	"faas-docker/handlers"
	"faas-docker/metrics"
	"faas-docker/proxy"
	"github.com/gorilla/mux"
)

// router mounts the routes of faas-provider's bootstrap on a router of our own:
// /system, the namespace routes included, stands behind the guard, and /function/
// never passes through mux, which would clean its paths.
type router struct {
	invoke http.Handler
	// grpc serves the gRPC calls that no route wants.
	grpc    http.Handler
	routing *routing
	guard   func(http.Handler) http.Handler
	metrics *metrics.Metrics
	// bounds keeps a system call from outliving its deadlines and the program.
	bounds func(http.Handler) http.Handler
}

// namePattern is faas-provider's pattern of a function name in a route.
const namePattern = "[-a-zA-Z_0-9.]+"

func (rt router) mount(api *handlers.API) http.Handler {
	h, m := api.Handlers(), mux.NewRouter().SkipClean(true)
	rt.system(m, "/system/functions", methods{
		http.MethodGet: h.FunctionLister, http.MethodPost: h.DeployFunction,
		http.MethodPut: h.UpdateFunction, http.MethodDelete: h.DeleteFunction,
	})
	rt.system(m, "/system/function/{name:"+namePattern+"}", methods{http.MethodGet: h.FunctionStatus})
	rt.system(m, "/system/scale-function/{name:"+namePattern+"}", methods{http.MethodPost: h.ScaleFunction})
	rt.system(m, "/system/rollback/{name:"+namePattern+"}", methods{http.MethodPost: api.Rollback()})
	rt.system(m, "/system/info", methods{http.MethodGet: h.Info})
	rt.system(m, "/system/secrets", methods{
		http.MethodGet: h.Secrets, http.MethodPost: h.Secrets,
		http.MethodPut: h.Secrets, http.MethodDelete: h.Secrets,
	})
	rt.system(m, "/system/logs", methods{http.MethodGet: h.Logs})
	rt.system(m, "/system/namespaces", methods{http.MethodGet: h.ListNamespaces})
	rt.system(m, "/system/namespace/{name:[-a-zA-Z_0-9.]*}", methods{
		http.MethodGet: h.MutateNamespace, http.MethodPost: h.MutateNamespace,
		http.MethodPut: h.MutateNamespace, http.MethodDelete: h.MutateNamespace,
	})
	rt.system(m, "/system/alert", methods{http.MethodPost: api.Alert()})
	rt.system(m, "/system/routes", methods{http.MethodGet: api.RouteTable(), http.MethodPut: api.RouteTable()})
	rt.system(m, "/system/routes/{name:"+namePattern+"}", methods{
		http.MethodGet: api.RouteTable(), http.MethodPut: api.RouteTable(), http.MethodDelete: api.RouteTable(),
	})
	m.Handle("/healthz", h.Health).Methods(http.MethodGet, http.MethodHead)
	m.Handle("/metrics", rt.metrics.Handler()).Methods(http.MethodGet)
	m.HandleFunc("/", welcome).Methods(http.MethodGet)
	return rt.dispatch(m)
}

// dispatch gives invocations to the proxy, and of the rest the routes what they want.
func (rt router) dispatch(others http.Handler) http.Handler {
	elsewhere := rt.routing.before(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if proxy.IsGRPC(r) {
			rt.grpc.ServeHTTP(w, r)
			return
		}
		others.ServeHTTP(w, r)
	}))
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasPrefix(r.URL.Path, "/function/") {
			rt.invoke.ServeHTTP(w, r)
			return
		}
		elsewhere.ServeHTTP(w, r)
	})
}

type methods map[string]http.HandlerFunc

func (rt router) system(m *mux.Router, path string, byMethod methods) {
	route, _, _ := strings.Cut(path, "/{")
	for method, handler := range byMethod {
		guarded := rt.bounds(rt.guard(handler))
		m.Handle(path, rt.metrics.System(route, guarded)).Methods(method)
	}
}

// bounds keeps a slow or silent client from holding a system call, and a call that
// follows logs from holding the program when it stops. The deadlines of a
// connection outlive what they are for, so they are lifted: the server takes one
// that passes while it waits for the client to leave as the client's leaving.
func (p *provider) bounds(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		control, now := http.NewResponseController(w), time.Now()
		if r.ContentLength != 0 {
			_ = control.SetReadDeadline(now.Add(p.config.readTimeout))
			r.Body = &timedBody{ReadCloser: r.Body, lift: func() { _ = control.SetReadDeadline(time.Time{}) }}
		}
		_ = control.SetWriteDeadline(now.Add(p.config.writeTimeout))
		defer func() { _ = control.SetWriteDeadline(time.Time{}) }()
		ctx, cancel := context.WithCancel(r.Context())
		defer cancel()
		defer context.AfterFunc(p.stopping, cancel)()
		next.ServeHTTP(w, r.WithContext(ctx))
	})
}

// timedBody lifts the read deadline when the body has been read, or cannot be.
type timedBody struct {
	io.ReadCloser
	lift func()
}

func (b *timedBody) Read(into []byte) (int, error) {
	n, err := b.ReadCloser.Read(into)
	if err != nil {
		b.lift()
	}
	return n, err
}

func welcome(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	_, _ = w.Write([]byte("faas-docker: functions are at /function/<name>, the OpenFaaS system API is at /system/\n"))
}
