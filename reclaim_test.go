package main

import (
	"net/http"
	"testing"

	"github.com/openfaas/faas-provider/types"

	"faas-docker/scale"
)

// What the machine that runs the tests can do decides which half is shown.
func TestReclaim_IsAcceptedWhereThereIsSwapAndElseRefusedWithTheReason(t *testing.T) {
	t.Parallel()
	h := patient(t)
	spec := h.spec(t, "echo")
	spec.Labels = &map[string]string{scale.LabelReclaim: "true", scale.LabelFreezeDuration: "1s"}
	h.send(t, http.MethodPost, "/system/functions", spec).wants(t, http.StatusBadRequest, "limits.memory")
	spec.Limits = &types.FunctionResources{Memory: "64Mi"}
	swap, err := h.provider.engine.Swap(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	refusal := scale.CannotReclaim(swap)
	if refusal == "" {
		h.send(t, http.MethodPost, "/system/functions", spec).wants(t, http.StatusOK)
		return
	}
	h.send(t, http.MethodPost, "/system/functions", spec).wants(t, http.StatusBadRequest, scale.LabelReclaim, refusal)
	h.get(t, "/system/function/"+spec.Service).wants(t, http.StatusNotFound)
}
