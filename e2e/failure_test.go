package e2e

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/openfaas/faas-provider/types"

	"faas-docker/engine/enginetest"
)

func (a answer) isOurs(t testing.TB) {
	t.Helper()
	if a.Header.Get("X-OpenFaaS-Internal") != "proxy" {
		t.Errorf("%s: X-OpenFaaS-Internal is %q, want proxy", a.Request.URL, a.Header.Get("X-OpenFaaS-Internal"))
	}
	if strings.Count(strings.TrimSpace(a.body), "\n") != 0 || !strings.HasPrefix(a.Header.Get("Content-Type"), "text/plain") {
		t.Errorf("%s: not one line of text: %q", a.Request.URL, a.body)
	}
}

func TestInvoke_FailuresSayWhatIsWrong(t *testing.T) {
	t.Parallel()
	h := hasty(t)
	slow, crash, cut := h.spec(t, "sleep"), h.spec(t, "crash"), h.spec(t, "crash")
	for _, spec := range []types.FunctionDeployment{slow, crash, cut} {
		h.deploy(t, spec)
	}
	t.Run("404 unknown function", func(t *testing.T) {
		h.get(t, "/function/nobody-knows-it/x").wants(t, http.StatusNotFound, "nobody-knows-it").isOurs(t)
	})
	t.Run("504 too slow", func(t *testing.T) {
		h.get(t, "/function/"+slow.Service+"?d=5s").wants(t, http.StatusGatewayTimeout, slow.Service, "1s").isOurs(t)
		h.get(t, "/function/"+slow.Service+"?d=1ms").wants(t, http.StatusOK)
	})
	t.Run("502 died", func(t *testing.T) {
		h.do(t, request{method: http.MethodPost, path: "/function/" + crash.Service + "/exit?code=3"}).wants(t, http.StatusBadGateway, crash.Service).isOurs(t)
	})
	t.Run("cut in the middle", func(t *testing.T) {
		got, err := h.try(t.Context(), request{method: http.MethodGet, path: "/function/" + cut.Service + "/cut"})
		if err == nil {
			t.Errorf("%d with %d bytes looks whole", got.StatusCode, len(got.body))
		}
	})
}

// A function that never becomes ready is answered for: 503 and how long to wait.
func TestInvoke_NoReplicaIs503(t *testing.T) {
	t.Parallel()
	h := hasty(t)
	spec := h.spec(t, "crash")
	spec.EnvVars = map[string]string{"deaf": "1"}
	h.send(t, http.MethodPost, "/system/functions", spec)
	h.get(t, "/function/"+spec.Service).wants(t, http.StatusServiceUnavailable, spec.Service).isOurs(t)
}

func TestInvoke_CrashedReplicaIsReplaced(t *testing.T) {
	t.Parallel()
	h := patient(t)
	spec := h.spec(t, "crash")
	h.deploy(t, spec)
	old := h.container(t, spec.Service)
	h.do(t, request{method: http.MethodPost, path: "/function/" + spec.Service + "/exit?code=3"}).wants(t, http.StatusBadGateway, spec.Service)
	h.get(t, "/function/"+spec.Service).wants(t, http.StatusOK, "still alive")
	eventually(t, "another container took its place", func() (bool, string) {
		ids := h.containers(t, spec.Service)
		return len(ids) == 1 && ids[0] != old, fmt.Sprint(ids)
	})
	h.get(t, "/system/logs?name="+spec.Service).wants(t, http.StatusOK, "code 3", "asked to exit")
}

// Docker gives the address of a container that died to the next one that starts,
// which may be another function's.
func TestInvoke_NeverReachesAnotherFunction(t *testing.T) {
	t.Parallel()
	h := startHost(t, enginetest.Network(t), nil)
	mine := h.spec(t, "crash")
	h.deploy(t, mine)
	for round := range 3 {
		h.awaitReplicas(t, mine.Service, 1)
		_, _ = h.try(t.Context(), request{method: http.MethodPost, path: "/function/" + mine.Service + "/exit?code=3"})
		other := h.spec(t, "env")
		h.deploy(t, other)
		for range 20 {
			got := h.get(t, "/function/"+mine.Service)
			if strings.Contains(got.body, "OPENFAAS_NAME="+other.Service) {
				t.Fatalf("round %d: a call of %s was answered by %s", round, mine.Service, other.Service)
			}
		}
	}
}
