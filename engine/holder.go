package engine

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"time"

	"github.com/containerd/errdefs"
	"github.com/docker/docker/api/types/container"

	"faas-docker/function"
)

// errHolderGone: the network namespace that a replica was to join is not there
// any more.
var errHolderGone = errors.New("the holder is gone")

// errNoHolders: there is no holder's program for the engine's machine.
var errNoHolders = errors.New("no program for this architecture")

const (
	// holderMemory and holderPids bound a program that needs one page and one
	// thread. They leave room for the container runtime, which counts as the
	// container until it has become it.
	holderMemory = 32 << 20
	holderPids   = 32
	// holderStopTimeout is how many seconds an engine that shuts down goes on with
	// a holder, which is deaf to SIGTERM: for so long the replica in its network
	// namespace can end what it is at.
	holderStopTimeout = 2
)

// holder is a container that does nothing but own a network namespace on the
// function network. One replica joins the namespace, which saves it the greater
// part of its start; then the holder goes where the replica goes. It is never
// given to a second one, so that nothing of the first is left to find there.
type holder struct {
	// name is the container's, chosen before the engine gives it an ID.
	name    string
	id      string
	address netip.Addr
}

func (h holder) isZero() bool { return h == holder{} }

// startIn starts a replica in a holder's network namespace. When the holder turns
// out to be gone, which nobody asks before, that is an errHolderGone.
func (e *Engine) startIn(ctx context.Context, f function.Function, h holder) (function.Replica, error) {
	instance, err := e.create(ctx, f, h)
	if err != nil {
		return function.Replica{}, e.afterRefusal(ctx, h, err)
	}
	replica, err := e.launch(ctx, f, instance, h)
	if err != nil {
		e.discard(ctx, instance)
		return function.Replica{}, e.afterFailure(ctx, h, err)
	}
	e.holders.use(h, replica.ID)
	return replica, nil
}

// afterRefusal says what is to become of a holder that nothing was created for:
// it is as good as new, unless the reason is that it is gone.
func (e *Engine) afterRefusal(ctx context.Context, h holder, err error) error {
	if !e.isAlive(ctx, h) || !e.holders.add(h) {
		return e.afterFailure(ctx, h, err)
	}
	return err
}

// afterFailure removes a holder that something may have run in.
func (e *Engine) afterFailure(ctx context.Context, h holder, err error) error {
	alive := e.isAlive(ctx, h)
	e.discardHolder(ctx, h)
	if alive {
		return err
	}
	return fmt.Errorf("%w: %w", errHolderGone, err)
}

// isAlive reports whether a holder still holds its address. Where the engine does
// not say, it does.
func (e *Engine) isAlive(ctx context.Context, h holder) bool {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), discardTimeout)
	defer cancel()
	found, err := e.docker.ContainerInspect(ctx, h.id)
	if err != nil {
		return !errdefs.IsNotFound(err)
	}
	return found.State.Running && addressOn(e.network, found.NetworkSettings.Networks).Addr() == h.address
}

// addHolder makes one more holder ready. Like create it is not bound to ctx.
func (e *Engine) addHolder(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), createTimeout)
	defer cancel()
	image, err := e.holderImage(ctx)
	if err != nil {
		return err
	}
	h := holder{name: e.network + ".holder." + randomHex(6)}
	e.holders.expect(h)
	h, err = e.startHolder(ctx, h, image)
	if err != nil {
		e.discardHolder(ctx, h)
		return err
	}
	if !e.holders.add(h) {
		e.discardHolder(ctx, h)
	}
	return nil
}

func (e *Engine) startHolder(ctx context.Context, h holder, image string) (holder, error) {
	act := fmt.Sprintf("start holder %q", h.name)
	config, hostConfig := holderConfig(image, e.network)
	if _, err := e.docker.ContainerCreate(ctx, config, hostConfig, nil, nil, h.name); err != nil {
		return h, e.explain(act, err)
	}
	if err := e.docker.ContainerStart(ctx, h.name, container.StartOptions{}); err != nil {
		return h, e.explain(act, err)
	}
	started, err := e.docker.ContainerInspect(ctx, h.name)
	if err != nil {
		return h, e.explain(act, err)
	}
	h.id = started.ID
	h.address = addressOn(e.network, started.NetworkSettings.Networks).Addr()
	if !started.State.Running || !h.address.IsValid() {
		return h, fmt.Errorf("%s: it is %s, with the exit code %d and the address %v", act, started.State.Status, started.State.ExitCode, h.address)
	}
	return h, nil
}

// holderConfig returns what Docker is asked to create for a holder.
func holderConfig(image, network string) (*container.Config, *container.HostConfig) {
	pids, stopTimeout := int64(holderPids), holderStopTimeout
	config := &container.Config{
		Image:       image,
		Labels:      map[string]string{function.LabelProvider: network, function.LabelRole: roleHolder},
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

// holderOf returns the ID of the holder that a replica joined; empty when it has
// a network namespace of its own, or is not there.
func (e *Engine) holderOf(ctx context.Context, id string) (string, error) {
	if h, known := e.holders.joinedBy(id); known {
		return h.id, nil
	}
	found, err := e.docker.ContainerInspect(ctx, id)
	if errdefs.IsNotFound(err) {
		return "", nil
	}
	if err != nil {
		return "", e.explain(fmt.Sprintf("inspect replica %q", id), err)
	}
	labels := found.Config.Labels
	if labels[function.LabelProvider] != e.network || labels[function.LabelRole] != roleFunction {
		return "", nil
	}
	return labels[function.LabelHolder], nil
}

// removeHolder removes the holder of a replica that has gone.
func (e *Engine) removeHolder(ctx context.Context, id string) {
	if !e.holders.leave(id) {
		return
	}
	err := e.removeContainer(ctx, id)
	e.holders.left(id, err == nil)
	if err != nil {
		e.log(err)("holder not removed", "holder", id, "err", err)
	}
}

// discardHolder removes a holder that no replica runs in, even after ctx ended.
func (e *Engine) discardHolder(ctx context.Context, h holder) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), discardTimeout)
	defer cancel()
	if err := e.removeContainer(ctx, h.name); err != nil {
		e.log(err)("holder not removed", "holder", h.name, "err", err)
	}
	e.holders.release(h)
}

// labelledAddress returns where a replica in a holder's network namespace is
// called; the zero AddrPort when it does not run.
func labelledAddress(labels map[string]string, state function.State) netip.AddrPort {
	address, err := netip.ParseAddr(labels[function.LabelAddress])
	if err != nil || (state != function.Running && state != function.Paused) {
		return netip.AddrPort{}
	}
	return netip.AddrPortFrom(address, watchdogPort)
}

// sleep waits; it reports false when ctx ended first.
func sleep(ctx context.Context, span time.Duration) bool {
	select {
	case <-time.After(span):
		return true
	case <-ctx.Done():
		return false
	}
}
