package handlers

import (
	"net/http"

	"github.com/openfaas/faas-provider/types"

	"faas-docker/function"
)

// Namespaces keeps the namespaces. All methods must be safe for concurrent use.
type Namespaces interface {
	// Namespaces returns all of them, sorted by name.
	Namespaces() []function.Namespace
	// Namespace returns an ErrNotFound for an unknown name.
	Namespace(name string) (function.Namespace, error)
	// CreateNamespace returns an ErrConflict when it exists.
	CreateNamespace(function.Namespace) error
	// UpdateNamespace returns an ErrNotFound when it does not.
	UpdateNamespace(function.Namespace) error
}

// listNamespaces answers with the names alone, as clients expect.
func (a *API) listNamespaces(w http.ResponseWriter, _ *http.Request) error {
	names := []string{} // never null: clients range over it
	for _, namespace := range a.Namespaces.Namespaces() {
		names = append(names, namespace.Name)
	}
	return writeJSON(w, http.StatusOK, names)
}

func (a *API) namespace(w http.ResponseWriter, r *http.Request) error {
	switch r.Method {
	case http.MethodGet, http.MethodHead:
		return a.getNamespace(w, r)
	case http.MethodPost:
		return a.storeNamespace(w, r, a.Namespaces.CreateNamespace, http.StatusCreated)
	case http.MethodPut:
		return a.storeNamespace(w, r, a.Namespaces.UpdateNamespace, http.StatusOK)
	case http.MethodDelete:
		return a.deleteNamespace(w, r)
	}
	return methodNotAllowed(r.Method, http.MethodGet, http.MethodPost, http.MethodPut, http.MethodDelete)
}

func (a *API) getNamespace(w http.ResponseWriter, r *http.Request) error {
	name := pathName(r)
	if name == "" {
		return function.Invalid("name", "missing: want /system/namespace/NAME; /system/namespaces lists all")
	}
	found, err := a.Namespaces.Namespace(name)
	if err != nil {
		return err
	}
	return writeJSON(w, http.StatusOK, types.FunctionNamespace{
		Name:        found.Name,
		Labels:      found.Labels,
		Annotations: found.Annotations,
	})
}

func (a *API) storeNamespace(w http.ResponseWriter, r *http.Request, store func(function.Namespace) error, success int) error {
	namespace, err := decodeNamespace(w, r)
	if err != nil {
		return err
	}
	if err := store(namespace); err != nil {
		return err
	}
	w.WriteHeader(success)
	return nil
}

func (a *API) deleteNamespace(w http.ResponseWriter, r *http.Request) error {
	namespace, err := decodeNamespace(w, r)
	if err != nil {
		return err
	}
	if namespace.Name == a.defaultNamespace() {
		return function.Conflict("namespace %q is the default one, which always exists: delete its functions and secrets instead", namespace.Name)
	}
	if err := a.Fleet.DeleteNamespace(r.Context(), namespace.Name); err != nil {
		return err
	}
	w.WriteHeader(http.StatusAccepted)
	return nil
}

// decodeNamespace reads a namespace whose name is valid. The name may stand in
// the path, in the body, or in both; a body is needed only where the path names
// nothing, and for PUT, where a missing one would silently clear the labels.
func decodeNamespace(w http.ResponseWriter, r *http.Request) (function.Namespace, error) {
	body, err := readBody(w, r, maxBody)
	if err != nil {
		return function.Namespace{}, err
	}
	var sent types.FunctionNamespace
	if len(body) > 0 || pathName(r) == "" || r.Method == http.MethodPut {
		if err := decode(body, &sent); err != nil {
			return function.Namespace{}, err
		}
	}
	if sent.Name == "" {
		sent.Name = pathName(r)
	}
	if path := pathName(r); path != "" && path != sent.Name {
		return function.Namespace{}, function.Invalid("name", "the path says %q and the body %q: name one", path, sent.Name)
	}
	if err := function.ValidateNamespace(sent.Name); err != nil {
		return function.Namespace{}, err
	}
	return function.Namespace{Name: sent.Name, Labels: sent.Labels, Annotations: sent.Annotations}, nil
}
