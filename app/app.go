// Package app builds the program from its parts and runs it. Only it may import all others.
package app

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"path/filepath"
	"time"

	"github.com/hashicorp/go-hclog"
	_ "golang.org/x/crypto/x509roots/fallback" // certificates where the system has none, as in our image

	"faas-docker/engine"
	"faas-docker/fleet"
	"faas-docker/front"
	"faas-docker/function"
	"faas-docker/handlers"
	"faas-docker/metrics"
	"faas-docker/policy"
	"faas-docker/proxy"
	"faas-docker/proxy/upstream"
	"faas-docker/resolver"
	"faas-docker/routes"
	"faas-docker/routes/filters"
	"faas-docker/routes/servers"
	"faas-docker/stack"
	"faas-docker/store"
)

const (
	// resync is how often everything is listed though no event asked for it.
	resync = 30 * time.Second
	// stopTimeout bounds the end of the program: invocations that take longer are cut.
	stopTimeout = 30 * time.Second
)

// App is the whole program, built from its parts. Make it with Open.
type App struct {
	config   Config
	logger   hclog.Logger
	listener net.Listener
	store    *store.Store
	engine   *engine.Engine
	meter    *engine.Meter
	resolver *resolver.Resolver
	fleet    *fleet.Fleet
	proxy    *proxy.Handler
	routes   *routes.Mount
	metrics  *metrics.Metrics
	stack    *stack.Keeper // nil without a stack file
	networks *networks
	server   *front.Server
	lifetime lifetime
}

// serve is the command "serve": it runs the program until ctx ends, and logs to stderr.
func serve(ctx context.Context, c Config, stderr io.Writer) error {
	c.tuneRuntime()
	a, err := Open(c, c.Logger(stderr))
	if err != nil {
		return err
	}
	return a.Run(ctx)
}

// Open builds the program and claims what only one can have, the port first. Nothing runs yet.
func Open(c Config, logger hclog.Logger) (*App, error) {
	listener, err := net.Listen("tcp", c.address())
	if err != nil {
		return nil, fmt.Errorf("listen on %s: %w: choose another with the variables host and port", c.address(), err)
	}
	a := &App{config: c, logger: logger, listener: listener, resolver: resolver.New()}
	a.lifetime.onEnd(func() { _ = listener.Close() })
	if err := a.build(); err != nil {
		a.lifetime.end()
		return nil, err
	}
	return a, nil
}

// build makes the parts, each of those before it, and connects them.
func (a *App) build() error {
	for _, part := range []func() error{a.openStore, a.openEngine, a.mountRoutes} {
		if err := part(); err != nil {
			return err
		}
	}
	a.fleet = fleet.New(fleet.Config{
		Store:        a.store,
		Engine:       a.engine,
		Resolver:     a.resolver,
		Logger:       a.logger.Named("fleet"),
		StartTimeout: a.config.startTimeout,
		DrainTimeout: a.config.drainTimeout,
	})
	a.stack = a.newStack()
	a.metrics = a.newMetrics()
	a.metrics.Resume(a.store.Calls())
	a.proxy = a.newProxy()
	a.connect()
	return a.newServer()
}

// connect sets every hook by which one part tells another. Nothing else does.
func (a *App) connect() {
	a.store.FunctionsChanged = a.routes.FunctionsChanged
	if a.stack != nil {
		a.store.Created = a.stack.Ring
	}

	a.resolver.Changed, a.resolver.Back = a.fleet.Ring, a.fleet.Forgive
	a.resolver.CloseIdle, a.resolver.Severed, a.resolver.ThawFailed = a.proxy.Drop, a.proxy.Sever, a.proxy.Abandon

	a.fleet.Rested = a.engine.Holders.AtZero
	a.fleet.Judge = a.routes.Judge
	a.fleet.Calls = a.metrics.Calls
	a.fleet.Deleted = a.forget

	a.proxy.Policy = a.resolver.Policy
	a.proxy.Guarded = a.routes.Guard.Guards
	a.proxy.Awaited = a.fleet.Awaited
	a.proxy.Observer = a.metrics

	a.routes.Functions, a.routes.Previous = a.proxy, a.proxy.Previous()
}

func (a *App) openStore() (err error) {
	a.store, err = store.Open(filepath.Join(a.config.dataDir, "faas-docker.db"), a.config.functionNamespace)
	if err != nil {
		return err
	}
	a.lifetime.onEnd(func() {
		if err := a.store.Close(); err != nil {
			a.logger.Error("store not closed", "err", err)
		}
	})
	return nil
}

