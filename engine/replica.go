package engine

import (
	"context"
	"errors"
	"fmt"
	"math"
	"strings"
	"time"

	"github.com/containerd/errdefs"
	"github.com/docker/docker/api/types/container"

	"faas-docker/engine/holders"
	"faas-docker/function"
)

// errNetworkGone: the network was removed under the provider.
var errNetworkGone = errors.New("the function network is gone")

// Lifecycle starts, freezes and ends replicas.
type Lifecycle struct {
	*daemon
	machine  *Machine
	networks *Networks
	secrets  *Secrets
	holders  *holders.Keeper
}

// Start runs one replica of f from f.ImageID and returns it with its address. An
// image that is no longer on the engine is an ErrNotFound, and secrets that are
// not there an ErrSecretsMissing. After an error no container is left. A replica
// that stopped again at once is no error: it comes back as Exited, without an
// address, so that PostMortem can tell why.
func (l *Lifecycle) Start(ctx context.Context, f function.Function) (function.Replica, error) {
	defer l.holders.Starting()()
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	replica, err := l.tryStart(ctx, f)
	if !errors.Is(err, errNetworkGone) {
		return replica, err
	}
	if err := l.networks.ensure(ctx); err != nil {
		return function.Replica{}, err
	}
	return l.tryStart(ctx, f)
}

func (l *Lifecycle) tryStart(ctx context.Context, f function.Function) (function.Replica, error) {
	if err := l.secrets.require(ctx, f); err != nil {
		return function.Replica{}, err
	}
	for h, found := l.holders.Take(); found; h, found = l.holders.Take() {
		replica, err := l.startIn(ctx, f, h)
		if !errors.Is(err, holders.ErrGone) {
			return replica, err
		}
		l.logger.Info("ready holder was gone", "holder", h.Name)
	}
	replica, _, err := l.run(ctx, f, holders.Holder{})
	return replica, err
}

// startIn starts a replica in a holder's network namespace. That the holder turns
// out to be gone, which nothing checks before, is a holders.ErrGone.
func (l *Lifecycle) startIn(ctx context.Context, f function.Function, h holders.Holder) (function.Replica, error) {
	replica, created, err := l.run(ctx, f, h)
	switch {
	case err == nil:
		l.holders.Use(h, replica.ID)
		return replica, nil
	case created, errors.Is(err, context.DeadlineExceeded):
		// The engine may still create what nobody waits for any more.
		return function.Replica{}, l.holders.Discard(ctx, h, err)
	default:
		return function.Replica{}, l.holders.GiveBack(ctx, h, err)
	}
}

// run starts a replica; the zero Holder means a network namespace of its own.
func (l *Lifecycle) run(ctx context.Context, f function.Function, h holders.Holder) (replica function.Replica, created bool, err error) {
	instance, err := l.create(ctx, f, h)
	if err != nil {
		return function.Replica{}, false, err
	}
	replica, err = l.launch(ctx, f, instance, h)
	if err != nil {
		l.discard(ctx, instance)
	}
	return replica, true, err
}

// create makes the container and returns its name. It is not bound to ctx: the
// engine goes on creating for a client that has left, and the container would be
// forgotten.
func (l *Lifecycle) create(ctx context.Context, f function.Function, h holders.Holder) (instance string, err error) {
	m, err := l.machine.inspect(ctx)
	if err != nil {
		return "", err
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), createTimeout)
	defer cancel()
	config, hostConfig := containerConfig(f, host{network: l.network, cpus: m.NCPU, logDriver: m.LoggingDriver, holder: h})
	instance = f.ID().String() + "." + randomHex(3)
	_, err = l.docker.ContainerCreate(ctx, config, hostConfig, nil, nil, instance)
	switch {
	case err == nil:
		return instance, nil
	case errdefs.IsNotFound(err) && meaningOf(err) != containerGone:
		return "", function.NotFound("image %q (%s) is no longer on this machine", f.Image, f.ImageID)
	}
	l.discard(ctx, instance)
	return "", l.explainRefusal(f, err)
}

