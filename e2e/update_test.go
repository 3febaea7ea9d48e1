package e2e

import (
	"context"
	"net/http"
	"strings"
	"testing"

	"github.com/openfaas/faas-provider/types"

	"faas-docker/function"
)

// crashing is an update that never comes to answer.
func crashing(spec types.FunctionDeployment) types.FunctionDeployment {
	spec.EnvVars = map[string]string{"crash_on_start": "1"}
	return spec
}

func TestUpdate_ThatFailsKeepsWhatServesAliveAndCanBeTakenBack(t *testing.T) {
	t.Parallel()
	h := patient(t)
	spec := h.spec(t, "crash")
	h.deploy(t, spec)
	serving := h.container(t, spec.Service)
	if code, err := h.sdk.Update(t.Context(), crashing(spec)); err != nil {
		t.Fatalf("update: %d %v", code, err)
	}
	h.await(t, spec.Service, "the reason", func(s status) bool { return strings.Contains(s.Reason, "exited with code 7") })
	h.get(t, "/function/"+spec.Service).wants(t, http.StatusOK, "still alive")

	docker(t, "kill", serving)
	eventually(t, "another replica of the revision that serves answers", func() (bool, string) {
		got := h.get(t, "/function/"+spec.Service)
		return got.StatusCode == http.StatusOK, got.body
	})
	h.send(t, http.MethodPost, "/system/rollback/"+spec.Service, nil).wants(t, http.StatusOK)
	s := h.awaitReplicas(t, spec.Service, 1)
	if s.EnvVars["crash_on_start"] != "" {
		t.Error("the status still shows the update that was taken back")
	}
	eventually(t, "nothing is left of the update", func() (bool, string) {
		s := h.status(t, spec.Service)
		return len(h.containers(t, spec.Service)) == 1 && s.Reason == "", s.Reason
	})
}

func TestUpdate_ThatStopsFirstAndExitsIsPausedUntilTheNextDeployment(t *testing.T) {
	t.Parallel()
	h := patient(t)
	spec := h.spec(t, "crash")
	spec.Annotations = &map[string]string{function.AnnotationUpdateOrder: "stop-first", "com.openfaas.rollbak": "5m"}
	h.deploy(t, spec)
	if code, err := h.sdk.Update(t.Context(), crashing(spec)); err != nil {
		t.Fatalf("update: %d %v", code, err)
	}
	h.await(t, spec.Service, "the reason, and a replica of the revision before", func(s status) bool {
		return strings.Contains(s.Reason, "exited with code 7") && strings.Contains(s.Reason, "the update is paused") && s.AvailableReplicas == 1
	})
	h.get(t, "/function/"+spec.Service).wants(t, http.StatusOK, "still alive")
	h.get(t, "/system/logs?name="+spec.Service).wants(t, http.StatusOK, "the update is paused", "com.openfaas.rollbak is not known")

	h.send(t, http.MethodPut, "/system/functions", spec).wants(t, http.StatusOK)
	eventually(t, "the next deployment answers, and all is well", func() (bool, string) {
		s := h.status(t, spec.Service)
		return s.AvailableReplicas == 1 && s.Reason == "", s.Reason
	})
	(*spec.Annotations)["com.openfaas.exposed"] = "routes"
	h.send(t, http.MethodPut, "/system/functions", spec).wants(t, http.StatusBadRequest, "com.openfaas.expose?")
}

// The shared provider waits a second for calls of replicas that are to be stopped;
// the function says that its calls may take longer.
func TestUpdate_WaitsForCallsAsLongAsTheFunctionSays(t *testing.T) {
	t.Parallel()
	h := hasty(t)
	spec := h.spec(t, "sleep")
	spec.Annotations = &map[string]string{function.PolicyTimeout: "30s", function.PolicyHeadTimeout: "30s"}
	h.deploy(t, spec)
	first := h.container(t, spec.Service)
	type outcome struct {
		answer
		err error
	}
	called := make(chan outcome, 1)
	ctx, cancel := context.WithTimeout(t.Context(), soon)
	defer cancel()
	go func() {
		got, err := h.try(ctx, request{method: http.MethodPost, path: "/function/" + spec.Service + "?d=4s"})
		called <- outcome{got, err}
	}()
	eventually(t, "the call is in flight", func() (bool, string) {
		return h.provider.View().Resolver.Load(function.Name{Name: spec.Service, Namespace: defaultNS}).InFlight == 1, ""
	})
	spec.EnvVars = map[string]string{"again": "1"}
	if code, err := h.sdk.Update(t.Context(), spec); err != nil {
		t.Fatalf("update: %d %v", code, err)
	}
	if got := <-called; got.err != nil || got.StatusCode != http.StatusOK {
		t.Errorf("a call of 4 s through an update: %v, %v", got.Response, got.err)
	}
	eventually(t, "the old replica is stopped", func() (bool, string) {
		left := h.containers(t, spec.Service)
		return len(left) == 1 && left[0] != first, strings.Join(left, " ")
	})
}
