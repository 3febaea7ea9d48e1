package handlers

import (
	"net/http"
	"time"

	"faas-docker/function"
)

// rollback goes back to the revision that served before the last update.
func (a functionsAPI) rollback(w http.ResponseWriter, r *http.Request) error {
	name, err := a.target(r, pathName(r), "")
	if err != nil {
		return err
	}
	return done(w, http.StatusOK, a.Fleet.Rollback(r.Context(), name))
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
