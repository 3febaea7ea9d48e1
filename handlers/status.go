package handlers

import (
	"context"
	"maps"
	"net/http"
	"strconv"
	"time"

	"github.com/openfaas/faas-provider/types"

	"faas-docker/function"
)

// usageTimeout bounds a measurement: a busy engine costs a description its usage, not its answer.
const usageTimeout = 5 * time.Second

// functionStatus is OpenFaaS's status with further fields.
type functionStatus struct {
	types.FunctionStatus
	// Reason says why fewer replicas answer than should, or what an update waits for.
	Reason string `json:"reason,omitempty"`
	// Rollback says what one call to /system/rollback/ would go back to.
	Rollback *wayBack `json:"rollback,omitempty"`
}

// status answers for one function. It asks the engine only for the usage, if that is wanted:
// gateways poll this route while they wait for a function to wake.
func (a functionsAPI) status(w http.ResponseWriter, r *http.Request) error {
	name, err := a.target(r, pathName(r), "")
	if err != nil {
		return err
	}
	found, err := a.Fleet.Status(name)
	if err != nil {
		return err
	}
	answer := encodeStatus(found)
	if wanted, _ := strconv.ParseBool(parameter(r, "usage")); wanted {
		answer.Usage = a.usage(r.Context(), name)
	}
	return writeJSON(w, http.StatusOK, answer)
}

// usage returns nil when it cannot be measured: a status is worth having without it.
func (a functionsAPI) usage(ctx context.Context, name function.Name) *types.FunctionUsage {
	ctx, cancel := context.WithTimeout(ctx, usageTimeout)
	defer cancel()
	usage, err := a.Engine.Usage(ctx, name)
	if err != nil {
		a.logger().Warn("usage not measured", "function", name.String(), "err", err)
		return nil
	}
	return &types.FunctionUsage{CPU: usage.Millicores, TotalMemoryBytes: usage.MemoryBytes}
}

// encodeStatus keeps the deployment as it was sent, so that faas-cli diff finds no
// difference, and adds the label that every other OpenFaaS provider adds. Labels and
// annotations are never null: clients follow the pointers without looking.
func encodeStatus(s function.Status) functionStatus {
	return functionStatus{
		FunctionStatus: types.FunctionStatus{
			Name:                   s.Name,
			Namespace:              s.Namespace,
			Image:                  s.Image,
			EnvProcess:             s.EnvProcess,
			EnvVars:                s.EnvVars,
			Constraints:            s.Constraints,
			Secrets:                s.Secrets,
			Labels:                 labelled(s.Spec),
			Annotations:            notNil(s.Annotations),
			Limits:                 (*types.FunctionResources)(s.Limits),
			Requests:               (*types.FunctionResources)(s.Requests),
			ReadOnlyRootFilesystem: s.ReadOnlyRootFilesystem,
			InvocationCount:        float64(s.Invocations),
			Replicas:               uint64(s.Replicas),
			AvailableReplicas:      uint64(s.Available()),
			CreatedAt:              s.CreatedAt,
		},
		Reason:   s.Reason,
		Rollback: encodeWayBack(s),
	}
}

// labelled returns the labels of a function with the one by which tools select functions.
func labelled(spec function.Spec) *map[string]string {
	labels := notNil(maps.Clone(spec.Labels))
	(*labels)[function.LabelFaaS] = spec.Name
	return labels
}

func notNil(m map[string]string) *map[string]string {
	if m == nil {
		m = map[string]string{}
	}
	return &m
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
