package handlers

import (
	"context"
	"io"
	"net/http"

	"github.com/openfaas/faas-provider/types"

	"faas-docker/function"
)

// list answers with the functions of one namespace.
func (a *API) list(w http.ResponseWriter, r *http.Request) error {
	namespace, err := a.namespaceOf(r, "", "")
	if err != nil {
		return err
	}
	found := a.Fleet.List(namespace)
	statuses := make([]functionStatus, 0, len(found)) // never null: clients range over it
	for _, s := range found {
		statuses = append(statuses, encodeStatus(s))
	}
	return writeJSON(w, http.StatusOK, statuses)
}

// deploy creates a function. For one that exists the Fleet answers ErrConflict.
func (a *API) deploy(w http.ResponseWriter, r *http.Request) error {
	return a.deployWith(w, r, a.Fleet.Create)
}

// update replaces a function. For one that does not exist the Fleet answers
// ErrNotFound, upon which faas-cli sends the same again as a deploy.
func (a *API) update(w http.ResponseWriter, r *http.Request) error {
	return a.deployWith(w, r, a.Fleet.Update)
}

func (a *API) deployWith(w http.ResponseWriter, r *http.Request, act func(context.Context, function.Spec) (bool, error)) error {
	body, err := readBody(w, r, maxBody)
	if err != nil {
		return err
	}
	spec, err := decodeSpec(body)
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
	if err != nil {
		return err
	}
	if ready {
		w.WriteHeader(http.StatusOK)
		return nil
	}
	return accepted(w, "the image is still being fetched: GET /system/function/"+spec.Name+"?namespace="+spec.Namespace+" tells when the function is ready")
}

// remove deletes a function.
func (a *API) remove(w http.ResponseWriter, r *http.Request) error {
	body, err := readBody(w, r, maxBody)
	if err != nil {
		return err
	}
	var request types.DeleteFunctionRequest
	if err := decode(body, &request); err != nil {
		return err
	}
	if request.FunctionName == "" {
		return function.Invalid("functionName", "missing: want the name of the function to delete")
	}
	name, err := a.target(r, request.FunctionName, request.Namespace)
	if err != nil {
		return err
	}
	if err := a.Fleet.Delete(r.Context(), name); err != nil {
		return err
	}
	w.WriteHeader(http.StatusAccepted)
	return nil
}

// accepted answers 202 with one line for people; programs ignore it.
func accepted(w http.ResponseWriter, text string) error {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.WriteHeader(http.StatusAccepted)
	_, _ = io.WriteString(w, text+"\n") // the caller left: nobody is there to be told
	return nil
}

// decodeSpec reads a deployment. The namespace is as it was sent, perhaps empty,
// and nothing is validated.
func decodeSpec(body []byte) (function.Spec, error) {
	var sent types.FunctionDeployment
	if err := decode(body, &sent); err != nil {
		return function.Spec{}, err
	}
	return function.Spec{
		Name:                   sent.Service,
		Namespace:              sent.Namespace,
		Image:                  sent.Image,
		EnvProcess:             sent.EnvProcess,
		EnvVars:                sent.EnvVars,
		Constraints:            sent.Constraints,
		Secrets:                sent.Secrets,
		Labels:                 mapOf(sent.Labels),
		Annotations:            mapOf(sent.Annotations),
		Limits:                 decodeResources(sent.Limits),
		Requests:               decodeResources(sent.Requests),
		ReadOnlyRootFilesystem: sent.ReadOnlyRootFilesystem,
	}, nil
}

func mapOf(m *map[string]string) map[string]string {
	if m == nil {
		return nil
	}
	return *m
}

func decodeResources(r *types.FunctionResources) *function.Resources {
	if r == nil {
		return nil
	}
	return &function.Resources{Memory: r.Memory, CPU: r.CPU, NvidiaGPU: r.NvidiaGPU, AMDGPU: r.AmdGPU, IntelGPU: r.IntelGPU}
}
