// Package holders owns network namespaces that are kept ready. Each is held by a
// container that does nothing else; a replica that joins one starts in a third of the
// time, because the greater part of a start is the making of a namespace.
package holders

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"strings"
	"time"

	"github.com/containerd/errdefs"
	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/events"
	"github.com/docker/docker/api/types/filters"
	"github.com/docker/docker/client"
	"github.com/hashicorp/go-hclog"

	"faas-docker/function"
)

// ErrGone: the network namespace that a replica was to join is not there any more.
var ErrGone = errors.New("the holder is gone")

// errNoProgram: there is no holder's program for the engine's machine.
var errNoProgram = errors.New("no program for this architecture")

const (
	// holderMemory and holderPids bound a program that needs one page and one
	// thread. They are large enough for the container runtime, which counts as the
	// container until it has become it.
	holderMemory = 32 << 20
	holderPids   = 32
	// holderStopTimeout is how many seconds an engine that shuts down goes on with
	// a holder, which ignores SIGTERM: for so long the replica in its network
	// namespace can finish its calls.
	holderStopTimeout = 2

	createTimeout  = time.Minute
	discardTimeout = time.Minute
)

// Holder is a container that does nothing but own a network namespace on the
// function network. One replica joins the namespace, which saves it the greater
// part of its start; then the holder goes where the replica goes. It is never
// given to a second one, which would find what the first has left in it.
type Holder struct {
	// Name is the container's, chosen before the engine gives it an ID.
	Name    string
	ID      string
	Address netip.Addr
}

// IsZero reports whether it is no holder.
func (h Holder) IsZero() bool { return h == Holder{} }

// Engine is what holders need of the Docker engine beside its own calls.
type Engine struct {
	// Architecture returns the machine's, as Go names it.
	Architecture func(ctx context.Context) (string, error)
	// Events calls heard for each event that is selected, and subscribed once before that.
	Events func(ctx context.Context, selected filters.Args, subscribed func(), heard func(events.Message)) error
	// EnsureNetwork makes the function network where it is missing.
	EnsureNetwork func(ctx context.Context) error
	// Remove kills and removes a container; one that is gone is no error.
	Remove func(ctx context.Context, id string) error
	// Explain translates what the Docker client reports when an act fails.
	Explain func(act string, err error) error
	// LoadImage loads an archive as of docker save.
	LoadImage func(ctx context.Context, archive io.Reader) error
	// Log returns the level at which a failure is logged that is put right later by itself.
	Log func(err error) func(message string, args ...any)
}

// Keeper makes, hands out and removes the holders of one function network. Its methods
// may be called concurrently.
type Keeper struct {
	docker  *client.Client
	engine  Engine
	network string // also the label of our containers
	logger  hclog.Logger
	*pool
}

// New returns a Keeper of at most so many holders, which does nothing before Keep.
func New(docker *client.Client, engine Engine, network string, most int, logger hclog.Logger) *Keeper {
	return &Keeper{
		docker:  docker,
		engine:  engine,
		network: network,
		logger:  logger,
		pool:    newPool(most),
	}
}

// GiveBack says what becomes of a taken holder that no container was created for, because
// of err: it is as good as new, unless it is gone, which is an ErrGone.
func (k *Keeper) GiveBack(ctx context.Context, h Holder, err error) error {
	if !k.isAlive(ctx, h) || !k.pool.add(h) {
		return k.Discard(ctx, h, err)
	}
	return err
}

// Discard removes a taken holder that something may have run in before it failed with err.
// That the holder was gone is an ErrGone.
func (k *Keeper) Discard(ctx context.Context, h Holder, err error) error {
	alive := k.isAlive(ctx, h)
	k.remove(ctx, h)
	if alive {
		return err
	}
	return fmt.Errorf("%w: %w", ErrGone, err)
}

// isAlive reports whether a holder still holds its address. Where the engine does
// not say, it does.
func (k *Keeper) isAlive(ctx context.Context, h Holder) bool {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), discardTimeout)
	defer cancel()
	found, err := k.docker.ContainerInspect(ctx, h.ID)
	if err != nil {
		return !errdefs.IsNotFound(err)
	}
	return found.State.Running && AddressOn(k.network, found.NetworkSettings.Networks) == h.Address
}

