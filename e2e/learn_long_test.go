//go:build long

package e2e

import (
	"net/http"
	"testing"
	"time"

	"faas-docker/function"
)

// TestLearn_AFunctionIsAwakeJustBeforeItsUsualTime calls two functions every three
// seconds. Both are frozen after a second; one of them learns.
func TestLearn_AFunctionIsAwakeJustBeforeItsUsualTime(t *testing.T) {
	const (
		period  = 3 * time.Second
		lessons = 14
		proofs  = 8
	)
	h := patient(t)
	names := map[string]string{}
	for kind, learn := range map[string]string{"learning": "1s", "other": "false"} {
		spec := h.spec(t, "echo")
		spec.Labels = &map[string]string{
			"com.openfaas.scale.freeze-duration": "1s", "com.openfaas.scale.max": "1", "com.openfaas.scale.learn": learn,
		}
		h.deploy(t, spec)
		names[kind] = spec.Service
	}
	awake, rested := map[string]int{}, map[string]int{}
	beat := time.NewTicker(period)
	defer beat.Stop()
	for round := range lessons + proofs {
		rests := map[string]bool{}
		for due := false; !due; {
			for kind, name := range names {
				rests[kind] = rests[kind] || h.isAsleep(t, name)
			}
			select {
			case <-beat.C:
				due = true
			case <-time.After(20 * time.Millisecond):
			}
		}
		for kind, name := range names {
			if round >= lessons {
				awake[kind] += count(!h.isAsleep(t, name))
				rested[kind] += count(rests[kind])
			}
			h.do(t, request{method: http.MethodPost, path: "/function/" + name, body: "hello"}).wants(t, http.StatusOK, "hello")
		}
	}
	t.Logf("of %d times the function that learns was frozen between calls %d times, and awake before the next %d times; the other one %d and %d times",
		proofs, rested["learning"], awake["learning"], rested["other"], awake["other"])
	if rested["learning"] < proofs-1 || awake["learning"] < proofs-1 {
		t.Error("want it to rest between calls, and to be awake before them, all times but one")
	}
	if awake["other"] > 0 {
		t.Error("what does not learn was awake, too: this test shows nothing")
	}
}

func (h *host) isAsleep(t *testing.T, name string) bool {
	t.Helper()
	members := h.provider.View().Resolver.Members(function.Name{Name: name, Namespace: defaultNS})
	if len(members) != 1 {
		t.Fatalf("%s has %d replicas, want one", name, len(members))
	}
	return members[0].IsCold() || members[0].IsThawing()
}

func count(yes bool) int {
	if yes {
		return 1
	}
	return 0
}
