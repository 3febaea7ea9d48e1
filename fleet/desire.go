package fleet

import (
	"context"
	"errors"
	"fmt"
	"time"

	"faas-docker/fleet/scale"
	"faas-docker/function"
)

// deployWait bounds how long a deployment waits for its image before it is answered and the
// pull goes on by itself.
const deployWait = 20 * time.Second

// Create deploys a function that does not exist yet. It reports whether the image
// is in place; false means that it is still being fetched, and that the status
// will say what became of it. What can be judged at once is refused before
// anything is stored: ErrInvalid for a bad spec, a missing secret or an image that
// neither the engine nor the registry has, ErrConflict for a function that exists,
// ErrNotFound for a namespace that does not.
func (f *Fleet) Create(ctx context.Context, spec function.Spec) (ready bool, err error) {
	switch _, err := f.Store.Function(spec.ID()); {
	case err == nil:
		return false, function.Conflict("function %q is deployed already in namespace %q: update it, or delete it first", spec.Name, spec.Namespace)
	case !errors.Is(err, function.ErrNotFound):
		return false, err
	}
	bounds, image, err := f.examine(ctx, spec)
	if err != nil {
		return false, err
	}
	created, err := f.Store.Create(function.Function{
		Spec: spec, Replicas: bounds.Deployed(0), ImageID: image.ID, ImageDigest: image.Digest, ImageConfig: image.Config,
		CreatedAt: time.Now().UTC(),
	})
	return f.deployed(created, image, err)
}

// Update replaces a function's spec; the old revision serves until the new one
// answers. It fails like Create, and with ErrNotFound for a function that does not
// exist.
func (f *Fleet) Update(ctx context.Context, spec function.Spec) (ready bool, err error) {
	if _, err := f.Store.Function(spec.ID()); err != nil {
		return false, err
	}
	bounds, image, err := f.examine(ctx, spec)
	if err != nil {
		return false, err
	}
	if err := f.judgeRoom(spec); err != nil {
		return false, err
	}
	updated, err := f.Store.Replace(spec.ID(), func(old function.Function) function.Function {
		return function.Function{
			Spec: spec, Replicas: bounds.Deployed(old.Replicas), ImageID: image.ID, ImageDigest: image.Digest, ImageConfig: image.Config,
			CreatedAt: old.CreatedAt, Previous: old.Replaced(),
		}
	})
	return f.deployed(updated, image, err)
}

// Ensure deploys a function that does not exist, updates one that is deployed
// otherwise or whose image reference means another image by now, and leaves alone
// one that is deployed exactly so. It fails like Create.
func (f *Fleet) Ensure(ctx context.Context, spec function.Spec) error {
	deployed, err := f.Store.Function(spec.ID())
	if errors.Is(err, function.ErrNotFound) {
		_, err = f.Create(ctx, spec)
		return err
	}
	if err != nil {
		return err
	}
	if deployed.Spec.Equal(spec) {
		image, err := f.image(ctx, spec)
		if err != nil || image.ID == "" || image.ID == deployed.ImageID {
			return err
		}
	}
	_, err = f.Update(ctx, spec)
	return err
}

func (f *Fleet) deployed(deployed function.Function, image function.Image, err error) (ready bool, _ error) {
	if err != nil {
		return false, err
	}
	name := deployed.ID()
	f.Logger.Info("function deployed", "function", name, "revision", deployed.Revision, "image", deployed.Image, "replicas", deployed.Replicas)
	f.diary.explain(name, "")
	f.noteImage(name, "revision deployed from image "+deployed.Image, image)
	f.noteSpec(deployed.Spec)
	f.publish(name)
	f.Ring(name)
	return image.ID != "", nil
}

// noteSpec says that a function scales otherwise than its user asked for, and names
// annotations and labels that are most likely misspelt, and settings that an annotation and a
// label give differently.
func (f *Fleet) noteSpec(spec function.Spec) {
	if policy, err := scale.Parse(spec); err == nil && policy.Foreign != "" {
		f.Logger.Warn("scaling type unknown: calls in flight decide", "function", spec.ID(), "type", policy.Foreign)
		f.diary.note(spec.ID(), fmt.Sprintf("scaling type %q is not known here: the calls in flight decide, as with %s=capacity; rps and cpu are known, too", policy.Foreign, scale.LabelType))
	}
	for _, unknown := range spec.Metadata().UnknownKeys() {
		f.Logger.Warn("annotation or label unknown", "function", spec.ID(), "key", unknown.Key, "nearest", unknown.Nearest)
		f.diary.note(spec.ID(), unknown.String())
	}
	for _, d := range spec.Metadata().Differences() {
		f.Logger.Warn("annotation and label differ", "function", spec.ID(), "key", d.Key, "annotation", function.Clip(d.Annotation), "label", function.Clip(d.Label))
		f.diary.note(spec.ID(), d.String())
	}
}

// noteImage notes which image a revision has, and that it may be older than what its registry
// has.
func (f *Fleet) noteImage(name function.Name, text string, image function.Image) {
	if image.Digest != "" {
		text += " (" + image.Digest + ")"
	}
	f.diary.note(name, text)
	if image.Kept != "" {
		f.Logger.Warn("image may be outdated", "function", name, "reason", image.Kept)
		f.diary.note(name, image.Kept)
	}
}

