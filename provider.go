package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hashicorp/go-hclog"

	"faas-docker/engine"
	"faas-docker/fleet"
	"faas-docker/front"
	"faas-docker/function"
	"faas-docker/handlers"
	"faas-docker/metrics"
	"faas-docker/policy"
	"faas-docker/proxy"
	"faas-docker/resolver"
	"faas-docker/store"
)

const (
	// resync is how often everything is listed though no event asked for it.
	resync = 30 * time.Second
	// stopTimeout bounds the end of the program: invocations that take longer are cut.
	stopTimeout = 30 * time.Second
)

// provider is the whole program, built from its parts.
type provider struct {
	config   config
	logger   hclog.Logger
	listener net.Listener
	store    *store.Store
	engine   *engine.Engine
	claim    io.Closer // on the functions of the network
	resolver *resolver.Resolver
	fleet    *fleet.Fleet
	proxy    *proxy.Handler
	routing  *routing
	policies *policy.Chains
	metrics  *metrics.Metrics
	server   *front.Server
	// subnet is the function network as far as it is known.
	subnet atomic.Pointer[subnet]
	// stopping ends when the program stops to serve; stop ends it.
	stopping context.Context
	stop     context.CancelFunc
}

type subnet struct {
	prefixes []netip.Prefix
	gateways []netip.Addr
}

// open builds the provider and claims what only one can have: the port first,
// then the store. Nothing runs yet.
func open(cfg config, logger hclog.Logger) (*provider, error) {
	p := &provider{config: cfg, logger: logger, resolver: resolver.New()}
	p.stopping, p.stop = context.WithCancel(context.Background())
	listener, err := net.Listen("tcp", cfg.address())
	if err != nil {
		return nil, fmt.Errorf("listen on %s: %w: choose another with the variables host and port", cfg.address(), err)
	}
	p.listener = listener
	if err := p.build(); err != nil {
		p.close()
		return nil, err
	}
	return p, nil
}

func (p *provider) build() error {
	var err error
	p.store, err = store.Open(filepath.Join(p.config.dataDir, "faas-docker.db"), p.config.functionNamespace)
	if err != nil {
		return err
	}
	if p.routing, err = p.newRouting(); err != nil {
		return err
	}
	p.engine, err = engine.New(engine.Config{
		Network:         p.config.functionNetwork,
		DockerConfigDir: p.config.dockerConfig,
		Holders:         p.config.netnsPool,
		Logger:          p.logger.Named("engine"),
	})
	if err != nil {
		return err
	}
	if p.claim, err = p.engine.Claim(); err != nil {
		return err
	}
	p.fleet = fleet.New(fleet.Config{
		Store:        p.store,
		Engine:       policedEngine{p.engine, p.config.pullPolicy},
		Resolver:     p.resolver,
		Logger:       p.logger.Named("fleet"),
		StartTimeout: p.config.startTimeout,
		DrainTimeout: p.config.drainTimeout,
		Rested:       p.engine.Rest,
		Judge:        p.routing.judge,
		Deleted:      p.forget,
	})
	p.policies = &policy.Chains{Logger: p.logger.Named("policy")}
	p.metrics = metrics.New(func() []function.Status { return p.fleet.List("") })
	p.proxy = &proxy.Handler{
		Resolver:          p.resolver,
		DefaultNamespace:  p.config.functionNamespace,
		Timeout:           p.config.upstreamTimeout,
		WakeTimeout:       p.config.wakeTimeout,
		StallTimeout:      p.config.stallTimeout,
		MaxRequestBody:    p.config.maxRequestBody,
		TrustedProxies:    p.config.trustedProxies,
		Policy:            p.resolver.Policy,
		Chains:            p.policies,
		SpoolDir:          p.config.dataDir,
		MaxIdlePerReplica: p.config.maxIdleConnsPerHost,
		MaxIdle:           p.config.maxIdleConns,
		Observer:          p.metrics,
		Logger:            p.logger.Named("proxy"),
	}
	p.resolver.Gone = p.proxy.Drop
	p.resolver.Died = p.proxy.Sever
	p.resolver.Lost = p.proxy.Abandon
	p.routing.functions, p.routing.previous = p.proxy, p.proxy.Previous()
	return p.buildServer()
}

// forget drops what is remembered of a function that was deleted.
func (p *provider) forget(name function.Name) {
	p.metrics.Forget(name)
	p.policies.Forget(name)
}

func (p *provider) buildServer() error {
	guard, err := p.guard()
	if err != nil {
		return err
	}
	api := &handlers.API{
		Fleet:            p.fleet,
		Secrets:          p.store,
		Namespaces:       p.store,
		Engine:           p.engine,
		Routes:           p.routing,
		DefaultNamespace: p.config.functionNamespace,
		Version:          version(),
		Behind:           p.config.infoShape,
		Logger:           p.logger.Named("api"),
	}
	// HTTP/2 without TLS shares the port with HTTP/1.1. There is neither a read nor a
	// write timeout: both would cut streams; the proxy bounds what it waits for.
	protocols := new(http.Protocols)
	protocols.SetHTTP1(true)
	protocols.SetUnencryptedHTTP2(true)
	logger := p.logger.Named("http")
	mounted := router{invoke: p.proxy, grpc: p.localGRPC(p.proxy), routing: p.routing, guard: guard, metrics: p.metrics, bounds: p.bounds}.mount(api)
	p.server = &front.Server{HTTP: &http.Server{
		Protocols:         protocols,
		MaxHeaderBytes:    p.config.maxRequestHeader,
		Handler:           rescued(mounted, logger),
		ReadHeaderTimeout: p.config.readTimeout,
		IdleTimeout:       2 * time.Minute,
		ErrorLog:          logger.StandardLogger(&hclog.StandardLoggerOptions{ForceLevel: hclog.Debug}),
	}, StallTimeout: p.config.stallTimeout}
	return nil
}

