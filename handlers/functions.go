package handlers

import (
	"context"
	"net/http"
	"strings"

	"github.com/openfaas/faas-provider/types"

	"faas-docker/function"
)

// functionsAPI are the operations on functions.
type functionsAPI struct{ *API }

// list answers with the functions of one namespace.
func (a functionsAPI) list(w http.ResponseWriter, r *http.Request) error {
	namespace, err := a.namespaceOf(r, "", "")
	if err != nil {
		return err
	}
	found := a.Fleet.List(namespace)
	verbatim := comparesLabels(r)
	statuses := make([]functionStatus, 0, len(found)) // never null: clients range over it
	for _, s := range found {
		status := encodeStatus(s)
		if verbatim {
			status.Labels = notNil(s.Labels)
		}
		statuses = append(statuses, status)
	}
	return writeJSON(w, http.StatusOK, statuses)
}

// comparesLabels reports whether the caller holds the labels of a list against those that
// it deployed with, as faas-cli diff does: a label that the provider has added would be a
// difference. Other clients expect it.
func comparesLabels(r *http.Request) bool {
	return strings.HasPrefix(r.UserAgent(), "faas-cli/")
}

// deploy creates a function. For one that exists the Fleet answers ErrConflict. The answer
// is always 202: faas-cli takes a 200 to mean that the function existed before.
func (a functionsAPI) deploy(w http.ResponseWriter, r *http.Request) error {
	return a.deployWith(w, r, a.Fleet.Create, http.StatusAccepted)
}

// update replaces a function. For one that does not exist the Fleet answers
// ErrNotFound, upon which faas-cli sends the same again as a deploy.
func (a functionsAPI) update(w http.ResponseWriter, r *http.Request) error {
	return a.deployWith(w, r, a.Fleet.Update, http.StatusOK)
}

// deployWith answers success when the image is in place.
func (a functionsAPI) deployWith(w http.ResponseWriter, r *http.Request, act func(context.Context, function.Spec) (bool, error), success int) error {
	spec, err := read[function.Spec](w, r)
	if err != nil {
		return err
	}
	if spec.Namespace, err = a.namespaceOf(r, "", spec.Namespace); err != nil {
		return err
	}
	if err := spec.Validate(); err != nil {
		return err
	}
	ready, err := act(r.Context(), spec)
	if err != nil || ready {
		return done(w, success, err)
	}
	// One line for people; programs ignore it.
	writeText(w, http.StatusAccepted, "the image is still being fetched: GET /system/function/"+spec.Name+"?namespace="+spec.Namespace+" tells when the function is ready\n")
	return nil
}

// remove deletes a function.
func (a functionsAPI) remove(w http.ResponseWriter, r *http.Request) error {
	request, err := read[types.DeleteFunctionRequest](w, r)
	if err != nil {
		return err
	}
	if request.FunctionName == "" {
		return function.Invalid("functionName", "missing: want the name of the function to delete")
	}
	name, err := a.target(r, request.FunctionName, request.Namespace)
	if err != nil {
		return err
	}
	return done(w, http.StatusAccepted, a.Fleet.Delete(r.Context(), name))
}
