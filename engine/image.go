package engine

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"time"

	"github.com/containerd/errdefs"
	"github.com/distribution/reference"
	"github.com/docker/docker/api/types/image"
	"github.com/docker/docker/client"
	"golang.org/x/sync/singleflight"

	"faas-docker/function"
)

// pullTimeout bounds one pull, however many wait for it.
const pullTimeout = 30 * time.Minute

// Images has the images of functions in place.
type Images struct {
	*daemon
	configDir  string
	pullPolicy function.PullPolicy
	registries *registries

	// pulls joins callers that want the same image. A pull belongs to all of them,
	// not to the one that asked first, and ends with lifetime at the latest.
	pulls    singleflight.Group
	lifetime context.Context
}

// Image resolves f.Image to an image on the engine, pulling it as the function's pull
// policy says. Where f.ImageID names an image already it is that or an error: one that
// was removed is pulled by f.ImageDigest. A pull is shared by all that want the image
// and is not bound to ctx: when ctx ends first its error is returned, the pull goes on,
// and a later call joins it or finds the image. What will fail again is an ErrInvalid
// (no such image, access denied) or, for the image of f.ImageID, an ErrNotFound; what
// may pass is an ErrUnavailable (registry or engine not reachable, rate limit, disk
// full).
func (i *Images) Image(ctx context.Context, f function.Function) (function.Image, error) {
	named, err := parseImage(f.Image)
	if err != nil {
		return function.Image{}, err
	}
	// A policy that cannot be read was refused at the deployment.
	policy, _ := f.PullPolicy(i.pullPolicy)
	if f.ImageID != "" {
		return i.pinnedImage(ctx, f, named, policy)
	}
	if policy == function.PullAlways {
		return i.pulledImage(ctx, f.Image, named)
	}
	local, err := i.localImage(ctx, named)
	switch {
	case errdefs.IsNotFound(err) && policy == function.PullNever:
		return function.Image{}, function.Invalid("image", "%q is not on this machine and pull_policy is %s: docker pull it, or build it here", f.Image, policy)
	case errdefs.IsNotFound(err):
		return i.pulledImage(ctx, f.Image, named)
	case err != nil:
		return function.Image{}, i.explain(fmt.Sprintf("inspect image %q", f.Image), err)
	case !mayBeOutdated(named, local):
		return local.Image, nil
	case policy == function.PullIfNewer:
		return i.newestImage(ctx, f.Image, named, local)
	case policy == function.PullIfNotPresent:
		local.Kept = fmt.Sprintf("image %q stays %s, without asking the registry, because the pull policy is %s: %s", f.Image, local.Digest, policy, howToAsk)
	}
	return local.Image, nil
}

// howToAsk tells how to have a registry asked.
const howToAsk = "the annotation " + function.AnnotationPullPolicy + "=" + string(function.PullIfNewer) + ", or the variable pull_policy, has each deployment look for a newer one"

// mayBeOutdated reports whether a registry may have another image under the name by
// now. A name on one that was built here is most likely another's there, and a digest
// means one image for ever.
func mayBeOutdated(named reference.Named, local localImage) bool {
	_, isDigested := named.(reference.Digested)
	return local.Digest != "" && !isDigested
}

// newestImage asks the registry what a reference means, and pulls that if the engine
// does not have it.
func (i *Images) newestImage(ctx context.Context, ref string, named reference.Named, local localImage) (function.Image, error) {
	auth := i.credentials(named)
	latest, err := i.registries.digestOf(ctx, i.docker, named, auth.encoded)
	switch {
	case ctx.Err() != nil:
		return function.Image{}, ctx.Err()
	case client.IsErrConnectionFailed(err):
		return function.Image{}, i.explainUnreachable(err)
	case err != nil:
		local.Kept = fmt.Sprintf("image %q stays %s, because the registry was asked for a newer one in vain: %v", ref, local.Digest, classifyPull(ref, reference.Domain(named), auth, err))
		return local.Image, nil
	case slices.Contains(local.digests, latest):
		return local.Image, nil
	}
	return i.pulledImage(ctx, ref, named)
}

// pinnedImage has the image of a revision in place, and never another.
func (i *Images) pinnedImage(ctx context.Context, f function.Function, named reference.Named, policy function.PullPolicy) (function.Image, error) {
	found, err := i.docker.ImageInspect(ctx, f.ImageID)
	switch {
	case err == nil && f.ImageDigest == "":
		return describeImage(found, named).Image, nil
	case err == nil:
		return function.Image{ID: f.ImageID, Digest: f.ImageDigest, Config: imageConfig(found)}, nil
	case !errdefs.IsNotFound(err):
		return function.Image{}, i.explain(fmt.Sprintf("inspect image %q", f.ImageID), err)
	case f.ImageDigest == "":
		return function.Image{}, function.NotFound("image %q (%s) was built or loaded on this machine and is no longer there: build or load it again, then deploy the function again", f.Image, f.ImageID)
	case policy == function.PullNever:
		return function.Image{}, function.NotFound("image %q (%s) is no longer on this machine and pull_policy is %s: docker pull %s", f.Image, f.ImageDigest, policy, f.ImageDigest)
	}
	digested, err := parseImage(f.ImageDigest)
	if err != nil {
		return function.Image{}, err
	}
	pulled, err := i.pulledImage(ctx, f.ImageDigest, digested)
	switch {
	case errors.Is(err, function.ErrInvalid):
		return function.Image{}, function.NotFound("image %q is no longer on this machine, and cannot be pulled again as it was deployed: %v: deploy the function again to take what the name means now", f.Image, err)
	case err != nil:
		return function.Image{}, err
	case pulled.ID != f.ImageID:
		return function.Image{}, function.NotFound("image %q is no longer on this machine, and the registry gives another (%s) under its digest %s: deploy the function again", f.Image, pulled.ID, f.ImageDigest)
	}
	return function.Image{ID: f.ImageID, Digest: f.ImageDigest, Config: pulled.Config}, nil
}

