// Package engine speaks Docker: it turns specs into containers and containers
// into replicas. What Docker answers leaves it in the words of package function.
package engine

import (
	"context"
	"errors"
	"fmt"

	"github.com/docker/docker/api/types/versions"
	"github.com/docker/docker/client"
	"github.com/hashicorp/go-hclog"
	"golang.org/x/sync/singleflight"

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
	// Holders is how many network namespaces KeepHolders keeps ready at most, so
	// that starting a replica need not set one up. Zero keeps none.
	Holders int
	// Logger receives what no caller can be told. Nil discards.
	Logger hclog.Logger
}

// Engine is one Docker engine, seen as the home of one provider's functions. All
// methods may be called concurrently. Errors meant for the caller's eyes are
// function.Failure; what does not exist is a function.ErrNotFound, and an engine
// that does not answer a function.ErrUnavailable.
type Engine struct {
	docker    *client.Client
	network   string
	configDir string
	logger    hclog.Logger

	// pulls joins callers that want the same image. A pull belongs to the Engine,
	// not to whoever asked first, and ends with lifetime at the latest.
	pulls    singleflight.Group
	lifetime context.Context
	end      context.CancelFunc

	// secretsTurn is whose turn it is to write secrets: two writers of one volume
	// would share its staging files.
	secretsTurn turn
	// networkTurn is whose turn it is to look for the network: two that both miss
	// it would make two of one name.
	networkTurn turn

	machine machineCache
	cpu     cpuSamples
	holders *holderPool
}

// New prepares a client for the engine that DOCKER_HOST and its relatives name.
// It does no I/O: that an engine is down shows at the first call.
func New(cfg Config) (*Engine, error) {
	docker, err := client.NewClientWithOpts(client.FromEnv, client.WithAPIVersionNegotiation())
	if err != nil {
		return nil, fmt.Errorf("configure the Docker client: %w", err)
	}
	logger := cfg.Logger
	if logger == nil {
		logger = hclog.NewNullLogger()
	}
	e := &Engine{
		docker:      docker,
		network:     cfg.Network,
		configDir:   cfg.DockerConfigDir,
		logger:      logger,
		secretsTurn: make(turn, 1),
		networkTurn: make(turn, 1),
		holders:     newHolderPool(cfg.Holders),
	}
	e.lifetime, e.end = context.WithCancel(context.Background())
	return e, nil
}

// Close ends pulls that are under way and closes idle connections. Containers
// keep running.
func (e *Engine) Close() error {
	e.end()
	return e.docker.Close()
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

// turn is a lock that one may stop waiting for: it holds a token while somebody
// has it.
type turn chan struct{}

func (t turn) take(ctx context.Context) error {
	select {
	case t <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (t turn) give() { <-t }