// examine judges a spec as far as that can be done at once.
func (f *Fleet) examine(ctx context.Context, spec function.Spec) (scale.Bounds, function.Image, error) {
	var policy scale.Policy
	var image function.Image
	for _, judge := range []func() error{
		spec.Validate,
		func() error { return f.awaitReady(ctx) },
		func() (err error) { policy, err = scale.Parse(spec); return err },
		func() error { _, err := f.Store.Namespace(spec.Namespace); return err },
		func() error { return f.secretsExist(spec) },
		func() error { return scale.Possible(spec, f.host(ctx)) },
		func() error { return f.Judge(spec) },
		func() error { return f.judgeReclaim(ctx, spec, policy) },
		func() error { return f.Engine.Check(ctx, spec) },
		func() (err error) { image, err = f.image(ctx, spec); return err },
	} {
		if err := judge(); err != nil {
			return scale.Bounds{}, function.Image{}, err
		}
	}
	return policy.Bounds, image, nil
}

// awaitReady keeps deployments back until the engine was seen for the first time:
// what runs on it may have to be adopted first.
func (f *Fleet) awaitReady(ctx context.Context) error {
	select {
	case <-f.ready:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(deployWait):
		return function.Unavailable(nil, "the Docker engine has not answered since the provider started: nothing can be deployed yet")
	}
}

func (f *Fleet) secretsExist(spec function.Spec) error {
	for i, name := range spec.Secrets {
		_, err := f.Store.Secret(spec.Namespace, name)
		if errors.Is(err, function.ErrNotFound) {
			return function.MissingSecret(i, name, spec.Namespace)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// image returns the image, or the zero Image if it takes longer to fetch than a
// deployment may wait or the registry does not answer now: then the worker goes
// on. An image that cannot be had is an error.
func (f *Fleet) image(ctx context.Context, spec function.Spec) (function.Image, error) {
	limited, cancel := context.WithTimeout(ctx, deployWait)
	defer cancel()
	image, err := f.Engine.Image(limited, function.Function{Spec: spec})
	if err == nil || errors.Is(err, function.ErrInvalid) || ctx.Err() != nil {
		return image, err
	}
	return function.Image{}, nil
}

// Scale sets how many replicas a function should have.
func (f *Fleet) Scale(_ context.Context, name function.Name, replicas int) error {
	if replicas < 0 || replicas > scale.MaxReplicas {
		return function.Invalid("replicas", "%d: want a whole number from 0 to %d", replicas, scale.MaxReplicas)
	}
	_, err := f.Store.Change(name, func(stored function.Function) (function.Function, bool) {
		changed := stored.Replicas != replicas
		stored.Replicas = replicas
		return stored, changed
	})
	if err != nil {
		return err
	}
	f.Logger.Info("function scaled", "function", name, "replicas", replicas)
	f.Ring(name)
	return nil
}

// Alert changes how many replicas a function should have as the OpenFaaS gateway
// does when Prometheus reports its load: one step up while the alert fires, back to
// the minimum when it is over.
func (f *Fleet) Alert(ctx context.Context, name function.Name, firing bool) error {
	deployed, err := f.Store.Function(name)
	if err != nil {
		return err
	}
	policy, err := scale.Parse(deployed.Spec)
	if err != nil {
		return err
	}
	replicas := policy.Alerted(firing, sampleOf(f.Resolver.Load(name), time.Now(), notMeasured, deployed.Replicas))
	if replicas == deployed.Replicas {
		return nil
	}
	return f.Scale(ctx, name, replicas)
}

// Delete removes a function. It is unknown at once; its replicas end their
// invocations before they are stopped.
func (f *Fleet) Delete(_ context.Context, name function.Name) error {
	if err := f.Store.Delete(name); err != nil {
		return err
	}
	f.Logger.Info("function deleted", "function", name)
	f.diary.forget(name)
	f.publish(name)
	f.Deleted(name)
	f.tell(name, func(w *worker) { w.untidy = true })
	return nil
}

// DeleteNamespace removes a namespace with all functions and secrets in it.
func (f *Fleet) DeleteNamespace(ctx context.Context, namespace string) error {
	if _, err := f.Store.Namespace(namespace); err != nil {
		return err
	}
	for _, deployed := range f.Store.Functions(namespace) {
		if err := f.Delete(ctx, deployed.ID()); err != nil && !errors.Is(err, function.ErrNotFound) {
			return err
		}
	}
	return f.Store.DeleteNamespace(namespace)
}

// SecretChanged gives the new value of a secret to the functions that use it:
// running replicas find it in their file within moments, without a restart.
func (f *Fleet) SecretChanged(_ context.Context, namespace, secret string) error {
	for _, deployed := range f.Store.Functions(namespace) {
		if !deployed.Reads(secret) {
			continue
		}
		f.mu.Lock()
		if f.refreshed != nil { // Run does it
			f.refreshed[deployed.ID()] = true
		}
		f.mu.Unlock()
		f.tell(deployed.ID(), (*worker).refreshSecrets)
	}
	return nil
}
