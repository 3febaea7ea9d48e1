package handlers

import (
	"net/http"
	"time"

	"faas-docker/function"
)

// Rollback goes back to the revision that served before the last update. OpenFaaS
// has no such call: the route is ours.
func (a *API) Rollback() http.HandlerFunc { return a.adapt(a.rollback) }

func (a *API) rollback(w http.ResponseWriter, r *http.Request) error {
	name, err := a.target(r, pathName(r), "")
	if err != nil {
		return err
	}
	if err := a.Fleet.Rollback(r.Context(), name); err != nil {
		return err
	}
	w.WriteHeader(http.StatusOK)
	return nil
}

// wayBack says in a status what a rollback would lead to.
type wayBack struct {
	Image string `json:"image"`
	// Replicas is how many of them are there.
	Replicas int `json:"replicas"`
	// Until is when they are given up; missing while they still serve.
	Until *time.Time `json:"until,omitempty"`
}

// encodeWayBack returns nil when there is nothing to go back to.
func encodeWayBack(s function.Status) *wayBack {
	if s.Kept == 0 || s.Previous == nil {
		return nil
	}
	way := &wayBack{Image: s.Previous.Spec.Image, Replicas: s.Kept}
	if !s.Previous.Serving() {
		way.Until = &s.Previous.Until
	}
	return way
}
