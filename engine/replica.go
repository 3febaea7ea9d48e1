package engine

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"math"
	"net/netip"
	"strings"
	"time"

	"github.com/containerd/errdefs"
	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/network"

	"faas-docker/function"
)

const (
	// watchdogPort is where every function of OpenFaaS listens.
	watchdogPort = 8080
	// createTimeout bounds creating, which takes milliseconds.
	createTimeout = time.Minute
	// discardTimeout bounds the removal of what could not be started.
	discardTimeout = time.Minute
)

// errNetworkGone: the network was removed under the provider.
var errNetworkGone = errors.New("the function network is gone")

// Start runs one replica of f from f.ImageID and returns it with its address. An
// image that is no longer on the engine is an ErrNotFound, and secrets that are
// not there an ErrSecretsMissing. After an error no container is left. A replica
// that stopped again at once is no error: it comes back as Exited, without an
// address, so that PostMortem can tell why.
func (e *Engine) Start(ctx context.Context, f function.Function) (function.Replica, error) {
	e.holders.startBegins()
	defer e.holders.startEnds()
	replica, err := e.tryStart(ctx, f)
	if !errors.Is(err, errNetworkGone) {
		return replica, err
	}
	if err := e.ensureNetwork(ctx); err != nil {
		return function.Replica{}, err
	}
	return e.tryStart(ctx, f)
}

func (e *Engine) tryStart(ctx context.Context, f function.Function) (function.Replica, error) {
	if err := e.requireSecrets(ctx, f); err != nil {
		return function.Replica{}, err
	}
	for h, found := e.holders.take(); found; h, found = e.holders.take() {
		replica, err := e.startIn(ctx, f, h)
		if !errors.Is(err, errHolderGone) {
			return replica, err
		}
		e.logger.Info("holder was gone when it was needed", "holder", h.name)
	}
	return e.startOwn(ctx, f)
}

// startOwn starts a replica in a network namespace of its own.
func (e *Engine) startOwn(ctx context.Context, f function.Function) (function.Replica, error) {
	instance, err := e.create(ctx, f, holder{})
	if err != nil {
		return function.Replica{}, err
	}
	replica, err := e.launch(ctx, f, instance, holder{})
	if err != nil {
		e.discard(ctx, instance)
		return function.Replica{}, err
	}
	return replica, nil
}

// create makes the container and returns its name. It is not bound to ctx: the
// engine goes on creating for a client that has left, and nobody would know of
// the container.
func (e *Engine) create(ctx context.Context, f function.Function, h holder) (instance string, err error) {
	m, err := e.inspectMachine(ctx)
	if err != nil {
		return "", err
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), createTimeout)
	defer cancel()
	config, hostConfig := containerConfig(f, host{network: e.network, cpus: m.cpus, logDriver: m.logDriver, holder: h})
	instance = f.ID().String() + "." + randomHex(3)
	_, err = e.docker.ContainerCreate(ctx, config, hostConfig, nil, nil, instance)
	switch {
	case err == nil:
		return instance, nil
	case errdefs.IsNotFound(err) && !strings.Contains(err.Error(), "No such container"):
		return "", function.NotFound("image %q (%s) is no longer on this machine: deploy the function again, so that it is pulled", f.Image, f.ImageID)
	}
	e.discard(ctx, instance)
	return "", e.explainRefusal(f, err)
}

func (e *Engine) launch(ctx context.Context, f function.Function, instance string, h holder) (function.Replica, error) {
	if err := e.docker.ContainerStart(ctx, instance, container.StartOptions{}); err != nil {
		return function.Replica{}, e.explainRefusal(f, err)
	}
	started, err := e.docker.ContainerInspect(ctx, instance)
	if err != nil {
		return function.Replica{}, e.explain(fmt.Sprintf("inspect replica %q", instance), err)
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
		Address:   addressOn(e.network, started.NetworkSettings.Networks),
		State:     stateOf(string(started.State.Status)),
		CreatedAt: createdAt.Truncate(time.Second),
	}
	if !h.isZero() {
		replica.Address = labelledAddress(started.Config.Labels, replica.State)
	}
	return replica, nil
}

