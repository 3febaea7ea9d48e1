package e2e

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"faas-docker/engine/enginetest"
	"faas-docker/function"
)

// wayBack is what a status says of a rollback.
type wayBack struct {
	Rollback struct {
		Image    string    `json:"image"`
		Replicas int       `json:"replicas"`
		Until    time.Time `json:"until"`
	} `json:"rollback"`
}

func (h *host) wayBack(t testing.TB, name string) wayBack {
	t.Helper()
	var way wayBack
	body := h.get(t, "/system/function/"+name).wants(t, http.StatusOK).body
	if err := json.Unmarshal([]byte(body), &way); err != nil {
		t.Fatal(err)
	}
	return way
}

func TestRollback_OneCallGoesBackToTheFrozenRevision(t *testing.T) {
	t.Parallel()
	h := patient(t)
	spec := h.spec(t, "env")
	h.send(t, http.MethodPost, "/system/rollback/"+spec.Service, nil).wants(t, http.StatusNotFound, spec.Service)
	spec.EnvVars = map[string]string{"colour": "red"}
	h.deploy(t, spec)
	red := h.container(t, spec.Service)
	h.send(t, http.MethodPost, "/system/rollback/"+spec.Service, nil).wants(t, http.StatusConflict, function.AnnotationRollback)

	spec.EnvVars = map[string]string{"colour": "blue"}
	spec.Annotations = &map[string]string{function.AnnotationRollback: "10m"}
	if code, err := h.sdk.Update(t.Context(), spec); err != nil {
		t.Fatalf("update: %d %v", code, err)
	}
	h.awaitFrozen(t, spec.Service, 1)
	if got := h.get(t, "/function/"+spec.Service).wants(t, http.StatusOK).body; !strings.Contains(got, "colour=blue\n") {
		t.Fatalf("after the update: %s", got)
	}
	eventually(t, "the status shows the way back", func() (bool, string) {
		way := h.wayBack(t, spec.Service).Rollback
		return way.Replicas == 1 && way.Image == spec.Image && time.Until(way.Until) > time.Minute, ""
	})

	began := time.Now()
	h.send(t, http.MethodPost, "/system/rollback/"+spec.Service, nil).wants(t, http.StatusOK)
	if got := h.get(t, "/function/"+spec.Service).wants(t, http.StatusOK).body; !strings.Contains(got, "colour=red\n") {
		t.Errorf("after the rollback: %s", got)
	}
	t.Logf("back within %s", time.Since(began).Round(100*time.Microsecond))
	eventually(t, "only the revision gone back to is left", func() (bool, string) {
		left := h.containers(t, spec.Service)
		return len(left) == 1 && left[0] == red, strings.Join(left, " ")
	})
}

// Both revisions are frozen when the store is lost: nothing tells them apart but what
// the rollback has written on them.
func TestRollback_IsKnownToAProviderThatHasLostItsStore(t *testing.T) {
	t.Parallel()
	network := enginetest.Network(t)
	h := startHost(t, network, nil)
	spec := h.spec(t, "env")
	spec.Labels = &map[string]string{"com.openfaas.scale.freeze-duration": "100ms", "com.openfaas.scale.max": "1"}
	spec.Annotations = &map[string]string{function.AnnotationRollback: "10m"}
	spec.EnvVars = map[string]string{"colour": "red"}
	h.deploy(t, spec)
	spec.EnvVars = map[string]string{"colour": "blue"}
	if code, err := h.sdk.Update(t.Context(), spec); err != nil {
		t.Fatalf("update: %d %v", code, err)
	}
	h.awaitFrozen(t, spec.Service, 2)
	h.send(t, http.MethodPost, "/system/rollback/"+spec.Service, nil).wants(t, http.StatusOK)
	h.get(t, "/function/"+spec.Service).wants(t, http.StatusOK, "colour=red\n")
	h.awaitFrozen(t, spec.Service, 2)
	eventually(t, "what was left is marked", func() (bool, string) {
		names := docker(t, "ps", "--format", "{{.Names}}", "--filter", "label=com.openfaas.function="+spec.Service)
		return strings.Count(names, ".left") == 1, names
	})
	if err := h.stop(); err != nil {
		t.Fatal(err)
	}

	again := startHost(t, network, nil) // in another data_dir
	t.Cleanup(func() { again.forget(t, spec.Service, defaultNS) })
	again.get(t, "/function/"+spec.Service).wants(t, http.StatusOK, "colour=red\n")
	again.send(t, http.MethodPost, "/system/rollback/"+spec.Service, nil).wants(t, http.StatusOK)
	again.get(t, "/function/"+spec.Service).wants(t, http.StatusOK, "colour=blue\n")
	if all := again.containers(t, spec.Service); len(all) != 2 {
		t.Errorf("%d containers, want the same two as before", len(all))
	}
}