// openEngine connects to the engine and claims the functions of the network.
func (a *App) openEngine() (err error) {
	a.engine, err = engine.New(engine.Config{
		Network:         a.config.functionNetwork,
		DockerConfigDir: a.config.dockerConfig,
		PullPolicy:      a.config.pullPolicy,
		Holders:         a.config.netnsPool,
		Logger:          a.logger.Named("engine"),
	})
	if err != nil {
		return err
	}
	a.lifetime.onEnd(func() { a.engine.Close() })
	claim, err := a.engine.Claim()
	if err != nil {
		return err
	}
	a.lifetime.onEnd(func() { _ = claim.Close() })
	a.meter = engine.NewMeter(a.engine.Stats)
	return nil
}

func (a *App) mountRoutes() (err error) {
	interfaces := &handlers.Interfaces{}
	a.networks = &networks{engine: a.engine.Networks, logger: a.logger, peers: &handlers.Peers{
		Interfaces: interfaces.List,
		Allowed:    handlers.NewClientList(a.config.allowedClients).Has,
	}}
	own := servers.OwnAddress{Listener: a.listener.Addr().(*net.TCPAddr).AddrPort(), Interfaces: interfaces.Addresses}
	logger := a.logger.Named("routes")
	options := a.config.routeOptions(filters.Options{Logger: logger, Invoke: func(n function.Name) http.Handler { return a.routes.Invoke(n) }})
	options.RefuseURL = own.Refuse
	a.routes, err = routes.NewMount(routes.MountConfig{
		Options: options,
		Store:   a.store,
		File:    a.config.routesFile,
		Specs:   a.specs,
		Callers: a.networks.peers,
		Servers: servers.New(a.config.trustedProxies, own, a.config.upstreamTimeout, logger),
		Logger:  logger,
	})
	return err
}

func (a *App) newProxy() *proxy.Handler {
	return &proxy.Handler{
		Resolver: a.resolver,
		Timeouts: proxy.Timeouts{
			Timeout:      a.config.upstreamTimeout,
			WakeTimeout:  a.config.wakeTimeout,
			StallTimeout: a.config.stallTimeout,
		},
		Limits: proxy.Limits{
			MaxRequestBody:    a.config.maxRequestBody,
			SpoolDir:          a.config.dataDir,
			MaxSpool:          a.config.maxSpool,
			MaxIdlePerReplica: a.config.maxIdleConnsPerHost,
			MaxIdle:           a.config.maxIdleConns,
		},
		Rules: proxy.Rules{
			DefaultNamespace: a.config.functionNamespace,
			TrustedProxies:   a.config.trustedProxies,
			Chains:           &policy.Chains{Logger: a.logger.Named("policy")},
			HasEnded:         upstream.HasEnded,
		},
		Logs: proxy.Logs{Logger: a.logger.Named("proxy")},
	}
}

// Address is where the program listens.
func (a *App) Address() net.Addr { return a.listener.Addr() }

// Ready is closed when the engine has answered and its replicas are known.
func (a *App) Ready() <-chan struct{} { return a.fleet.Ready() }

// Run serves until ctx ends, then stops in the reverse order of the start. Containers keep running.
func (a *App) Run(ctx context.Context) error {
	defer a.logger.Info("stopped; functions keep running")
	defer a.lifetime.end()
	for _, run := range []func(context.Context){
		func(ctx context.Context) {
			a.resolver.Watch(ctx, a.engine.Containers, resync, a.logger.Named("resolver"))
		},
		a.fleet.Run,
		a.whenReady(a.engine.KeepHolders),
		a.networks.follow,
		a.routes.Run,
		a.keepCalls,
		a.whenReady(a.deployStack),
	} {
		a.lifetime.start(run)
	}
	_ = a.routes.Loader.Await(ctx, routes.Report.IsLoaded) // or until ctx ends
	served := make(chan error, 1)
	go func() { served <- a.server.Serve(a.listener) }()
	a.logger.Info("serving", "address", a.listener.Addr().String(), "network", a.config.functionNetwork, "data_dir", a.config.dataDir)
	select {
	case err := <-served:
		return err
	case <-ctx.Done():
		return a.stopServing()
	}
}

// whenReady is a part that waits for the engine.
func (a *App) whenReady(run func(context.Context)) func(context.Context) {
	return func(ctx context.Context) {
		select {
		case <-a.fleet.Ready():
			run(ctx)
		case <-ctx.Done():
		}
	}
}

func (a *App) deployStack(ctx context.Context) {
	if a.stack != nil {
		a.stack.Run(ctx)
	}
}

// stopServing lets the invocations under way end, and cuts those that take too long.
func (a *App) stopServing() error {
	a.logger.Info("stopping", "at_most", stopTimeout)
	ctx, cancel := context.WithTimeout(context.Background(), stopTimeout)
	defer cancel()
	err := errors.Join(a.server.Shutdown(ctx), a.proxy.Shutdown(ctx))
	if errors.Is(err, context.DeadlineExceeded) {
		a.logger.Warn("invocations cut off at shutdown", "waited", stopTimeout)
		return a.server.Close()
	}
	return err
}
