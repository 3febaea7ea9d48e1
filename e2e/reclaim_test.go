package e2e

import (
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/openfaas/faas-provider/types"

	"faas-docker/fleet/scale"
)

// What the machine that runs the tests can do decides which half is shown.
func TestReclaim_IsAcceptedWhereThereIsSwapAndElseRefusedWithTheReason(t *testing.T) {
	t.Parallel()
	h := patient(t)
	spec := h.spec(t, "echo")
	spec.Labels = &map[string]string{scale.LabelReclaim: "true", scale.LabelFreezeDuration: "1s"}
	h.send(t, http.MethodPost, "/system/functions", spec).wants(t, http.StatusBadRequest, "limits.memory")
	spec.Limits = &types.FunctionResources{Memory: "64Mi"}
	swap, err := h.provider.View().Engine.Swap(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	refusal := scale.CannotReclaim(swap)
	if refusal == "" {
		h.send(t, http.MethodPost, "/system/functions", spec).wants(t, http.StatusAccepted)
		return
	}
	h.send(t, http.MethodPost, "/system/functions", spec).wants(t, http.StatusBadRequest, scale.LabelReclaim, refusal)
	h.get(t, "/system/function/"+spec.Service).wants(t, http.StatusNotFound)
}

// TestReclaim_MemoryGoesToSwapAndComesBack freezes a function that holds 100 MiB, for
// long enough that the host takes them, and calls it again.
func TestReclaim_MemoryGoesToSwapAndComesBack(t *testing.T) {
	t.Parallel()
	h := ownHost(t, nil)
	swap, err := h.provider.View().Engine.Swap(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if refusal := scale.CannotReclaim(swap); refusal != "" {
		t.Skip(refusal)
	}
	if _, refusal := scale.ReclaimTo(swap, 256<<20, 128<<20); refusal != "" {
		t.Skip(refusal)
	}
	spec := h.spec(t, "probe")
	spec.Limits = &types.FunctionResources{Memory: "256Mi"}
	spec.Labels = &map[string]string{
		scale.LabelReclaim: "3s", scale.LabelFreezeDuration: "2s", scale.LabelMin: "1", scale.LabelMax: "1",
	}
	h.deploy(t, spec)
	h.get(t, "/function/"+spec.Service+"/hold?mib=100").wants(t, http.StatusOK)
	id := h.container(t, spec.Service)
	before := h.memory(t, id)
	if before < 100 {
		t.Fatalf("it holds %d MiB, want at least the 100 that it filled", before)
	}
	after := before
	eventually(t, "most of its memory is on swap", func() (bool, string) {
		after = h.memory(t, id)
		return after < before/3, fmt.Sprintf("%d MiB of %d", after, before)
	})

	began := time.Now()
	h.get(t, "/function/"+spec.Service+"/env").wants(t, http.StatusOK)
	first := time.Since(began)
	h.get(t, "/function/"+spec.Service+"/held").wants(t, http.StatusOK, fmt.Sprint(100<<20))
	t.Logf("it held %d MiB, then %d; the first answer took %s, and with all of its memory read %s",
		before, after, first.Round(time.Millisecond), (time.Since(began) - first).Round(time.Millisecond))
	if now := h.container(t, spec.Service); now != id {
		t.Error("the replica was replaced")
	}
	if limit := docker(t, "inspect", "--format", "{{.HostConfig.Memory}}", id); limit != fmt.Sprint(256<<20) {
		t.Errorf("its limit is %s bytes, want the 256 MiB of its spec", limit)
	}
}

// memory is how many MiB a replica has in memory.
func (h *host) memory(t *testing.T, id string) int64 {
	t.Helper()
	bytes, err := h.provider.View().Engine.Memory(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	return bytes >> 20
}
