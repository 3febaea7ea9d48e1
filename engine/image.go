package engine

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/containerd/errdefs"
	"github.com/distribution/reference"
	"github.com/docker/docker/api/types/image"

	"faas-docker/function"
)

// pullTimeout bounds one pull, whoever waits for it.
const pullTimeout = 30 * time.Minute

// PullPolicy says when an image is pulled. The zero value means IfNotPresent.
type PullPolicy string

// The policies, spelled as Kubernetes spells them.
const (
	// PullAlways asks the registry at each deployment what the reference means now.
	PullAlways PullPolicy = "Always"
	// PullIfNotPresent pulls only what the engine does not have.
	PullIfNotPresent PullPolicy = "IfNotPresent"
	// PullNever runs only what the engine has.
	PullNever PullPolicy = "Never"
)

// ParsePullPolicy reads a policy's name.
func ParsePullPolicy(text string) (PullPolicy, error) {
	switch policy := PullPolicy(text); policy {
	case PullAlways, PullIfNotPresent, PullNever:
		return policy, nil
	}
	return "", fmt.Errorf("pull policy %q: want %s, %s or %s", text, PullAlways, PullIfNotPresent, PullNever)
}

// Image resolves a reference to the ID of an image on the engine, pulling it as
// the policy says. A pull is shared by all who want the image and is not bound
// to ctx: when ctx ends first its error is returned, the pull goes on, and a
// later call joins it or finds the image. What will fail again is an ErrInvalid
// (no such image, access denied); what may pass is an ErrUnavailable (registry
// or engine not reachable, rate limit, disk full).
func (e *Engine) Image(ctx context.Context, ref string, policy PullPolicy) (id string, err error) {
	named, err := parseImage(ref)
	if err != nil {
		return "", err
	}
	if policy != PullAlways {
		id, err = e.localImage(ctx, named)
		if !errdefs.IsNotFound(err) {
			return id, e.explain(fmt.Sprintf("inspect image %q", ref), err)
		}
	}
	if policy == PullNever {
		return "", function.Invalid("image", "%q is not on this machine and pull_policy is %s: docker pull it, or build it here", ref, PullNever)
	}
	return e.pulledImage(ctx, ref, named)
}

// parseImage reads a reference; one without tag and digest gets the tag latest.
func parseImage(ref string) (reference.Named, error) {
	named, err := reference.ParseNormalizedNamed(ref)
	if err != nil {
		return nil, function.Invalid("image", "%q is not an image reference (%v): want [registry/]name[:tag] or [registry/]name@sha256:digest, such as %q", ref, err, "ghcr.io/openfaas/figlet:latest")
	}
	return reference.TagNameOnly(named), nil
}

// localImage returns the ID of an image that the engine has; the error is
// Docker's own.
func (e *Engine) localImage(ctx context.Context, named reference.Named) (string, error) {
	found, err := e.docker.ImageInspect(ctx, reference.FamiliarString(named))
	return found.ID, err
}

func (e *Engine) pulledImage(ctx context.Context, ref string, named reference.Named) (string, error) {
	result := e.pulls.DoChan(named.String(), func() (any, error) {
		return e.pullImage(ref, named)
	})
	select {
	case <-ctx.Done():
		return "", ctx.Err()
	case pulled := <-result:
		if pulled.Err != nil {
			return "", pulled.Err
		}
		return pulled.Val.(string), nil
	}
}

func (e *Engine) pullImage(ref string, named reference.Named) (string, error) {
	ctx, cancel := context.WithTimeout(e.lifetime, pullTimeout)
	defer cancel()
	started := time.Now()
	if err := e.transferImage(ctx, named); err != nil {
		return "", e.explainPull(ref, named, err)
	}
	id, err := e.localImage(ctx, named)
	if err != nil {
		return "", e.explain(fmt.Sprintf("inspect pulled image %q", ref), err)
	}
	e.logger.Info("image pulled", "image", ref, "took", time.Since(started).Round(time.Millisecond))
	return id, nil
}

func (e *Engine) transferImage(ctx context.Context, named reference.Named) error {
	progress, err := e.docker.ImagePull(ctx, named.String(), image.PullOptions{RegistryAuth: e.credentials(named)})
	if err != nil {
		return err
	}
	defer func() { _ = progress.Close() }()
	return drainPull(progress)
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