func (l *Lifecycle) launch(ctx context.Context, f function.Function, instance string, h holders.Holder) (function.Replica, error) {
	if err := l.docker.ContainerStart(ctx, instance, container.StartOptions{}); err != nil {
		return function.Replica{}, l.explainRefusal(f, err)
	}
	started, err := l.docker.ContainerInspect(ctx, instance)
	if err != nil {
		return function.Replica{}, l.explain(fmt.Sprintf("inspect replica %q", instance), err)
	}
	createdAt, err := time.Parse(time.RFC3339Nano, started.Created)
	if err != nil {
		return function.Replica{}, fmt.Errorf("inspect replica %q: %w", instance, err)
	}
	replica := function.Replica{
		ID:        started.ID,
		Instance:  instance,
		Function:  f.ID(),
		Revision:  f.Revision,
		Address:   onPort(holders.AddressOn(l.network, started.NetworkSettings.Networks), started.Config.Labels),
		State:     stateOf(string(started.State.Status)),
		CreatedAt: createdAt.Truncate(time.Second),
	}
	if !h.IsZero() {
		replica.Address = labelledAddress(started.Config.Labels, replica.State)
	}
	return replica, nil
}

// explainRefusal says why Docker does not create or start a container. What the
// image or the spec is to blame for is an ErrInvalid.
func (l *Lifecycle) explainRefusal(f function.Function, err error) error {
	text, about := dockerText(err), meaningOf(err)
	switch {
	case about == networkGone:
		return fmt.Errorf("start replica of %q: %w: %w", f.ID(), errNetworkGone, err)
	case about == noDeviceDriver:
		return function.Invalid("limits", "Docker has no driver for the GPUs that %q asks for (%s): install the vendor's container toolkit on this machine", f.Name, text)
	case errdefs.IsInvalidArgument(err):
		return function.Invalid("image", "%q cannot be run: %s", f.Image, text)
	}
	explained := l.explain(fmt.Sprintf("start replica of %q", f.ID()), err)
	if errors.Is(explained, function.ErrUnavailable) || errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return explained
	}
	return function.Unavailable(explained, "Docker could not start a replica of %q: %s", f.ID(), text)
}

// Stop asks a replica to end, kills it when grace has passed, and removes it.
// One that is not there any more is no error. Grace counts in whole seconds,
// rounded up.
func (l *Lifecycle) Stop(ctx context.Context, id string, grace time.Duration) error {
	seconds := int(math.Ceil(max(grace, 0).Seconds()))
	err := l.docker.ContainerStop(ctx, id, container.StopOptions{Timeout: &seconds})
	if err != nil && !errdefs.IsNotFound(err) {
		return l.explain(fmt.Sprintf("stop replica %q", id), err)
	}
	return l.Remove(ctx, id)
}

// Remove kills a replica at once and removes it. One that is not there any more,
// or is on its way, is no error. Secrets stay: only volumes without a name, which
// an image declares and Docker makes for each container, go too. So does the
// holder of its network namespace; one that cannot be removed is left to
// KeepHolders, without an error.
func (l *Lifecycle) Remove(ctx context.Context, id string) error {
	joined, err := l.holders.Of(ctx, id)
	if err != nil {
		return err
	}
	if err := l.remove(ctx, id); err != nil {
		return err
	}
	if joined != "" {
		l.holders.Leave(ctx, joined)
	}
	return nil
}

// Pause freezes a replica: it keeps its memory and its connections, and uses no
// processor. One that is frozen already is an ErrConflict.
func (l *Lifecycle) Pause(ctx context.Context, id string) error {
	return l.explain(fmt.Sprintf("pause replica %q", id), l.docker.ContainerPause(ctx, id))
}

// Unpause lets a frozen replica go on. One that is not frozen is an ErrConflict.
func (l *Lifecycle) Unpause(ctx context.Context, id string) error {
	return l.explain(fmt.Sprintf("unpause replica %q", id), l.docker.ContainerUnpause(ctx, id))
}

// Leave marks a replica as one whose revision a rollback went back from, or takes
// that mark away. One that has it, or has it not, already is a success, and so is one
// that is gone.
func (l *Lifecycle) Leave(ctx context.Context, replica function.Replica, left bool) error {
	name := strings.TrimSuffix(replica.Instance, leftMark)
	if left {
		name += leftMark
	}
	err := l.docker.ContainerRename(ctx, replica.ID, name)
	if meaningOf(err) == nameUnchanged || errdefs.IsNotFound(err) {
		return nil
	}
	return l.explain(fmt.Sprintf("rename replica %q", replica.Instance), err)
}
