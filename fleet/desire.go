package fleet

import (
	"context"
	"errors"
	"slices"
	"time"

	"faas-docker/function"
	"faas-docker/scale"
)

// Create deploys a function that does not exist yet. It reports whether the image
// is in place; false means that it is still being fetched, and that the status
// will say what became of it. What can be judged at once is refused before
// anything is stored: ErrInvalid for a bad spec, a missing secret or an image that
// neither the engine nor the registry has, ErrConflict for a function that exists,
// ErrNotFound for a namespace that does not.
func (f *Fleet) Create(ctx context.Context, spec function.Spec) (ready bool, err error) {
	if _, err := f.Store.Function(spec.ID()); err == nil {
		return false, function.Conflict("function %q is deployed already in namespace %q: update it, or delete it first", spec.Name, spec.Namespace)
	}
	bounds, image, err := f.examine(ctx, spec)
	if err != nil {
		return false, err
	}
	created, err := f.Store.Create(function.Function{Spec: spec, Replicas: bounds.Deployed(0), ImageID: image, CreatedAt: time.Now().UTC()})
	if err != nil {
		return false, err
	}
	f.deployed(created)
	return image != "", nil
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
	updated, err := f.Store.Replace(spec.ID(), func(old function.Function) function.Function {
		return function.Function{Spec: spec, Replicas: bounds.Deployed(old.Replicas), ImageID: image, CreatedAt: old.CreatedAt, Previous: old.Replaced()}
	})
	if err != nil {
		return false, err
	}
	f.deployed(updated)
	return image != "", nil
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
		image, err := f.image(ctx, spec.Image)
		if err != nil || image == "" || image == deployed.ImageID {
			return err
		}
	}
	_, err = f.Update(ctx, spec)
	return err
}

func (f *Fleet) deployed(deployed function.Function) {
	name := deployed.ID()
	f.Logger.Info("function deployed", "function", name, "revision", deployed.Revision, "image", deployed.Image, "replicas", deployed.Replicas)
	f.diary.explain(name, "")
	f.diary.note(name, "revision deployed from image "+deployed.Image)
	f.declare(deployed.Spec)
	f.ring(name)
}

// examine judges a spec as far as that can be done at once.
func (f *Fleet) examine(ctx context.Context, spec function.Spec) (scale.Bounds, string, error) {
	if err := spec.Validate(); err != nil {
		return scale.Bounds{}, "", err
	}
	if err := f.awaitReady(ctx); err != nil {
		return scale.Bounds{}, "", err
	}
	policy, err := scale.Parse(spec)
	if err != nil {
		return scale.Bounds{}, "", err
	}
	if _, err := f.Store.Namespace(spec.Namespace); err != nil {
		return scale.Bounds{}, "", err
	}
	if err := f.secretsExist(spec); err != nil {
		return scale.Bounds{}, "", err
	}
	if err := f.judge(spec); err != nil {
		return scale.Bounds{}, "", err
	}
	if err := f.judgeReclaim(ctx, spec, policy); err != nil {
		return scale.Bounds{}, "", err
	}
	if err := f.Engine.Check(ctx, spec); err != nil {
		return scale.Bounds{}, "", err
	}
	image, err := f.image(ctx, spec.Image)
	return policy.Bounds, image, err
}

func (f *Fleet) judge(spec function.Spec) error {
	if f.Judge == nil {
		return nil
	}
	return f.Judge(spec)
}

// awaitReady keeps deployments back until the engine was seen for the first time:
// what runs on it may have to be adopted first.
func (f *Fleet) awaitReady(ctx context.Context) error {
	limit := time.NewTimer(f.DeployWait)
	defer limit.Stop()
	select {
	case <-f.ready:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	case <-limit.C:
		return function.Unavailable(nil, "the Docker engine has not answered since the provider started: nothing can be deployed yet")
	}
}

func (f *Fleet) secretsExist(spec function.Spec) error {
	for i, name := range spec.Secrets {
		_, err := f.Store.Secret(spec.Namespace, name)
		if errors.Is(err, function.ErrNotFound) {
			return function.Invalid(field("secrets", i), "secret %q does not exist in namespace %q: create it first", name, spec.Namespace)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// image returns the image's ID, or nothing if it takes longer to fetch than a
// deployment may wait or the registry does not answer now: then the worker goes
// on. An image that cannot be had is an error.
func (f *Fleet) image(ctx context.Context, reference string) (string, error) {
	limited, cancel := context.WithTimeout(ctx, f.DeployWait)
	defer cancel()
	id, err := f.Engine.Image(limited, reference)
	if err == nil || errors.Is(err, function.ErrInvalid) || ctx.Err() != nil {
		return id, err
	}
	return "", nil
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
	f.ring(name)
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
	load := f.Resolver.Load(name)
	replicas := policy.Alerted(firing, scale.Sample{
		At: time.Now(), InFlight: load.InFlight, Waiting: load.Waiting, Calls: load.Invocations,
		CPUMillicores: notMeasured, Ready: load.Ready, Desired: deployed.Replicas,
	})
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
	f.Resolver.Forget(name)
	if f.Deleted != nil {
		f.Deleted(name)
	}
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
		if slices.Contains(deployed.Secrets, secret) || previousUses(deployed, secret) {
			f.tell(deployed.ID(), (*worker).refreshSecrets)
		}
	}
	return nil
}

// previousUses reports whether the revision before, which may serve still or again,
// reads a secret.
func previousUses(deployed function.Function, secret string) bool {
	previous := deployed.Previous
	return previous != nil && slices.Contains(previous.Spec.Secrets, secret)
}
