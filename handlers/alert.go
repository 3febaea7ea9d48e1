package handlers

import (
	"cmp"
	"errors"
	"net/http"

	"faas-docker/function"
)

// alertRequest is what Prometheus' AlertManager sends to a webhook, as far as it
// says which function is meant.
type alertRequest struct {
	Status string `json:"status"`
	Alerts []struct {
		Status string `json:"status"`
		Labels struct {
			FunctionName string `json:"function_name"`
		} `json:"labels"`
	} `json:"alerts"`
}

// alert scales functions as AlertManager's webhook asks for, as the OpenFaaS
// gateway does at /system/alert: one step up while an alert fires, and back to the
// minimum when it is resolved. Alerts for functions that are not deployed, or that
// name none, are passed over: one stale alert must not keep others from counting.
func (a functionsAPI) alert(w http.ResponseWriter, r *http.Request) error {
	request, err := read[alertRequest](w, r)
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