// parseImage reads a reference; one without tag and digest gets the tag latest.
func parseImage(ref string) (reference.Named, error) {
	named, err := reference.ParseNormalizedNamed(ref)
	if err != nil {
		return nil, function.Invalid("image", "%q is not an image reference (%v): want [registry/]name[:tag] or [registry/]name@sha256:digest, such as %q", ref, err, "ghcr.io/openfaas/figlet:latest")
	}
	return reference.TagNameOnly(named), nil
}

// localImage is an image that the engine has, with all digests that it has in the
// repository of its reference.
type localImage struct {
	function.Image
	digests []string
}

// localImage finds an image that the engine has; the error is Docker's own.
func (i *Images) localImage(ctx context.Context, named reference.Named) (localImage, error) {
	found, err := i.docker.ImageInspect(ctx, reference.FamiliarString(named))
	if err != nil {
		return localImage{}, err
	}
	return describeImage(found, named), nil
}

func describeImage(found image.InspectResponse, named reference.Named) localImage {
	local := localImage{Image: function.Image{ID: found.ID, Config: imageConfig(found)}}
	for _, text := range found.RepoDigests {
		known, err := reference.ParseNormalizedNamed(text)
		if digested, isDigested := known.(reference.Canonical); err == nil && isDigested && known.Name() == named.Name() {
			local.digests = append(local.digests, digested.Digest().String())
		}
	}
	if len(local.digests) > 0 {
		local.Digest = reference.FamiliarName(named) + "@" + local.digests[0]
	}
	return local
}

// imageConfig is what an image says of its containers.
func imageConfig(found image.InspectResponse) *function.ImageConfig {
	if found.Config == nil {
		return function.NewImageConfig(nil, nil, nil)
	}
	return function.NewImageConfig(found.Config.Env, slices.Collect(maps.Keys(found.Config.ExposedPorts)), slices.Collect(maps.Keys(found.Config.Labels)))
}

func (i *Images) pulledImage(ctx context.Context, ref string, named reference.Named) (function.Image, error) {
	result := i.pulls.DoChan(named.String(), func() (any, error) {
		return i.pullImage(ref, named)
	})
	select {
	case <-ctx.Done():
		return function.Image{}, ctx.Err()
	case pulled := <-result:
		return pulled.Val.(function.Image), pulled.Err
	}
}

func (i *Images) pullImage(ref string, named reference.Named) (function.Image, error) {
	ctx, cancel := context.WithTimeout(i.lifetime, pullTimeout)
	defer cancel()
	started := time.Now()
	auth := i.credentials(named)
	progress, err := i.docker.ImagePull(ctx, named.String(), image.PullOptions{RegistryAuth: auth.encoded})
	if err == nil {
		defer func() { _ = progress.Close() }()
		err = drainPull(progress)
	}
	switch {
	case client.IsErrConnectionFailed(err):
		return function.Image{}, i.explainUnreachable(err)
	case err != nil:
		return function.Image{}, classifyPull(ref, reference.Domain(named), auth, err)
	}
	pulled, err := i.localImage(ctx, named)
	if err != nil {
		return function.Image{}, i.explain(fmt.Sprintf("inspect pulled image %q", ref), err)
	}
	i.logger.Info("image pulled", "image", ref, "digest", pulled.Digest, "took", time.Since(started).Round(time.Millisecond))
	return pulled.Image, nil
}

// load loads an archive as of docker save. Its progress is told as that of a pull is.
func (i *Images) load(ctx context.Context, archive io.Reader) error {
	answer, err := i.docker.ImageLoad(ctx, archive, client.ImageLoadWithQuiet(true))
	if err != nil {
		return i.explain("load image", err)
	}
	defer func() { _ = answer.Body.Close() }()
	return drainPull(io.LimitReader(answer.Body, 1<<20))
}

// drainPull reads the progress of a pull to its end. Most of what goes wrong is
// told in there: the status line of the answer was sent before.
func drainPull(progress io.Reader) error {
	messages := json.NewDecoder(progress)
	for {
		var message struct {
			Error string `json:"error"`
		}
		err := messages.Decode(&message)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("read the pull's progress: %w", err)
		}
		if message.Error != "" {
			return errors.New(message.Error)
		}
	}
}