// explainRefusal says why Docker does not create or start a container. What the
// image or the spec is to blame for is an ErrInvalid.
func (e *Engine) explainRefusal(f function.Function, err error) error {
	text := dockerText(err)
	switch {
	case errdefs.IsNotFound(err) && strings.Contains(text, "network"):
		return fmt.Errorf("start replica of %q: %w: %w", f.ID(), errNetworkGone, err)
	case strings.Contains(text, "could not select device driver"):
		return function.Invalid("limits", "Docker has no driver for the GPUs that %q asks for (%s): install the vendor's container toolkit on this machine", f.Name, text)
	case errdefs.IsInvalidArgument(err):
		return function.Invalid("image", "%q cannot be run: %s", f.Image, text)
	}
	explained := e.explain(fmt.Sprintf("start replica of %q", f.ID()), err)
	if errors.Is(explained, function.ErrUnavailable) || errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return explained
	}
	return function.Unavailable(explained, "Docker could not start a replica of %q: %s", f.ID(), text)
}

// discard removes a container that nobody will hear of, even after ctx ended.
func (e *Engine) discard(ctx context.Context, instance string) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), discardTimeout)
	defer cancel()
	if err := e.removeContainer(ctx, instance); err != nil {
		e.log(err)("container not removed", "container", instance, "err", err)
	}
}

// Stop asks a replica to end, kills it when grace has passed, and removes it.
// One that is not there any more is no error. Grace counts in whole seconds,
// rounded up.
func (e *Engine) Stop(ctx context.Context, id string, grace time.Duration) error {
	seconds := int(math.Ceil(max(grace, 0).Seconds()))
	err := e.docker.ContainerStop(ctx, id, container.StopOptions{Timeout: &seconds})
	if err != nil && !errdefs.IsNotFound(err) {
		return e.explain(fmt.Sprintf("stop replica %q", id), err)
	}
	return e.Remove(ctx, id)
}

// Remove kills a replica at once and removes it. One that is not there any more,
// or is on its way, is no error. Secrets stay: only volumes without a name, which
// an image declares and Docker makes for each container, go too. So does the
// holder of its network namespace; one that cannot be removed is left to
// KeepHolders, without an error.
func (e *Engine) Remove(ctx context.Context, id string) error {
	joined, err := e.holderOf(ctx, id)
	if err != nil {
		return err
	}
	if err := e.removeContainer(ctx, id); err != nil {
		return err
	}
	if joined != "" {
		e.removeHolder(ctx, joined)
	}
	return nil
}

func (e *Engine) removeContainer(ctx context.Context, id string) error {
	err := e.docker.ContainerRemove(ctx, id, container.RemoveOptions{Force: true, RemoveVolumes: true})
	if errdefs.IsNotFound(err) || (errdefs.IsConflict(err) && strings.Contains(err.Error(), "already in progress")) {
		return nil
	}
	return e.explain(fmt.Sprintf("remove container %q", id), err)
}

// Pause freezes a replica: it keeps its memory and its connections, and uses no
// processor. One that is frozen already is an ErrConflict.
func (e *Engine) Pause(ctx context.Context, id string) error {
	return e.explain(fmt.Sprintf("pause replica %q", id), e.docker.ContainerPause(ctx, id))
}

// Unpause lets a frozen replica go on. One that is not frozen is an ErrConflict.
func (e *Engine) Unpause(ctx context.Context, id string) error {
	err := e.docker.ContainerUnpause(ctx, id)
	if err != nil && strings.Contains(err.Error(), "is not paused") {
		// The engine reports this as trouble of its own.
		return fmt.Errorf("unpause replica %q: %w: %w", id, function.ErrConflict, err)
	}
	return e.explain(fmt.Sprintf("unpause replica %q", id), err)
}

