package handlers

import (
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

// Secrets keeps the secrets. All methods must be safe for concurrent use.
type Secrets interface {
	// Secrets returns the names of a namespace's secrets, sorted; it is empty for
	// an unknown namespace.
	Secrets(namespace string) []string
	// CreateSecret returns an ErrConflict when the secret exists.
	CreateSecret(function.Secret) error
	// UpdateSecret returns an ErrNotFound when it does not.
	UpdateSecret(function.Secret) error
	// DeleteSecret returns an ErrNotFound when it does not exist.
	DeleteSecret(namespace, name string) error
}

// secretEntry is what a list shows of a secret: never its value.
type secretEntry struct {
	Name      string `json:"name"`
	Namespace string `json:"namespace"`
}

func (a *API) secrets(w http.ResponseWriter, r *http.Request) error {
	switch r.Method {
	case http.MethodGet, http.MethodHead:
		return a.listSecrets(w, r)
	case http.MethodPost:
		return a.storeSecret(w, r, a.Secrets.CreateSecret, http.StatusCreated)
	case http.MethodPut:
		return a.storeSecret(w, r, a.Secrets.UpdateSecret, http.StatusOK)
	case http.MethodDelete:
		return a.deleteSecret(w, r)
	}
	return methodNotAllowed(r.Method, http.MethodGet, http.MethodPost, http.MethodPut, http.MethodDelete)
}

func (a *API) listSecrets(w http.ResponseWriter, r *http.Request) error {
	namespace, err := a.namespaceOf(r, "", "")
	if err != nil {
		return err
	}
	entries := []secretEntry{} // never null: clients range over it
	for _, name := range a.Secrets.Secrets(namespace) {
		entries = append(entries, secretEntry{Name: name, Namespace: namespace})
	}
	return writeJSON(w, http.StatusOK, entries)
}

func (a *API) storeSecret(w http.ResponseWriter, r *http.Request, store func(function.Secret) error, success int) error {
	secret, err := a.decodeSecret(w, r)
	if err != nil {
		return err
	}
	if err := validateValue(secret.Value); err != nil {
		return err
	}
	if err := store(secret); err != nil {
		return err
	}
	// The secret is stored whether or not the caller waits: running functions must
	// not be left with the old one because somebody pressed Ctrl-C.
	ctx := context.WithoutCancel(r.Context())
	if err := a.Fleet.SecretChanged(ctx, secret.Namespace, secret.Name); err != nil {
		return notHandedOver(secret, err)
	}
	w.WriteHeader(success)
	return nil
}

func (a *API) deleteSecret(w http.ResponseWriter, r *http.Request) error {
	secret, err := a.decodeSecret(w, r)
	if err != nil {
		return err
	}
	if err := a.Secrets.DeleteSecret(secret.Namespace, secret.Name); err != nil {
		return err
	}
	w.WriteHeader(http.StatusOK) // not 204, which faas-cli takes for a failure
	return nil
}

// decodeSecret reads a secret whose name and namespace are valid. Its value may
// be anything, or missing.
func (a *API) decodeSecret(w http.ResponseWriter, r *http.Request) (function.Secret, error) {
	body, err := readBody(w, r, maxSecretBody)
	if err != nil {
		return function.Secret{}, err
	}
	var sent types.Secret
	if err := decode(body, &sent); err != nil {
		return function.Secret{}, err
	}
	secret := function.Secret{Name: sent.Name, Value: valueOf(sent)}
	if secret.Namespace, err = a.namespaceOf(r, "", sent.Namespace); err != nil {
		return function.Secret{}, err
	}
	if err := function.ValidateSecretName(secret.Name); err != nil {
		return function.Secret{}, err
	}
	return secret, function.ValidateNamespace(secret.Namespace)
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

// notHandedOver tells a caller that half of what they asked for is done.
func notHandedOver(secret function.Secret, err error) error {
	reason := explain(err)
	return function.Unavailable(err, "secret %q is stored, but running functions still have its old value: %s: update the secret once more to try again", secret.Name, reason.text)
}
