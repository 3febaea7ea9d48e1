package fleet

import (
	"context"
	"errors"
	"fmt"

	"faas-docker/function"
)

// adopt rebuilds a lost store from what runs: every container carries its whole
// spec, and the secrets are read back from the files of a replica.
func (f *Fleet) adopt(ctx context.Context) error {
	found, err := f.Engine.Functions(ctx)
	if err != nil {
		return err
	}
	for i := range found {
		// For how much longer what a rollback has left was to be kept is not known any more.
		found[i].Previous = f.shelve(found[i].Previous, f.window(found[i]))
	}
	// With nothing found too: from now on the store is no longer a new one.
	if err := f.Store.Adopt(found); err != nil {
		return err
	}
	for _, adopted := range found {
		name := adopted.ID()
		f.publish(name)
		if err := f.adoptSecrets(ctx, adopted); err != nil {
			f.Logger.Error("secrets not adopted", "function", name, "err", err)
		}
		f.Logger.Warn("function adopted from its containers", "function", name, "revision", adopted.Revision, "replicas", adopted.Replicas)
		f.diary.note(name, "adopted from its containers, because the provider's store was lost")
	}
	return nil
}

func (f *Fleet) adoptSecrets(ctx context.Context, adopted function.Function) error {
	if len(adopted.Secrets) == 0 {
		return nil
	}
	for _, m := range f.Resolver.Members(adopted.ID()) {
		if m.Revision != adopted.Revision {
			continue
		}
		values, err := f.Engine.SecretsOf(ctx, m.ID)
		if err != nil {
			return err
		}
		return f.keepSecrets(adopted.Namespace, values)
	}
	return fmt.Errorf("no replica of revision %d is left to read them from", adopted.Revision)
}

func (f *Fleet) keepSecrets(namespace string, values map[string][]byte) error {
	for name, value := range values {
		err := f.Store.CreateSecret(function.Secret{Name: name, Namespace: namespace, Value: value})
		if err != nil && !errors.Is(err, function.ErrConflict) {
			return err
		}
	}
	return nil
}