// Replicas lists the containers of a function, in any state and of any revision;
// the zero Name lists those of all functions of this provider. It is one call to
// the engine, however many there are.
func (e *Engine) Replicas(ctx context.Context, name function.Name) ([]function.Replica, error) {
	listed, err := e.list(ctx, name)
	if err != nil {
		return nil, err
	}
	replicas := make([]function.Replica, 0, len(listed))
	for _, summary := range listed {
		replica, err := decodeReplica(summary, e.network)
		if err != nil {
			e.logger.Warn("container skipped: its labels cannot be read", "replica", summary.ID, "err", err)
			continue
		}
		replicas = append(replicas, replica)
	}
	return replicas, nil
}

func (e *Engine) list(ctx context.Context, name function.Name) ([]container.Summary, error) {
	listed, err := e.docker.ContainerList(ctx, container.ListOptions{All: true, Filters: replicaFilter(e.network, name)})
	if err != nil {
		return nil, e.explain("list replicas", err)
	}
	return listed, nil
}

func decodeReplica(c container.Summary, networkName string) (function.Replica, error) {
	owner, err := decodeIdentity(c.Labels)
	if err != nil {
		return function.Replica{}, err
	}
	replica := function.Replica{
		ID:        c.ID,
		Function:  owner.name,
		Revision:  owner.revision,
		State:     stateOf(string(c.State)),
		CreatedAt: time.Unix(c.Created, 0).UTC(),
	}
	if len(c.Names) > 0 {
		replica.Instance = strings.TrimPrefix(c.Names[0], "/")
		replica.Left = strings.HasSuffix(replica.Instance, leftMark)
	}
	switch {
	case c.Labels[function.LabelHolder] != "":
		replica.Address = labelledAddress(c.Labels, replica.State)
	case c.NetworkSettings != nil:
		replica.Address = addressOn(networkName, c.NetworkSettings.Networks)
	}
	return replica, nil
}

// leftMark ends the name of a container that a rollback has left. Labels cannot be
// changed, and a provider that has lost its store must know which revision served.
const leftMark = ".left"

// Leave marks a replica as one whose revision a rollback went back from, or takes
// that mark away. One that has it, or has it not, already is a success, and so is one
// that is gone.
func (e *Engine) Leave(ctx context.Context, replica function.Replica, left bool) error {
	name := strings.TrimSuffix(replica.Instance, leftMark)
	if left {
		name += leftMark
	}
	err := e.docker.ContainerRename(ctx, replica.ID, name)
	if err != nil && strings.Contains(err.Error(), "same name as its current name") {
		return nil
	}
	if err = e.explain(fmt.Sprintf("rename replica %q", replica.Instance), err); errors.Is(err, function.ErrNotFound) {
		return nil
	}
	return err
}

// addressOn returns where a container on the network is called; the zero
// AddrPort when it has no address there, as when it does not run.
func addressOn(name string, networks map[string]*network.EndpointSettings) netip.AddrPort {
	endpoint := networks[name]
	if endpoint == nil {
		return netip.AddrPort{}
	}
	for _, text := range []string{endpoint.IPAddress, endpoint.GlobalIPv6Address} {
		if address, err := netip.ParseAddr(text); err == nil {
			return netip.AddrPortFrom(address, watchdogPort)
		}
	}
	return netip.AddrPort{}
}

// stateOf reads Docker's word for a container's state. What is being removed or
// could not be removed will not run again.
func stateOf(word string) function.State {
	switch word {
	case "created":
		return function.Created
	case "running", "restarting":
		return function.Running
	case "paused":
		return function.Paused
	default:
		return function.Exited
	}
}

func randomHex(bytes int) string {
	raw := make([]byte, bytes)
	_, _ = rand.Read(raw) // never fails: crypto/rand ends the program instead
	return hex.EncodeToString(raw)
}
