package e2e

import (
	"fmt"
	"net/http"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"faas-docker/function"
	"faas-docker/proxy/upstream"
)

// TestDeath_CallersOfKilledReplicasSeeNothing kills the only replica of a function,
// and then one of three, while it is called: calls that may be repeated are.
func TestDeath_CallersOfKilledReplicasSeeNothing(t *testing.T) {
	parallelUnlessAlone(t)
	h := ownHost(t, nil)
	for _, replicas := range []uint64{1, 3} {
		t.Run(fmt.Sprintf("one of %d", replicas), func(t *testing.T) {
			spec := h.spec(t, "sleep")
			fixed := fmt.Sprint(replicas)
			spec.Labels = &map[string]string{"com.openfaas.scale.min": fixed, "com.openfaas.scale.max": fixed}
			if code, err := h.sdk.Deploy(t.Context(), spec); err != nil {
				t.Fatalf("deploy: %d %v", code, err)
			}
			h.awaitReplicas(t, spec.Service, replicas)
			load := h.callSteadily(t, 8, request{method: http.MethodGet, path: "/function/" + spec.Service + "?d=5ms"})
			for range 3 {
				engine := engineStarts(t, h.network, spec.Image, 1) // beside the same callers
				before := h.containers(t, spec.Service)
				docker(t, "kill", before[0])
				began := time.Now()
				eventually(t, "another replica took its place", func() (bool, string) {
					s := h.status(t, spec.Service)
					if s.AvailableReplicas != replicas {
						return false, fmt.Sprintf("%d available, reason %q", s.AvailableReplicas, s.Reason)
					}
					now := h.containers(t, spec.Service)
					return !slices.Contains(now, before[0]), fmt.Sprint(now)
				})
				took := time.Since(began)
				t.Logf("replaced after %s; the engine alone starts one in %s", took.Round(time.Millisecond), engine.Round(time.Millisecond))
				if limit := slowed(deathLimit, engine); took > limit {
					t.Errorf("replaced after %s, want %s", took, limit)
				}
			}
			load.wantNoLoss(t, h.wasAtWork)
		})
	}
}

// wasAtWork reports whether a call failed for the one reason that excuses it: when its replica was
// killed the function had had it for so long that it is not repeated. On a machine that is starved a
// short call may last as long.
func (h *host) wasAtWork(lost answer) bool {
	if statusOf(lost) != http.StatusBadGateway {
		return false
	}
	told := regexp.MustCompile("call_id=" + lost.Header.Get("X-Call-Id") + ` .*ended after ([0-9a-z.]+): `).FindStringSubmatch(h.log.String())
	if told == nil {
		return false
	}
	had, err := time.ParseDuration(told[1])
	return err == nil && had >= upstream.WorkTime
}

// TestDeath_ACallWhoseReplicaVanishedIsBrokenOff takes a replica's network away before
// it is killed: nothing that it does then arrives.
func TestDeath_ACallWhoseReplicaVanishedIsBrokenOff(t *testing.T) {
	parallelUnlessAlone(t)
	h := ownHost(t, nil)
	spec := h.spec(t, "sleep")
	if code, err := h.sdk.Deploy(t.Context(), spec); err != nil {
		t.Fatalf("deploy: %d %v", code, err)
	}
	h.awaitReplicas(t, spec.Service, 1)
	answered := make(chan string, 1)
	go func() {
		got, err := h.try(t.Context(), request{method: http.MethodPost, path: "/function/" + spec.Service + "?d=50s"})
		answered <- fmt.Sprintf("%d %v", statusOf(got), err)
	}()
	eventually(t, "the call is in flight", func() (bool, string) {
		return h.provider.View().Resolver.Load(function.Name{Name: spec.Service, Namespace: defaultNS}).InFlight == 1, ""
	})
	id := h.container(t, spec.Service)
	owner := id
	if holder, held := strings.CutPrefix(strings.TrimSpace(docker(t, "inspect", "--format", "{{.HostConfig.NetworkMode}}", id)), "container:"); held {
		owner = holder
	}
	docker(t, "network", "disconnect", "--force", h.network, owner)
	// The provider may have found it without a network, and ended it, already.
	_ = exec.Command("docker", "kill", id).Run()
	select {
	case got := <-answered:
		if got != "502 <nil>" {
			t.Errorf("answered %s, want 502", got)
		}
	case <-time.After(soon):
		t.Errorf("not answered within %s", soon)
	}
}
