package e2e

import (
	"context"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/openfaas/faas-provider/types"

	"faas-docker/engine/enginetest"
)

// part is a share of the memory that functions may reserve of the engine's machine.
func part(t *testing.T, percent int64) *types.FunctionResources {
	t.Helper()
	total, err := strconv.ParseInt(strings.TrimSpace(docker(t, "info", "--format", "{{.MemTotal}}")), 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	return &types.FunctionResources{Memory: strconv.FormatInt((total-total/10)/100*percent, 10)}
}

func TestAdmission_WhatTheMachineCanNeverGiveIsRefused(t *testing.T) {
	t.Parallel()
	h := patient(t)
	for field, limits := range map[string]types.FunctionResources{
		"limits.cpu":    {CPU: "100000"},
		"limits.memory": {Memory: "500Ti"},
	} {
		spec := h.spec(t, "echo")
		spec.Limits = &limits
		h.send(t, http.MethodPost, "/system/functions", spec).wants(t, http.StatusBadRequest, field)
	}
}

func TestAdmission_WhatTheHostHasNoRoomForIs503AndExplained(t *testing.T) {
	t.Parallel()
	h := startHost(t, enginetest.Network(t), nil)
	h.explainFailure(t)
	hog := h.spec(t, "echo")
	hog.Requests = part(t, 80)
	h.deploy(t, hog)
	spec := h.spec(t, "echo")
	spec.Requests = part(t, 30)
	h.send(t, http.MethodPost, "/system/functions", spec).wants(t, http.StatusAccepted)
	h.await(t, spec.Service, "the reason", func(s status) bool { return strings.Contains(s.Reason, "no room") })
	got := h.get(t, "/function/"+spec.Service).wants(t, http.StatusServiceUnavailable, spec.Service, "no room", "memory")
	if got.Header.Get("Retry-After") == "" {
		t.Error("the caller is not told when to come back")
	}
	h.get(t, "/system/logs?name="+spec.Service).wants(t, http.StatusOK, "no room")

	spec.Requests = nil
	if code, err := h.sdk.Update(t.Context(), spec); err != nil {
		t.Fatalf("update: %d %v", code, err)
	}
	h.awaitReplicas(t, spec.Service, 1)
	h.do(t, request{method: http.MethodPost, path: "/function/" + spec.Service, body: "room"}).wants(t, http.StatusOK, "room")
}

// answersAlways calls a function until stop is called, or the test ends, and fails the test for each answer
// other than 200.
func (h *host) answersAlways(t *testing.T, name string) (stop func()) {
	ctx, cancel := context.WithCancel(t.Context())
	var callers sync.WaitGroup
	for range 3 {
		callers.Go(func() {
			for ctx.Err() == nil {
				got, err := h.try(context.WithoutCancel(ctx), request{method: http.MethodPost, path: "/function/" + name, body: "hello"})
				if err != nil || got.StatusCode != http.StatusOK || got.body != "hello" {
					t.Errorf("call %s: %v %s", name, err, clipped(got.body))
				}
				time.Sleep(time.Millisecond)
			}
		})
	}
	stop = sync.OnceFunc(func() { cancel(); callers.Wait() })
	t.Cleanup(stop)
	return stop
}

// A machine that is reserved but for what is too little for another replica.
func TestUpdate_WithoutRoomForTwoRevisions(t *testing.T) {
	t.Parallel()
	h := startHost(t, enginetest.Network(t), nil)
	h.explainFailure(t)
	round := 0
	update := func(spec types.FunctionDeployment) answer {
		round++
		spec.EnvVars = map[string]string{"round": strconv.Itoa(round)}
		return h.send(t, http.MethodPut, "/system/functions", spec)
	}
	settled := func(spec types.FunctionDeployment, count int, before []string) {
		eventually(t, fmt.Sprintf("%d replicas of the new revision answer, and no other", count), func() (bool, string) {
			now := h.containers(t, spec.Service)
			for _, old := range before {
				if strings.Contains(strings.Join(now, " "), old) {
					return false, fmt.Sprint(now)
				}
			}
			s := h.status(t, spec.Service)
			return len(now) == count && s.AvailableReplicas == uint64(count), fmt.Sprint(now, s.Reason)
		})
	}
	spec := h.spec(t, "echo")
	spec.Requests = part(t, 33)
	spec.Labels = &map[string]string{"com.openfaas.scale.min": "3", "com.openfaas.scale.max": "3"}
	h.send(t, http.MethodPost, "/system/functions", spec).wants(t, http.StatusAccepted)
	h.awaitReplicas(t, spec.Service, 3)
	stop := h.answersAlways(t, spec.Service)
	before := h.containers(t, spec.Service)
	update(spec).wants(t, http.StatusOK)
	settled(spec, 3, before)
	stop()
	h.get(t, "/system/logs?name="+spec.Service).wants(t, http.StatusOK, "replaced one by one")

	h.forget(t, spec.Service, defaultNS)
	eventually(t, "the room is free", func() (bool, string) { return len(h.containers(t, spec.Service)) == 0, "" })
	one := h.spec(t, "echo")
	one.Requests = part(t, 60)
	one.Labels = &map[string]string{"com.openfaas.scale.max": "1"}
	h.deploy(t, one)
	before = h.containers(t, one.Service)
	stop = h.answersAlways(t, one.Service)
	update(one).wants(t, http.StatusConflict, "com.openfaas.update.order=stop-first", "no room")
	if now := h.containers(t, one.Service); fmt.Sprint(now) != fmt.Sprint(before) {
		t.Errorf("after an update that was refused there are %v, want %v", now, before)
	}
	one.Annotations = &map[string]string{"com.openfaas.update.order": "stop-first"}
	for range 3 {
		before = h.containers(t, one.Service)
		update(one).wants(t, http.StatusOK)
		settled(one, 1, before)
	}
	stop()
}