// Add makes one more holder ready. It is not bound to ctx: the engine goes on creating
// for a client that has left, and the container would be forgotten.
func (k *Keeper) Add(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), createTimeout)
	defer cancel()
	ref, err := k.Image(ctx)
	if err != nil {
		return err
	}
	h := Holder{Name: k.network + ".holder." + strings.ToLower(rand.Text()[:12])}
	k.pool.expect(h)
	h, err = k.start(ctx, h, ref)
	if err != nil {
		k.remove(ctx, h)
		return err
	}
	if !k.pool.add(h) {
		k.remove(ctx, h)
	}
	return nil
}

func (k *Keeper) start(ctx context.Context, h Holder, image string) (Holder, error) {
	act := fmt.Sprintf("start holder %q", h.Name)
	config, hostConfig := holderConfig(image, k.network)
	if _, err := k.docker.ContainerCreate(ctx, config, hostConfig, nil, nil, h.Name); err != nil {
		return h, k.engine.Explain(act, err)
	}
	if err := k.docker.ContainerStart(ctx, h.Name, container.StartOptions{}); err != nil {
		return h, k.engine.Explain(act, err)
	}
	started, err := k.docker.ContainerInspect(ctx, h.Name)
	if err != nil {
		return h, k.engine.Explain(act, err)
	}
	h.ID = started.ID
	h.Address = AddressOn(k.network, started.NetworkSettings.Networks)
	if !started.State.Running || !h.Address.IsValid() {
		return h, fmt.Errorf("%s: it is %s, with the exit code %d and the address %v", act, started.State.Status, started.State.ExitCode, h.Address)
	}
	return h, nil
}

func holderConfig(image, network string) (*container.Config, *container.HostConfig) {
	pids, stopTimeout := int64(holderPids), holderStopTimeout
	config := &container.Config{
		Image:       image,
		Labels:      map[string]string{function.LabelProvider: network, function.LabelRole: function.RoleHolder},
		StopTimeout: &stopTimeout,
	}
	hostConfig := &container.HostConfig{
		NetworkMode:    container.NetworkMode(network),
		SecurityOpt:    []string{"no-new-privileges"},
		CapDrop:        []string{"ALL"},
		ReadonlyRootfs: true,
		Resources:      container.Resources{PidsLimit: &pids, Memory: holderMemory, MemorySwap: holderMemory},
		LogConfig:      container.LogConfig{Type: "none"},
		RestartPolicy:  container.RestartPolicy{Name: container.RestartPolicyDisabled},
	}
	return config, hostConfig
}

// Of returns the ID of the holder that a replica joined; empty when it has
// a network namespace of its own, or is not there.
func (k *Keeper) Of(ctx context.Context, replica string) (string, error) {
	if h, known := k.pool.joinedBy(replica); known {
		return h.ID, nil
	}
	found, err := k.docker.ContainerInspect(ctx, replica)
	if errdefs.IsNotFound(err) {
		return "", nil
	}
	if err != nil {
		return "", k.engine.Explain(fmt.Sprintf("inspect replica %q", replica), err)
	}
	labels := found.Config.Labels
	if labels[function.LabelProvider] != k.network || labels[function.LabelRole] != function.RoleFunction {
		return "", nil
	}
	return labels[function.LabelHolder], nil
}

// Leave removes the holder of a replica that has gone. One that cannot be removed is left
// to Keep.
func (k *Keeper) Leave(ctx context.Context, id string) {
	if !k.pool.leave(id) {
		return
	}
	err := k.engine.Remove(ctx, id)
	k.pool.left(id, err == nil)
	if err != nil {
		k.engine.Log(err)("holder not removed", "holder", id, "err", err)
	}
}

// remove removes a holder that no replica runs in, even after ctx ended.
func (k *Keeper) remove(ctx context.Context, h Holder) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), discardTimeout)
	defer cancel()
	if err := k.engine.Remove(ctx, h.Name); err != nil {
		k.engine.Log(err)("holder not removed", "holder", h.Name, "err", err)
	}
	k.pool.release(h)
}
