package handlers

import (
	"net/http"

	"faas-docker/function"
)

// maxReplicas bounds a wish that can only be a slip of the finger.
const maxReplicas = 1000

// scaleRequest is types.ScaleServiceRequest with a count that can be missing: a
// body without one must not mean zero.
type scaleRequest struct {
	Replicas  *int64 `json:"replicas"`
	Namespace string `json:"namespace"`
}

// scale sets how many replicas should run. The function is the one in the path;
// the serviceName in the body repeats it and is not looked at.
func (a functionsAPI) scale(w http.ResponseWriter, r *http.Request) error {
	request, err := read[scaleRequest](w, r)
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
