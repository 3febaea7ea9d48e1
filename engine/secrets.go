package engine

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"

	"github.com/containerd/errdefs"
	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/filters"
	"github.com/docker/docker/api/types/mount"
	"github.com/docker/docker/api/types/volume"

	"faas-docker/function"
)

// ErrSecretsMissing: the volume with the secrets of a function's revision is not
// on the engine, as after "docker volume prune". PutSecrets makes it anew.
var ErrSecretsMissing = errors.New("the function's secrets are not on the engine")

// PutSecrets writes files that the replicas of f's revision read under
// /var/openfaas/secrets, and makes the volume that holds them when it is missing.
// Replicas that run see new values at once; a reader never sees half of one, but
// for some microseconds a file that is being replaced may not exist. It needs
// f.ImageID. Values are not kept anywhere else.
func (e *Engine) PutSecrets(ctx context.Context, f function.Function, values map[string][]byte) error {
	packed, err := packSecrets(values)
	if err != nil {
		return fmt.Errorf("pack secrets of %q: %w", f.ID(), err)
	}
	if err := e.secretsTurn.take(ctx); err != nil {
		return err
	}
	defer e.secretsTurn.give()
	return e.writeSecrets(ctx, f, packed)
}

// writeSecrets fills the volume through a container that is never started: the
// archive API is the one way to it that needs no program, works with an engine
// on another machine, and leaves values out of what inspect shows.
func (e *Engine) writeSecrets(ctx context.Context, f function.Function, packed io.Reader) error {
	act := fmt.Sprintf("write secrets of %q", f.ID())
	_, err := e.docker.VolumeCreate(ctx, volume.CreateOptions{Name: secretsVolume(f, e.network), Labels: identityLabels(f, e.network)})
	if err != nil {
		return e.explain(act, err)
	}
	helper, err := e.createHelper(ctx, f)
	if err != nil {
		return e.explain(act, err)
	}
	defer e.discard(ctx, helper)
	return e.explain(act, e.docker.CopyToContainer(ctx, helper, secretsPath, packed, container.CopyToContainerOptions{}))
}

// createHelper is not bound to ctx, as create is not, and for the same reason.
func (e *Engine) createHelper(ctx context.Context, f function.Function) (name string, err error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), createTimeout)
	defer cancel()
	name = e.network + ".secrets." + randomHex(6)
	config := &container.Config{
		Image: f.ImageID,
		// It is never run, but an image without a command is refused.
		Entrypoint: []string{"/never-run"},
		Labels:     map[string]string{function.LabelProvider: e.network, function.LabelRole: roleSecrets},
	}
	hostConfig := &container.HostConfig{
		NetworkMode: "none",
		Mounts:      []mount.Mount{secretsMount(f, e.network, false)},
	}
	if _, err = e.docker.ContainerCreate(ctx, config, hostConfig, nil, nil, name); err != nil {
		e.discard(ctx, name)
		return "", err
	}
	return name, nil
}

// requireSecrets refuses to start what would silently get an empty volume.
func (e *Engine) requireSecrets(ctx context.Context, f function.Function) error {
	if len(f.Secrets) == 0 {
		return nil
	}
	_, err := e.docker.VolumeInspect(ctx, secretsVolume(f, e.network))
	if errdefs.IsNotFound(err) {
		return function.Unavailable(ErrSecretsMissing, "the secrets of %q are no longer on this machine (docker volume prune?): they have to be written again", f.ID())
	}
	return e.explain(fmt.Sprintf("inspect secrets of %q", f.ID()), err)
}

// SecretsOf reads back the values that a replica, in any state, was given. It is
// empty for a function without secrets.
func (e *Engine) SecretsOf(ctx context.Context, id string) (map[string][]byte, error) {
	found, err := e.docker.ContainerInspect(ctx, id)
	if err != nil {
		return nil, e.explain(fmt.Sprintf("inspect replica %q", id), err)
	}
	if !mountsSecrets(found.Mounts) {
		return map[string][]byte{}, nil
	}
	packed, _, err := e.docker.CopyFromContainer(ctx, id, secretsPath)
	if err != nil {
		return nil, e.explain(fmt.Sprintf("read secrets of replica %q", id), err)
	}
	defer func() { _ = packed.Close() }()
	values, err := unpackSecrets(packed)
	if err != nil {
		return nil, fmt.Errorf("read secrets of replica %q: %w", id, err)
	}
	return values, nil
}

func mountsSecrets(mounts []container.MountPoint) bool {
	for _, m := range mounts {
		if m.Destination == secretsPath && m.Type == mount.TypeVolume {
			return true
		}
	}
	return false
}

// RemoveSecrets removes the secrets of a function's revisions, except of those
// that keep has. Secrets that a container still uses stay, without an error.
func (e *Engine) RemoveSecrets(ctx context.Context, name function.Name, keep map[uint64]bool) error {
	found, err := e.docker.VolumeList(ctx, volume.ListOptions{Filters: filters.NewArgs(
		filters.Arg("label", function.LabelProvider+"="+e.network),
		filters.Arg("label", function.LabelFunction+"="+name.Name),
		filters.Arg("label", function.LabelNamespace+"="+name.Namespace),
	)})
	if err != nil {
		return e.explain(fmt.Sprintf("list secrets of %q", name), err)
	}
	for _, v := range found.Volumes {
		owner, err := decodeIdentity(v.Labels)
		if err != nil || keep[owner.revision] {
			continue
		}
		err = e.docker.VolumeRemove(ctx, v.Name, false)
		if err != nil && !errdefs.IsConflict(err) && !errdefs.IsNotFound(err) {
			return e.explain(fmt.Sprintf("remove secrets of %q", name), err)
		}
	}
	return nil
}

// SecretOwners returns the functions that have secrets on the engine, each once.
func (e *Engine) SecretOwners(ctx context.Context) ([]function.Name, error) {
	found, err := e.docker.VolumeList(ctx, volume.ListOptions{Filters: roleFilter(e.network, "")})
	if err != nil {
		return nil, e.explain("list secrets", err)
	}
	owners := map[function.Name]bool{}
	for _, v := range found.Volumes {
		if owner, err := decodeIdentity(v.Labels); err == nil {
			owners[owner.name] = true
		}
	}
	return slices.Collect(maps.Keys(owners)), nil
}

// secretsVolume names the volume of one revision. The network is part of it,
// because the provider of another network may have a function of that name.
func secretsVolume(f function.Function, network string) string {
	return network + "." + f.ID().String() + "." + strconv.FormatUint(f.Revision, 10) + ".secrets"
}
