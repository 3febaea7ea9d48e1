package handlers

import (
	"cmp"
	"errors"
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
	// faas-cli diff holds the labels of a list against those that it deployed with: the label
	// that the provider adds would be a difference. Other clients expect it.
	verbatim := strings.HasPrefix(r.UserAgent(), "faas-cli/")
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

// deploy creates a function, or with PUT replaces one. For one that does not exist the Fleet
// answers a PUT with ErrNotFound, upon which faas-cli sends the same again as a POST.
func (a functionsAPI) deploy(w http.ResponseWriter, r *http.Request) error {
	// A POST is always a 202: faas-cli takes a 200 to mean that the function existed before.
	act, success := a.Fleet.Create, http.StatusAccepted
	if r.Method == http.MethodPut {
		act, success = a.Fleet.Update, http.StatusOK
	}
	spec, err := read[function.Spec](w, r, maxBody)
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
	request, err := read[types.DeleteFunctionRequest](w, r, maxBody)
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

// maxReplicas bounds a wish that can only be a slip of the finger.
const maxReplicas = 1000

// scaleRequest is types.ScaleServiceRequest with a count that can be missing, which is not zero.
type scaleRequest struct {
	Replicas  *int64 `json:"replicas"`
	Namespace string `json:"namespace"`
}

// scale sets how many replicas should run. The serviceName in the body is not looked at.
func (a functionsAPI) scale(w http.ResponseWriter, r *http.Request) error {
	request, err := read[scaleRequest](w, r, maxBody)
	if err != nil {
		return err
	}
	if request.Replicas == nil {
		return function.Invalid("replicas", "missing: want a whole number from 0 to %d", maxReplicas)
	}
	if *request.Replicas < 0 || *request.Replicas > maxReplicas {
		return function.Invalid("replicas", "%d: want a whole number from 0 to %d", *request.Replicas, maxReplicas)
	}
	name, err := a.target(r, pathName(r), request.Namespace)
	if err != nil {
		return err
	}
	return done(w, http.StatusAccepted, a.Fleet.Scale(r.Context(), name, int(*request.Replicas)))
}

// rollback goes back to the revision that served before the last update.
func (a functionsAPI) rollback(w http.ResponseWriter, r *http.Request) error {
	name, err := a.target(r, pathName(r), "")
	if err != nil {
		return err
	}
	return done(w, http.StatusOK, a.Fleet.Rollback(r.Context(), name))
}

// alertRequest is what Prometheus' AlertManager sends, as far as it says which function is meant.
type alertRequest struct {
	Status string `json:"status"`
	Alerts []struct {
		Status string `json:"status"`
		Labels struct {
			FunctionName string `json:"function_name"`
		} `json:"labels"`
	} `json:"alerts"`
}

// alert scales functions as the OpenFaaS gateway does at /system/alert: one step up while an alert
// fires, and back to the minimum when it is resolved. Alerts for functions that are not deployed,
// or that name none, are passed over: one stale alert must not keep others from counting.
func (a functionsAPI) alert(w http.ResponseWriter, r *http.Request) error {
	request, err := read[alertRequest](w, r, maxBody)
	if err != nil {
		return err
	}
	for _, alert := range request.Alerts {
		if alert.Labels.FunctionName == "" {
			continue
		}
		name := function.ParseName(alert.Labels.FunctionName, a.fallback())
		err := a.Fleet.Alert(r.Context(), name, cmp.Or(alert.Status, request.Status) == "firing")
		if err != nil && !errors.Is(err, function.ErrNotFound) {
			return err
		}
	}
	return done(w, http.StatusOK, nil)
}
