package engine

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"time"

	"github.com/containerd/errdefs"
	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/mount"
	"github.com/docker/docker/api/types/volume"
	"golang.org/x/sync/semaphore"

	"faas-docker/function"
	"faas-docker/function/clock"
)

// ErrSecretsMissing: the volume with the secrets of a function's revision is not
// on the engine, as after "docker volume prune". PutSecrets makes it anew.
var ErrSecretsMissing = errors.New("the function's secrets are not on the engine")

// Secrets are the values that functions read from files, in a volume for each revision.
type Secrets struct {
	*daemon
	// image returns one that helper containers can be made of.
	image func(ctx context.Context) (string, error)
	// turn is whose turn it is to write: two writers of one volume would share its
	// staging files.
	turn *semaphore.Weighted
}

// PutSecrets writes files that the replicas of f's revision read under
// /var/openfaas/secrets, and makes the volume that holds them when it is missing.
// Replicas that run see new values at once; a reader never sees half of one, but
// for some microseconds a file that is being replaced may not exist. It may
// need f.ImageID. Values are not kept anywhere else.
func (s *Secrets) PutSecrets(ctx context.Context, f function.Function, values map[string][]byte) error {
	packed, err := packSecrets(values)
	if err != nil {
		return fmt.Errorf("pack secrets of %q: %w", f.ID(), err)
	}
	if err := s.turn.Acquire(ctx, 1); err != nil {
		return err
	}
	defer s.turn.Release(1)
	ctx, cancel := context.WithTimeout(ctx, createTimeout)
	defer cancel()
	return s.writeSecrets(ctx, f, packed)
}

// writeSecrets fills the volume through a container that is never started: the
// archive API is the one way to it that needs no program, works with an engine
// on another machine, and leaves values out of what inspect shows.
func (s *Secrets) writeSecrets(ctx context.Context, f function.Function, packed io.Reader) error {
	act := fmt.Sprintf("write secrets of %q", f.ID())
	_, err := s.docker.VolumeCreate(ctx, volume.CreateOptions{Name: secretsVolume(f, s.network), Labels: identityLabels(f, s.network)})
	if err != nil {
		return s.explain(act, err)
	}
	helper, err := s.createHelper(ctx, f)
	if err != nil {
		return s.explain(act, err)
	}
	defer s.discard(ctx, helper)
	return s.explain(act, s.docker.CopyToContainer(ctx, helper, secretsPath, packed, container.CopyToContainerOptions{}))
}

// createHelper is not bound to ctx, as Lifecycle.create is not, and for the same reason.
func (s *Secrets) createHelper(ctx context.Context, f function.Function) (name string, err error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), createTimeout)
	defer cancel()
	name = s.network + ".secrets." + randomHex(6)
	// What the function's image has in its volumes would be copied first, and may be large.
	image, err := s.image(ctx)
	if err != nil {
		image = f.ImageID
	}
	config := &container.Config{
		Image: image,
		// It is never run, but an image without a command is refused.
		Entrypoint: []string{"/never-run"},
		Labels:     map[string]string{function.LabelProvider: s.network, function.LabelRole: function.RoleSecrets},
	}
	hostConfig := &container.HostConfig{
		NetworkMode: "none",
		Mounts:      []mount.Mount{secretsMount(f, s.network, false)},
	}
	if _, err = s.docker.ContainerCreate(ctx, config, hostConfig, nil, nil, name); err != nil {
		s.discard(ctx, name)
		return "", err
	}
	return name, nil
}

// sweep removes containers that a killed provider was filling secrets
// through. It takes its turn, so that none that is in use goes.
func (s *Secrets) sweep(ctx context.Context) error {
	if err := s.turn.Acquire(ctx, 1); err != nil {
		return err
	}
	defer s.turn.Release(1)
	helpers, err := s.docker.ContainerList(ctx, container.ListOptions{All: true, Filters: labelFilter(s.network, function.RoleSecrets, function.Name{})})
	if err != nil {
		return s.explain("list helper containers", err)
	}
	for _, helper := range helpers {
		if err := s.remove(ctx, helper.ID); err != nil {
			return err
		}
	}
	return nil
}

// sweepOften sweeps, two seconds from now and then each minute, until ctx ends: an engine
// goes on creating containers for a provider that was killed.
func (s *Secrets) sweepOften(ctx context.Context) {
	for pause := 2 * time.Second; clock.Sleep(ctx, pause) == nil; pause = time.Minute {
		if err := s.sweep(ctx); err != nil {
			s.logger.Debug("sweep of helper containers failed", "err", err)
		}
	}
}

// require refuses to start what would silently get an empty volume.
func (s *Secrets) require(ctx context.Context, f function.Function) error {
	if len(f.Secrets) == 0 {
		return nil
	}
	_, err := s.docker.VolumeInspect(ctx, secretsVolume(f, s.network))
	if errdefs.IsNotFound(err) {
		return function.Unavailable(ErrSecretsMissing, "the secrets of %q are no longer on this machine (docker volume prune?): they have to be written again", f.ID())
	}
	return s.explain(fmt.Sprintf("inspect secrets of %q", f.ID()), err)
}

// SecretsOf reads back the values that a replica, in any state, was given. It is
// empty for a function without secrets.
func (s *Secrets) SecretsOf(ctx context.Context, id string) (map[string][]byte, error) {
	found, err := s.docker.ContainerInspect(ctx, id)
	if err != nil {
		return nil, s.explain(fmt.Sprintf("inspect replica %q", id), err)
	}
	isSecrets := func(m container.MountPoint) bool {
		return m.Destination == secretsPath && m.Type == mount.TypeVolume
	}
	if !slices.ContainsFunc(found.Mounts, isSecrets) {
		return map[string][]byte{}, nil
	}
	packed, _, err := s.docker.CopyFromContainer(ctx, id, secretsPath)
	if err != nil {
		return nil, s.explain(fmt.Sprintf("read secrets of replica %q", id), err)
	}
	defer func() { _ = packed.Close() }()
	values, err := unpackSecrets(packed)
	if err != nil {
		return nil, fmt.Errorf("read secrets of replica %q: %w", id, err)
	}
	return values, nil
}

// RemoveSecrets removes the secrets of a function's revisions, except of those
// that keep has. Secrets that a container still uses stay, without an error.
func (s *Secrets) RemoveSecrets(ctx context.Context, name function.Name, keep map[uint64]bool) error {
	found, err := s.docker.VolumeList(ctx, volume.ListOptions{Filters: labelFilter(s.network, "", name)})
	if err != nil {
		return s.explain(fmt.Sprintf("list secrets of %q", name), err)
	}
	for _, v := range found.Volumes {
		owner, err := decodeIdentity(v.Labels)
		if err != nil || keep[owner.revision] {
			continue
		}
		err = s.docker.VolumeRemove(ctx, v.Name, false)
		if err != nil && !errdefs.IsConflict(err) && !errdefs.IsNotFound(err) {
			return s.explain(fmt.Sprintf("remove secrets of %q", name), err)
		}
	}
	return nil
}

// SecretOwners returns the functions that have secrets on the engine, each once.
func (s *Secrets) SecretOwners(ctx context.Context) ([]function.Name, error) {
	found, err := s.docker.VolumeList(ctx, volume.ListOptions{Filters: labelFilter(s.network, "", function.Name{})})
	if err != nil {
		return nil, s.explain("list secrets", err)
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