// guard is who stands before the system API: credentials, or, without them, the
// rule that only this machine itself may enter.
func (p *provider) guard() (func(http.Handler) http.Handler, error) {
	if p.config.basicAuth {
		credentials, err := handlers.LoadBasicAuth(p.config.secretMountPath)
		return credentials.Wrap, err
	}
	return handlers.LocalGuard{AllowedHosts: p.config.allowedHosts, Peers: p.peers}.Wrap, nil
}

func (p *provider) peers() ([]netip.Prefix, []netip.Addr) {
	known := p.subnet.Load()
	if known == nil {
		return nil, nil
	}
	return known.prefixes, known.gateways
}

// run serves until ctx ends, then stops in the reverse order of the start.
// Containers keep running.
func (p *provider) run(ctx context.Context) error {
	defer p.close()
	background, stopBackground := context.WithCancel(context.Background())
	defer stopBackground()
	var parts sync.WaitGroup
	parts.Go(func() { p.resolver.Watch(background, p.engine, resync, p.logger.Named("resolver")) })
	parts.Go(func() { p.fleet.Run(background) })
	parts.Go(func() { p.settleIn(background) })
	parts.Go(func() { p.keepHolders(background) })
	parts.Go(func() { p.routing.run(background) })
	select {
	case <-p.routing.loader.FirstLoad():
	case <-ctx.Done():
	}

	served := make(chan error, 1)
	go func() { served <- p.server.Serve(p.listener) }()
	p.logger.Info("serving", "address", p.listener.Addr().String(), "network", p.config.functionNetwork, "data_dir", p.config.dataDir)

	var err error
	select {
	case err = <-served:
	case <-ctx.Done():
		err = p.stopServing()
	}
	stopBackground()
	parts.Wait()
	p.logger.Info("stopped; functions keep running")
	return err
}

// stopServing lets the invocations under way end, and cuts those that take too long.
func (p *provider) stopServing() error {
	p.logger.Info("stopping", "at_most", stopTimeout)
	p.stop()
	ctx, cancel := context.WithTimeout(context.Background(), stopTimeout)
	defer cancel()
	err := errors.Join(p.server.Shutdown(ctx), p.proxy.Shutdown(ctx))
	if errors.Is(err, context.DeadlineExceeded) {
		p.logger.Warn("invocations cut", "waited", stopTimeout)
		return p.server.Close()
	}
	return err
}

// settleIn does what needs the engine, once it answers: it learns the function
// network and deploys the stack file.
func (p *provider) settleIn(ctx context.Context) {
	select {
	case <-p.fleet.Ready():
	case <-ctx.Done():
		return
	}
	p.learnSubnet(ctx)
	if p.config.stackFile != "" {
		p.deployStack(ctx)
	}
}

// learnSubnet finds out which addresses are functions', and does not give up: as
// long as that is not known the guard cannot keep them from the system API.
func (p *provider) learnSubnet(ctx context.Context) {
	for ctx.Err() == nil {
		prefixes, gateways, err := p.engine.Subnet(ctx)
		if err == nil {
			p.subnet.Store(&subnet{prefixes, gateways})
			return
		}
		p.logger.Error("function network not read", "err", err, "retry_in", time.Second)
		select {
		case <-ctx.Done():
		case <-time.After(time.Second):
		}
	}
}

// keepHolders keeps network namespaces ready, once the engine answers.
func (p *provider) keepHolders(ctx context.Context) {
	select {
	case <-p.fleet.Ready():
		p.engine.KeepHolders(ctx)
	case <-ctx.Done():
	}
}

func (p *provider) deployStack(ctx context.Context) {
	specs, err := readStack(p.config.stackFile, p.config.functionNamespace)
	if err != nil {
		p.logger.Error("stack file not deployed", "err", err)
		return
	}
	for _, spec := range specs {
		if err := p.fleet.Ensure(ctx, spec); err != nil {
			p.logger.Error("function of the stack file not deployed", "function", spec.ID(), "err", err)
		}
	}
}

// close gives back what open claimed.
func (p *provider) close() {
	p.listener.Close()
	if p.claim != nil {
		_ = p.claim.Close()
	}
	if p.engine != nil {
		p.engine.Close()
	}
	if p.store != nil {
		if err := p.store.Close(); err != nil {
			p.logger.Error("store not closed", "err", err)
		}
	}
}

// policedEngine is the engine with the configured pull policy.
type policedEngine struct {
	*engine.Engine
	policy engine.PullPolicy
}

// Image resolves a reference by the configured policy.
func (e policedEngine) Image(ctx context.Context, reference string) (string, error) {
	return e.Engine.Image(ctx, reference, e.policy)
}
