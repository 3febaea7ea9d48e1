package e2e

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"
)

// frozen counts the paused containers of a function.
func (h *host) frozen(t testing.TB, name string) int {
	t.Helper()
	return len(strings.Fields(docker(t, "ps", "-q", "--filter", "status=paused",
		"--filter", "label=com.openfaas.provider="+h.network, "--filter", "label=com.openfaas.function="+name)))
}

func (h *host) awaitFrozen(t testing.TB, name string, count int) {
	t.Helper()
	eventually(t, fmt.Sprintf("%d replicas of %s are frozen", count, name), func() (bool, string) {
		now := h.frozen(t, name)
		return now == count, fmt.Sprint(now)
	})
}

func TestFreeze_IdleReplicasArePausedAndTheNextCallThawsThem(t *testing.T) {
	t.Parallel()
	h := patient(t)
	spec := h.spec(t, "echo")
	spec.Labels = &map[string]string{"com.openfaas.scale.freeze-duration": "100ms", "com.openfaas.scale.min": "1", "com.openfaas.scale.max": "1"}
	h.deploy(t, spec)
	h.do(t, request{method: http.MethodPost, path: "/function/" + spec.Service, body: "warm"}).wants(t, http.StatusOK, "warm")
	h.awaitFrozen(t, spec.Service, 1)
	id := h.container(t, spec.Service)
	began := time.Now()
	if failed := h.callMany(t, "/function/"+spec.Service, 100, 100); failed > 0 {
		t.Errorf("%d of 100 simultaneous calls of a frozen function failed", failed)
	}
	t.Logf("100 simultaneous callers of a frozen function were answered in %s", time.Since(began).Round(time.Millisecond))
	if now := h.container(t, spec.Service); now != id {
		t.Error("the replica was replaced instead of thawed")
	}
	h.awaitFrozen(t, spec.Service, 1)
}

func TestFreeze_OneThatHandsHaveThawedIsFrozenAgain(t *testing.T) {
	t.Parallel()
	h := patient(t)
	spec := h.spec(t, "echo")
	spec.Labels = &map[string]string{"com.openfaas.scale.freeze-duration": "300ms", "com.openfaas.scale.min": "1", "com.openfaas.scale.max": "1"}
	h.deploy(t, spec)
	// What hands do before the provider has taken note is found only when everything is
	// listed again, so its log is awaited, too.
	freezes := func() int { return strings.Count(h.log.about(0, spec.Service), "replica frozen") }
	awaitFreeze := func(before int) {
		t.Helper()
		eventually(t, fmt.Sprintf("it is frozen, and not for the first %d times", before), func() (bool, string) {
			// The engine first: whatever thawed it before it was paused is in the log by then.
			paused := docker(t, "inspect", "-f", "{{.State.Paused}}", h.container(t, spec.Service)) == "true"
			log := h.log.about(0, spec.Service)
			noted := strings.LastIndex(log, "replica frozen") > strings.LastIndex(log, "replica thawed")
			return paused && noted && strings.Count(log, "replica frozen") > before, log
		})
	}
	awaitFreeze(0)
	id := h.container(t, spec.Service)
	before := freezes()
	docker(t, "unpause", id)
	h.do(t, request{method: http.MethodPost, path: "/function/" + spec.Service, body: "awake"}).wants(t, http.StatusOK, "awake")
	awaitFreeze(before)
	before = freezes()
	docker(t, "unpause", id)
	awaitFreeze(before)
	if now := h.container(t, spec.Service); now != id {
		t.Error("the replica was replaced")
	}
}

func TestFreeze_SparesAreKeptFrozen(t *testing.T) {
	t.Parallel()
	h := patient(t)
	spec := h.spec(t, "echo")
	spec.Labels = &map[string]string{"com.openfaas.scale.standby": "2"}
	h.deploy(t, spec)
	h.awaitFrozen(t, spec.Service, 2)
	if running := len(h.containers(t, spec.Service)); running != 3 {
		t.Errorf("%d containers, want one that runs and two spares", running)
	}
}
