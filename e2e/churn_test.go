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
)

// answersInOrder calls a function that shows its environment until ctx ends, and returns
// the rounds that answered, each once in a row.
func (h *host) answersInOrder(ctx context.Context, t *testing.T, name string) (rounds []int) {
	for ctx.Err() == nil {
		got, err := h.try(ctx, request{method: http.MethodGet, path: "/function/" + name})
		if err != nil {
			if ctx.Err() == nil {
				t.Errorf("call %s: %v", name, err)
			}
			return rounds
		}
		_, after, _ := strings.Cut(got.body, "round=")
		text, _, _ := strings.Cut(after, "\n")
		round, err := strconv.Atoi(text)
		if err != nil || got.StatusCode != http.StatusOK {
			t.Errorf("call %s: %d %s", name, got.StatusCode, clipped(got.body))
			return rounds
		}
		if len(rounds) == 0 || rounds[len(rounds)-1] != round {
			rounds = append(rounds, round)
		}
	}
	return rounds
}

// A container takes a fifth of a second to make, and an update a few milliseconds. What is
// superseded before its turn has come is not made, nobody is answered by what is older than
// what answered before, and others are started as soon as ever.
func TestChurn_AHundredUpdatesMakeAFewContainers(t *testing.T) {
	t.Parallel()
	h := ownHost(t, nil)
	cold := h.spec(t, "echo")
	cold.Labels = &map[string]string{"com.openfaas.scale.min": "0"}
	h.send(t, http.MethodPost, "/system/functions", cold).wants(t, http.StatusAccepted)
	spec := h.spec(t, "env")
	round := func(i int) types.FunctionDeployment {
		spec.EnvVars = map[string]string{"round": strconv.Itoa(i)}
		return spec
	}
	h.deploy(t, round(0))
	made := func() int { return strings.Count(h.log.about(0, spec.Service+"."), "replica started") }
	before := made()

	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var caller sync.WaitGroup
	var rounds []int
	caller.Go(func() { rounds = h.answersInOrder(ctx, t, spec.Service) })

	const last = 100
	began := time.Now()
	for i := range last {
		h.send(t, http.MethodPut, "/system/functions", round(i+1)).wants(t, http.StatusOK)
	}
	updated := time.Since(began)
	began = time.Now()
	h.do(t, request{method: http.MethodPost, path: "/function/" + cold.Service, body: "awake"}).wants(t, http.StatusOK, "awake")
	bystander := time.Since(began)
	eventually(t, "the last revision answers, alone", func() (bool, string) {
		got := h.get(t, "/function/"+spec.Service).body
		left := h.containers(t, spec.Service)
		return strings.Contains(got, fmt.Sprintf("round=%d\n", last)) && len(left) == 1, fmt.Sprint(left)
	})
	settled := time.Since(began)
	cancel()
	caller.Wait()

	count := made() - before
	t.Logf("%d updates in %s: %d containers made, settled %s later, rounds %v answered, cold start of another function %s",
		last, updated.Round(time.Millisecond), count, settled.Round(time.Millisecond), rounds, bystander.Round(time.Millisecond))
	// One after the other, each as long as the engine needs: many fewer than updates.
	if limit := 5 + int(updated/(100*time.Millisecond)); count > limit {
		t.Errorf("%d containers were made, want at most %d", count, limit)
	}
	for i := 1; i < len(rounds); i++ {
		if rounds[i] < rounds[i-1] {
			t.Errorf("round %d answered after round %d", rounds[i], rounds[i-1])
		}
	}
	if bystander > soon/2 {
		t.Errorf("the cold start of another function took %s, want no more than %s", bystander, soon/2)
	}
}

// What is deleted while its replicas are still to be made leaves nothing behind.
func TestChurn_WhatIsDeletedIsNotStarted(t *testing.T) {
	t.Parallel()
	h := ownHost(t, nil)
	spec := h.spec(t, "echo")
	for range 10 {
		h.send(t, http.MethodPost, "/system/functions", spec).wants(t, http.StatusAccepted)
		h.send(t, http.MethodPost, "/system/scale-function/"+spec.Service, map[string]any{"replicas": 20}).wants(t, http.StatusAccepted)
		h.send(t, http.MethodDelete, "/system/functions", map[string]any{"functionName": spec.Service}).wants(t, http.StatusAccepted)
	}
	eventually(t, "nothing is left", func() (bool, string) {
		left := h.containers(t, spec.Service)
		return len(left) == 0, fmt.Sprint(left)
	})
	made := strings.Count(h.log.about(0, spec.Service+"."), "replica started")
	t.Logf("10 functions of 20 replicas, each deleted at once: %d containers made", made)
	if made > 20 {
		t.Errorf("%d containers were made, want a tenth of what was asked for at most", made)
	}
}
