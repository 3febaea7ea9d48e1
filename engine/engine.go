// Package engine speaks Docker: it turns specs into containers and containers
// into replicas. What Docker answers leaves it in the words of package function.
package engine

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/docker/docker/api/types/versions"
	"github.com/docker/docker/client"
	"github.com/hashicorp/go-hclog"
	"golang.org/x/sync/semaphore"

	"faas-docker/engine/holders"
	"faas-docker/function"
)

// oldestAPI is that of Docker 20.10. It is the first with one-shot statistics.
const oldestAPI = "1.41"

// Config is what an Engine needs to know.
type Config struct {
	// Network is the user-defined bridge that functions live on. It is also the
	// value of the label com.openfaas.provider, which says whose containers these
	// are: two installations on one engine have two networks.
	Network string
	// DockerConfigDir is where config.json with the credentials of registries is
	// read, anew for each pull. Empty means the user's own: DOCKER_CONFIG, or
	// ~/.docker.
	DockerConfigDir string
	// PullPolicy counts for functions that name none.
	PullPolicy function.PullPolicy
	// AskTimeout bounds a question to a registry. Zero means 5 s.
	AskTimeout time.Duration
	// Holders is how many network namespaces KeepHolders keeps ready at most, so
	// that starting a replica need not set one up. Zero keeps none.
	Holders int
	// Logger receives what no caller can be told. Nil discards.
	Logger hclog.Logger
}

// Engine is one Docker engine, seen as the home of one provider's functions. Each of its
// parts can be used by itself. All methods may be called concurrently. Errors meant for
// the caller's eyes are function.Failure; what does not exist is a function.ErrNotFound,
// and an engine that does not answer a function.ErrUnavailable.
type Engine struct {
	*daemon
	*Machine
	*Networks
	*Images
	*Secrets
	*Containers
	*Lifecycle
	*LogReader
	*Stats
	*Limits
	// Holders keeps network namespaces ready.
	Holders *holders.Keeper

	end context.CancelFunc
}

// New prepares a client for the engine that DOCKER_HOST and its relatives name.
// It does no I/O: that an engine is down shows at the first call.
func New(cfg Config) (*Engine, error) {
	docker, err := client.NewClientWithOpts(client.FromEnv, client.WithAPIVersionNegotiation())
	if err != nil {
		return nil, fmt.Errorf("configure the Docker client: %w", err)
	}
	return newEngine(cfg, docker), nil
}

func newEngine(cfg Config, docker *client.Client) *Engine {
	d := &daemon{docker: docker, network: cfg.Network, logger: cmp.Or(cfg.Logger, hclog.NewNullLogger())}
	lifetime, end := context.WithCancel(context.Background())
	e := &Engine{
		daemon:   d,
		Machine:  &Machine{daemon: d},
		Networks: &Networks{daemon: d, turn: semaphore.NewWeighted(1)},
		Images: &Images{
			daemon:     d,
			configDir:  cfg.DockerConfigDir,
			pullPolicy: cmp.Or(cfg.PullPolicy, function.PullIfNewer),
			registries: &registries{timeout: cmp.Or(cfg.AskTimeout, 5*time.Second)},
			lifetime:   lifetime,
		},
		Secrets:    &Secrets{daemon: d, turn: semaphore.NewWeighted(1)},
		Containers: &Containers{d},
		Limits:     &Limits{d},
		end:        end,
	}
	e.Holders = holders.New(docker, holders.Engine{
		Architecture: e.Machine.architecture, Events: d.events, EnsureNetwork: e.Networks.ensure,
		Remove: d.remove, Explain: d.explain, LoadImage: e.Images.load, Log: d.log,
	}, cfg.Network, cfg.Holders, d.logger)
	e.Secrets.image = e.Holders.Image
	e.Lifecycle = &Lifecycle{daemon: d, machine: e.Machine, networks: e.Networks, secrets: e.Secrets, holders: e.Holders}
	e.LogReader = &LogReader{daemon: d, containers: e.Containers}
	e.Stats = &Stats{daemon: d, containers: e.Containers}
	return e
}

// Close ends pulls that are under way and closes idle connections. Containers
// keep running.
func (e *Engine) Close() error {
	e.end()
	return e.docker.Close()
}

// Prepare makes the engine ready for functions: the network exists, this process
// is on it when it runs in a container itself, and no helper container of an earlier
// run is left. It may be called again at any time.
func (e *Engine) Prepare(ctx context.Context) error {
	if err := e.Networks.ensure(ctx); err != nil {
		return err
	}
	return e.Secrets.sweep(ctx)
}

// KeepHolders keeps network namespaces ready, and sweeps what a killed provider may have
// left, until ctx ends. It is to be called once, after Prepare; without it each replica
// has a namespace of its own.
func (e *Engine) KeepHolders(ctx context.Context) {
	var parts sync.WaitGroup
	parts.Go(func() { e.Secrets.sweepOften(ctx) })
	e.Holders.Keep(ctx)
	parts.Wait()
}

// Ping reports, as an ErrUnavailable that says what to do, an engine that cannot
// be used: it is not running, not reachable, not ours to use, or too old.
func (e *Engine) Ping(ctx context.Context) error {
	answer, err := e.docker.Ping(ctx)
	if err != nil {
		return e.explain("ping", err)
	}
	if answer.APIVersion != "" && versions.LessThan(answer.APIVersion, oldestAPI) {
		return function.Unavailable(errors.New("engine too old"),
			"the Docker engine at %s speaks API %s: at least %s is needed, which is Docker 20.10", e.docker.DaemonHost(), answer.APIVersion, oldestAPI)
	}
	return nil
}
