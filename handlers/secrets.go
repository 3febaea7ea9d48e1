package handlers

import (
	"cmp"
	"context"
	"net/http"

	"github.com/openfaas/faas-provider/types"

	"faas-docker/function"
)

const (
	// maxSecret bounds a secret's value, in bytes, as Kubernetes does.
	maxSecret = 1 << 20
	// maxSecretBody is what faas-cli makes of the largest secret: it sends a file
	// twice, as base64 and as a string in which each byte may take six.
	maxSecretBody = 8 << 20
)

// Secrets keeps the secrets. A secret that exists cannot be created, which is an ErrConflict;
// any other change of one that does not is an ErrNotFound. All methods must be safe for
// concurrent use.
type Secrets interface {
	// Secrets returns the names of a namespace's secrets, sorted; none if there is no such
	// namespace.
	Secrets(namespace string) []string
	CreateSecret(function.Secret) error
	UpdateSecret(function.Secret) error
	DeleteSecret(namespace, name string) error
}

// secretsAPI are the operations on secrets.
type secretsAPI struct{ *API }

// list answers with the names of a namespace's secrets, never with their values.
func (a secretsAPI) list(w http.ResponseWriter, r *http.Request) error {
	namespace, err := a.namespaceOf(r, "", "")
	if err != nil {
		return err
	}
	entries := []types.Secret{} // never null: clients range over it
	for _, name := range a.Secrets.Secrets(namespace) {
		entries = append(entries, types.Secret{Name: name, Namespace: namespace})
	}
	return writeJSON(w, http.StatusOK, entries)
}

// store creates a secret, or with PUT replaces the value of one.
func (a secretsAPI) store(w http.ResponseWriter, r *http.Request) error {
	keep, success := a.Secrets.CreateSecret, http.StatusCreated
	if r.Method == http.MethodPut {
		keep, success = a.Secrets.UpdateSecret, http.StatusOK
	}
	secret, err := a.decode(w, r)
	if err != nil {
		return err
	}
	if err := validateValue(secret.Value); err != nil {
		return err
	}
	if err := keep(secret); err != nil {
		return err
	}
	// The secret is stored whether or not the caller waits: running functions must
	// not be left with the old one because a user pressed Ctrl-C.
	ctx := context.WithoutCancel(r.Context())
	if err := a.Fleet.SecretChanged(ctx, secret.Namespace, secret.Name); err != nil {
		return function.Unavailable(err, "secret %q is stored, but running functions still have its old value: %s: update the secret once more to try again", secret.Name, explain(err).text)
	}
	return done(w, success, nil)
}

func (a secretsAPI) remove(w http.ResponseWriter, r *http.Request) error {
	secret, err := a.decode(w, r)
	if err != nil {
		return err
	}
	// Not 204, which faas-cli takes for a failure.
	return done(w, http.StatusOK, a.Secrets.DeleteSecret(secret.Namespace, secret.Name))
}

// decode reads a secret whose name and namespace are valid. Its value may
// be anything, or missing.
func (a secretsAPI) decode(w http.ResponseWriter, r *http.Request) (function.Secret, error) {
	sent, err := read[types.Secret](w, r, maxSecretBody)
	if err != nil {
		return function.Secret{}, err
	}
	secret := function.Secret{Name: sent.Name, Value: valueOf(sent)}
	if secret.Namespace, err = a.namespaceOf(r, "", sent.Namespace); err != nil {
		return function.Secret{}, err
	}
	return secret, cmp.Or(function.ValidateSecretName(secret.Name), function.ValidateNamespace(secret.Namespace))
}

// valueOf prefers rawValue: faas-cli sends a file's content as both, and only
// rawValue survives when it is not text.
func valueOf(sent types.Secret) []byte {
	if len(sent.RawValue) > 0 {
		return sent.RawValue
	}
	return []byte(sent.Value)
}

func validateValue(value []byte) error {
	if len(value) == 0 {
		return function.Invalid("value", "missing: send the secret as value, or base64-encoded as rawValue")
	}
	if len(value) > maxSecret {
		return function.Invalid("value", "has %d bytes: at most %d are allowed", len(value), maxSecret)
	}
	return nil
}
