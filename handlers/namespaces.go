package handlers

import (
	"cmp"
	"net/http"

	"faas-docker/function"
)

// Namespaces keeps the namespaces. One that exists cannot be created, which is an ErrConflict; one
// that does not is an ErrNotFound elsewhere. All methods must be safe for concurrent use.
type Namespaces interface {
	// Namespaces returns all of them, sorted by name.
	Namespaces() []function.Namespace
	Namespace(name string) (function.Namespace, error)
	CreateNamespace(function.Namespace) error
	UpdateNamespace(function.Namespace) error
}

// namespacesAPI are the operations on namespaces.
type namespacesAPI struct{ *API }

// list answers with the names alone, as clients expect.
func (a namespacesAPI) list(w http.ResponseWriter, _ *http.Request) error {
	names := []string{} // never null: clients range over it
	for _, namespace := range a.Namespaces.Namespaces() {
		names = append(names, namespace.Name)
	}
	return writeJSON(w, http.StatusOK, names)
}

func (a namespacesAPI) get(w http.ResponseWriter, r *http.Request) error {
	name := pathName(r)
	if name == "" {
		return function.Invalid("name", "missing: want /system/namespace/NAME; /system/namespaces lists all")
	}
	found, err := a.Namespaces.Namespace(name)
	if err != nil {
		return err
	}
	return writeJSON(w, http.StatusOK, found)
}

// store creates a namespace, or with PUT replaces the labels and annotations of one.
func (a namespacesAPI) store(w http.ResponseWriter, r *http.Request) error {
	namespace, err := decodeNamespace(w, r)
	if err != nil {
		return err
	}
	if r.Method == http.MethodPut {
		return done(w, http.StatusOK, a.Namespaces.UpdateNamespace(namespace))
	}
	return done(w, http.StatusCreated, a.Namespaces.CreateNamespace(namespace))
}

func (a namespacesAPI) remove(w http.ResponseWriter, r *http.Request) error {
	namespace, err := decodeNamespace(w, r)
	if err != nil {
		return err
	}
	if namespace.Name == a.fallback() {
		return function.Conflict("namespace %q is the default one, which always exists: delete its functions and secrets instead", namespace.Name)
	}
	return done(w, http.StatusAccepted, a.Fleet.DeleteNamespace(r.Context(), namespace.Name))
}

// decodeNamespace reads a namespace whose name, in the path, the body or both, is valid. A body is
// needed where the path names nothing, and for PUT: a missing one would clear the labels.
func decodeNamespace(w http.ResponseWriter, r *http.Request) (function.Namespace, error) {
	body, err := readBody(w, r, maxBody)
	if err != nil {
		return function.Namespace{}, err
	}
	path := pathName(r)
	var sent function.Namespace
	if len(body) > 0 || path == "" || r.Method == http.MethodPut {
		if err := decode(body, &sent); err != nil {
			return function.Namespace{}, err
		}
	}
	sent.Name = cmp.Or(sent.Name, path)
	if path != "" && path != sent.Name {
		return function.Namespace{}, function.Invalid("name", "the path says %q and the body %q: name one", path, sent.Name)
	}
	return sent, function.ValidateNamespace(sent.Name)
}
