//go:build long

package main

import (
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// TestLife_NoCallIsLostThroughUpdatesScalingsAndFreezes calls a function with 64
// clients without pause while everything is done to it that may be done.
func TestLife_NoCallIsLostThroughUpdatesScalingsAndFreezes(t *testing.T) {
	h := patient(t)
	spec := h.spec(t, "echo")
	spec.Labels = &map[string]string{"com.openfaas.scale.freeze-duration": "50ms", "com.openfaas.scale.max": "10"}
	spec.Annotations = &map[string]string{}
	h.deploy(t, spec)

	var calls, failed atomic.Int64
	var first sync.Once
	var pause sync.RWMutex // held for writing while the clients are to be silent
	var clients sync.WaitGroup
	done := make(chan struct{})
	for range 64 {
		clients.Go(func() {
			for {
				select {
				case <-done:
					return
				default:
				}
				pause.RLock()
				got, err := h.try(t.Context(), request{method: http.MethodPost, path: "/function/" + spec.Service, body: "hello"})
				pause.RUnlock()
				calls.Add(1)
				if err != nil || got.StatusCode != http.StatusOK || got.body != "hello" {
					failed.Add(1)
					first.Do(func() { t.Logf("the first failure: %d %v %s", statusOf(got), err, clipped(got.body)) })
				}
			}
		})
	}
	scale := func(count uint64) {
		h.send(t, http.MethodPost, "/system/scale-function/"+spec.Service, map[string]any{"replicas": count}).wants(t, http.StatusAccepted)
	}
	for i := range 20 {
		(*spec.Annotations)["round"] = time.Now().String()
		h.send(t, http.MethodPut, "/system/functions", spec).wants(t, http.StatusOK)
		h.awaitSettled(t, spec.Service)
		scale(uint64(1 + (i*7)%10))
		pause.Lock()
		eventually(t, "everything is frozen", func() (bool, string) {
			containers := len(h.containers(t, spec.Service))
			return containers > 0 && h.frozen(t, spec.Service) == containers, ""
		})
		pause.Unlock()
	}
	deadline := time.Now().Add(3 * time.Minute)
	for calls.Load() < 100_000 && time.Now().Before(deadline) {
		scale(uint64(1 + calls.Load()%10))
		time.Sleep(time.Second) // the load goes on; this is how long it lasts
	}
	close(done)
	clients.Wait()
	t.Logf("%d calls, %d failed", calls.Load(), failed.Load())
	if failed.Load() > 0 || calls.Load() < 100_000 {
		t.Errorf("%d of %d calls failed, want none of at least 100,000", failed.Load(), calls.Load())
	}
}

// awaitSettled waits until the wanted revision runs in full. The clients leave
// little of the machine for that.
func (h *host) awaitSettled(t *testing.T, name string) {
	t.Helper()
	for deadline := time.Now().Add(2 * time.Minute); h.status(t, name).Reason != ""; {
		if time.Now().After(deadline) {
			t.Fatalf("the update has not settled: %+v", h.status(t, name))
		}
		time.Sleep(20 * time.Millisecond) // a status has no event to wait for
	}
}
