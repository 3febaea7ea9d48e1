package app

import (
	"context"
	"math"
	"net/http"
	"syscall"
	"time"

	"github.com/hashicorp/go-hclog"

	"faas-docker/engine"
	"faas-docker/fleet/scale"
	"faas-docker/front"
	"faas-docker/function"
	"faas-docker/handlers"
	"faas-docker/metrics"
	"faas-docker/proxy"
)

// idleTimeout is how long a connection is kept that no request comes on.
const idleTimeout = 2 * time.Minute

// newServer builds the way of a request: front, routes and their guard, the proxy or the system API.
func (a *App) newServer() error {
	guard, err := a.guard()
	if err != nil {
		return err
	}
	health := &handlers.Health{Engine: a.engine, Joined: a.networks.joined.Load}
	stopping, stop := context.WithCancel(context.Background())
	invoke := a.routes.Guard.Before(a.proxy)
	grpc := handlers.LocalGRPC{
		Next:             invoke,
		Named:            func(r *http.Request) function.Name { return proxy.GRPCFunction(r, a.config.functionNamespace) },
		Status:           a.fleet.Status,
		Closed:           a.routes.Guard.IsClosed,
		Healthy:          health.Check,
		DefaultNamespace: a.config.functionNamespace,
		Stopping:         stopping,
	}
	mounted := handlers.Router{
		Invoke:         invoke,
		GRPC:           grpc.Handler(),
		Routes:         a.routes.Before,
		Guard:          guard,
		Metrics:        a.metrics,
		MetricsGuarded: a.config.metricsAuth,
		Bounds:         handlers.Bounds{Read: a.config.readTimeout, Write: a.config.writeTimeout, Stopping: stopping},
	}.Mount(a.systemAPI(health))
	// HTTP/2 without TLS shares the port with HTTP/1.1. There is neither a read nor a
	// write timeout: both would cut streams; the proxy bounds its own waiting.
	protocols := new(http.Protocols)
	protocols.SetHTTP1(true)
	protocols.SetUnencryptedHTTP2(true)
	logger := a.logger.Named("http")
	a.server = &front.Server{HTTP: &http.Server{
		Protocols:         protocols,
		MaxHeaderBytes:    a.config.maxRequestHeader,
		Handler:           handlers.Rescued(mounted, logger),
		ReadHeaderTimeout: a.config.readTimeout,
		IdleTimeout:       idleTimeout,
		ErrorLog:          logger.StandardLogger(&hclog.StandardLoggerOptions{ForceLevel: hclog.Debug}),
	}, Lane: a.proxy, StallTimeout: a.config.stallTimeout, MaxConns: clientsFor(openFiles()), Crowded: a.crowded, Underscores: a.config.underscores}
	a.server.HTTP.RegisterOnShutdown(stop) // ends the system calls under way
	return nil
}

func (a *App) systemAPI(health *handlers.Health) *handlers.API {
	return &handlers.API{
		Fleet:            a.fleet,
		Secrets:          a.store,
		Namespaces:       a.store,
		Engine:           metered{a.engine, a.meter},
		Health:           health,
		Routes:           handlers.RouteTable{Loader: &a.routes.Loader, API: a.routes.API, Logger: a.logger.Named("routes")},
		Stack:            a.stackFile(),
		DefaultNamespace: a.config.functionNamespace,
		Version:          version(),
		Behind:           a.config.infoShape,
		Logger:           a.logger.Named("api"),
	}
}

// guard stands before the system API: no web page may enter, and of others those with credentials,
// or, where there are none, only this machine itself.
func (a *App) guard() (func(http.Handler) http.Handler, error) {
	inner := handlers.LocalGuard{AllowedHosts: a.config.allowedHosts, Peers: a.networks.peers}.Wrap
	if a.config.basicAuth {
		credentials, err := handlers.LoadBasicAuth(a.config.secretMountPath)
		if err != nil {
			return nil, err
		}
		inner = credentials.Wrap
	}
	outer := handlers.PageGuard{Origins: a.config.allowedOrigins}.Wrap
	return func(next http.Handler) http.Handler { return outer(inner(next)) }, nil
}

func (a *App) crowded(open int) {
	a.logger.Error("clients turned away: the limit of open files allows no more: raise it (ulimit -n)", "connected", open, "open_files", openFiles())
}

// usageTime bounds how long a scrape waits for measurements.
const usageTime = time.Second

func (a *App) newMetrics() *metrics.Metrics {
	return metrics.New(metrics.Sources{
		Statuses: func() []function.Status { return a.fleet.List("") },
		Scaling: func(f function.Function) (least int, target float64) {
			policy, err := scale.Parse(f.Spec)
			if err != nil || policy.Rule == scale.Off || policy.Rule == scale.Step {
				return policy.Min, 0
			}
			return policy.Min, policy.Target
		},
		Usages: func(names []function.Name) map[function.Name]function.Usage {
			ctx, cancel := context.WithTimeout(context.Background(), usageTime)
			defer cancel()
			return a.meter.Usages(ctx, names)
		},
	})
}

// forget drops the memory of a function that was deleted.
func (a *App) forget(name function.Name) {
	a.metrics.Forget(name)
	a.meter.Forget(name)
	a.proxy.Chains.Forget(name)
}

// metered is the engine as the API sees it: what functions consume is known already.
type metered struct {
	*engine.Engine
	meter *engine.Meter
}

// Usage answers at once when it was asked of late.
func (m metered) Usage(ctx context.Context, name function.Name) (function.Usage, error) {
	return m.meter.Usage(ctx, name)
}

// ownDescriptors are kept for the store, the engine, and clients that are turned away.
const ownDescriptors = 64

// openFiles is how many files the program may have open. The Go runtime has raised that to the most
// that the system allows.
func openFiles() uint64 {
	var limit syscall.Rlimit
	if syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit) != nil {
		return math.MaxInt32
	}
	return uint64(limit.Cur)
}

// clientsFor is how many clients may be connected with so many open files: each needs one for
// itself and, while it is served, one for the replica.
func clientsFor(files uint64) int {
	own := min(ownDescriptors, files/4)
	return int(max(1, min(files-own, math.MaxInt32)/2))
}
