package e2e

import (
	"context"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/client"
	"golang.org/x/time/rate"

	"faas-docker/engine/enginetest"
)

// parallelUnlessAlone is for tests that measure times.
func parallelUnlessAlone(t *testing.T) {
	if !alone {
		t.Parallel()
	}
}

// callers call a function again and again until they are stopped.
type callers struct {
	stop           func()
	answered, lost atomic.Int64
	// longest is the longest time that a caller waited for its answer, in ns.
	longest atomic.Int64
	// mu protects losses: the answers that are losses, or nothing where there was no answer.
	mu     sync.Mutex
	losses []answer
	// quiet is held for writing while they are to be silent.
	quiet sync.RWMutex
}

// callSteadily has clients repeat a call, the next as soon as one is answered and callRate allows.
// Every answer but a 200, and one that says other than it should, is a loss; the first
// one is logged.
func (h *host) callSteadily(t testing.TB, clients int, r request) *callers {
	t.Helper()
	c := &callers{}
	var group sync.WaitGroup
	var first sync.Once
	pace := rate.NewLimiter(callRate, clients)
	ctx, cancel := context.WithCancel(t.Context())
	for range clients {
		group.Go(func() {
			for pace.Wait(ctx) == nil {
				c.quiet.RLock()
				began := time.Now()
				got, err := h.try(t.Context(), r)
				took := int64(time.Since(began))
				c.quiet.RUnlock()
				for longest := c.longest.Load(); took > longest && !c.longest.CompareAndSwap(longest, took); longest = c.longest.Load() {
				}
				if err == nil && got.StatusCode == http.StatusOK && (r.answer == "" || got.body == r.answer) {
					c.answered.Add(1)
					continue
				}
				c.lose(got)
				first.Do(func() { t.Logf("the first failure: %d %v %s", statusOf(got), err, clipped(got.body)) })
			}
		})
	}
	c.stop = sync.OnceFunc(func() { cancel(); group.Wait() })
	t.Cleanup(c.stop)
	return c
}

func (c *callers) lose(got answer) {
	c.lost.Add(1)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.losses = append(c.losses, got)
}

// wantNoLoss stops the callers. No call may have failed, but for those that are excused.
func (c *callers) wantNoLoss(t testing.TB, excused ...func(answer) bool) {
	t.Helper()
	c.stop()
	calls := c.answered.Load() + c.lost.Load()
	t.Logf("%d calls, %d of them failed, the longest took %s", calls, c.lost.Load(), time.Duration(c.longest.Load()).Round(time.Millisecond))
	lost := slices.DeleteFunc(c.losses, func(got answer) bool {
		return slices.ContainsFunc(excused, func(is func(answer) bool) bool { return is(got) })
	})
	if len(lost) > 0 || c.answered.Load() == 0 {
		t.Errorf("%d of %d calls failed", len(lost), calls)
	}
}

// TestBurst_FromZeroToTwoHundredCallers asks for ten replicas at once. How soon
// they are there depends on the engine: what it needs for ten by itself is
// measured first.
func TestBurst_FromZeroToTwoHundredCallers(t *testing.T) {
	parallelUnlessAlone(t)
	h := startHost(t, enginetest.Network(t), nil)
	spec := h.spec(t, "sleep")
	spec.Labels = &map[string]string{
		"com.openfaas.scale.type": "capacity", "com.openfaas.scale.target": "10", "com.openfaas.scale.max": "10", "com.openfaas.scale.min": "1",
	}
	h.deploy(t, spec)
	engine := engineStarts(t, h.network, spec.Image, 10)
	began := time.Now()
	load := h.callSteadily(t, 200, request{method: http.MethodGet, path: "/function/" + spec.Service + "?d=1s"})
	h.awaitReplicas(t, spec.Service, 10)
	took := time.Since(began)
	load.wantNoLoss(t)
	t.Logf("ten replicas were ready after %s; the engine alone needs %s for ten", took.Round(time.Millisecond), engine.Round(time.Millisecond))
	if limit := slowed(burstLimit, engine); took > limit {
		t.Errorf("ten replicas were ready after %s, want %s", took, limit)
	}
}

// slowed is a limit that the provider has to keep where the engine itself could: on a slower
// one it has half as long again as that needs alone.
func slowed(limit, engine time.Duration) time.Duration { return max(limit, engine*3/2) }

// engineStarts measures how long the engine needs to start so many containers at once, and
// removes them.
func engineStarts(t testing.TB, network, image string, count int) time.Duration {
	t.Helper()
	docker, err := client.NewClientWithOpts(client.FromEnv, client.WithAPIVersionNegotiation())
	if err != nil {
		t.Fatal(err)
	}
	defer docker.Close()
	var group sync.WaitGroup
	ids := make(chan string, count)
	began := time.Now()
	for range count {
		group.Go(func() {
			made, err := docker.ContainerCreate(t.Context(), &container.Config{Image: image}, &container.HostConfig{NetworkMode: container.NetworkMode(network)}, nil, nil, "")
			if err != nil {
				t.Errorf("create a container: %v", err)
				return
			}
			ids <- made.ID
			if err := docker.ContainerStart(t.Context(), made.ID, container.StartOptions{}); err != nil {
				t.Errorf("start a container: %v", err)
			}
		})
	}
	group.Wait()
	took := time.Since(began)
	close(ids)
	for id := range ids {
		if err := docker.ContainerRemove(context.WithoutCancel(t.Context()), id, container.RemoveOptions{Force: true}); err != nil {
			t.Errorf("remove a container: %v", err)
		}
	}
	return took
}
