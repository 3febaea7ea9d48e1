package e2e

import (
	"fmt"
	"net/http"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"faas-docker/engine/enginetest"
)

// The tests here look at the whole process, so they do not run beside others:
// Go runs them before all that call t.Parallel.

// sockets counts the connections that this process has open.
func sockets(t testing.TB) int {
	t.Helper()
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	count := 0
	for _, entry := range entries {
		if target, err := os.Readlink("/proc/self/fd/" + entry.Name()); err == nil && strings.HasPrefix(target, "socket:") {
			count++
		}
	}
	return count
}

// leaves fails the test when more is left than there was before: goroutines,
// connections, or anything on the engine.
func leavesNothing(t *testing.T, before int, ignore goleak.Option, network string) {
	t.Helper()
	if err := goleak.Find(ignore); err != nil {
		t.Errorf("goroutines are left: %v", err)
	}
	if now := sockets(t); now > before {
		t.Errorf("%d sockets are open, %d were before", now, before)
	}
	if left := strings.TrimSpace(docker(t, "ps", "-aq", "--filter", "label=com.openfaas.provider="+network) + docker(t, "volume", "ls", "-q", "--filter", "label=com.openfaas.provider="+network)); left != "" {
		t.Errorf("left on the engine: %s", left)
	}
}

func TestLeaks_NoneAfter10000Invocations(t *testing.T) {
	network, echo := enginetest.Network(t), image(t, "echo")
	before, ignore := sockets(t), goleak.IgnoreCurrent()
	h := startHost(t, network, map[string]string{"log_level": "info"})
	spec := h.spec(t, "echo")
	spec.Image = echo
	h.deploy(t, spec)
	if err := h.sdk.ScaleFunction(t.Context(), spec.Service, defaultNS, 2); err != nil {
		t.Fatal(err)
	}
	h.awaitReplicas(t, spec.Service, 2)
	h.client.CloseIdleConnections()
	idle := sockets(t)

	began := time.Now()
	failed := h.callMany(t, "/function/"+spec.Service, 10_000, 64)
	t.Logf("10,000 invocations by 64 clients took %s, %d failed", time.Since(began).Round(time.Millisecond), failed)
	if failed > 0 {
		t.Errorf("%d invocations failed", failed)
	}
	if got := h.status(t, spec.Service).InvocationCount; got != 10_000 {
		t.Errorf("%v invocations counted", got)
	}
	h.client.CloseIdleConnections()
	eventually(t, "at most one idle connection per client is left", func() (bool, string) {
		now := sockets(t)
		return now-idle <= 64+4, fmt.Sprintf("%d sockets, %d before", now, idle)
	})
	h.forget(t, spec.Service, defaultNS)
	eventually(t, "the containers are gone", func() (bool, string) { left := h.containers(t, spec.Service); return len(left) == 0, fmt.Sprint(left) })
	h.client.CloseIdleConnections()
	eventually(t, "the connections went with the replicas", func() (bool, string) {
		h.client.CloseIdleConnections()
		now := sockets(t)
		return now <= idle+2, fmt.Sprintf("%d sockets, %d before", now, idle)
	})
	if err := h.stop(); err != nil {
		t.Error(err)
	}
	leavesNothing(t, before, ignore, network)
}

// callMany invokes a path as often as count says and returns how many calls
// failed.
func (h *host) callMany(t testing.TB, path string, count, clients int) int64 {
	t.Helper()
	var calls sync.WaitGroup
	var failed, begun atomic.Int64
	var first sync.Once
	for range clients {
		calls.Go(func() {
			for begun.Add(1) <= int64(count) {
				got, err := h.try(t.Context(), request{method: http.MethodPost, path: path, body: "hello"})
				if err != nil || got.StatusCode != http.StatusOK || got.body != "hello" {
					failed.Add(1)
					first.Do(func() { t.Logf("the first failure: %d %v %s", statusOf(got), err, clipped(got.body)) })
				}
			}
		})
	}
	calls.Wait()
	return failed.Load()
}

func TestLeaks_NoneAfterDeployingAndDeleting(t *testing.T) {
	network, env := enginetest.Network(t), image(t, "env")
	before, ignore := sockets(t), goleak.IgnoreCurrent()
	h := startHost(t, network, map[string]string{"log_level": "info"})
	secret := h.secret(t, "leak")
	// One round first: what is made once and kept is no leak.
	h.round(t, "round-first", env, secret.Name)
	h.client.CloseIdleConnections()
	idle := sockets(t)
	began := time.Now()
	for i := range deployRounds {
		h.round(t, fmt.Sprintf("round-%d", i), env, secret.Name)
	}
	t.Logf("%d rounds took %s", deployRounds, time.Since(began).Round(time.Millisecond))
	eventually(t, "no container and no volume are left", func() (bool, string) {
		left := strings.Join(containersOn(t, network), " ") + docker(t, "volume", "ls", "-q", "--filter", "label=com.openfaas.provider="+network)
		return left == "", left
	})
	eventually(t, "no more connections than after the first round", func() (bool, string) {
		h.client.CloseIdleConnections()
		now := sockets(t)
		return now <= idle+2, fmt.Sprintf("%d sockets, %d before", now, idle)
	})
	if err := h.stop(); err != nil {
		t.Error(err)
	}
	leavesNothing(t, before, ignore, network)
}

func (h *host) round(t testing.TB, name, image, secret string) {
	t.Helper()
	h.send(t, http.MethodPost, "/system/functions", map[string]any{"service": name, "image": image, "secrets": []string{secret}}).wants(t, http.StatusAccepted)
	h.get(t, "/function/"+name).wants(t, http.StatusOK, "OPENFAAS_NAME="+name)
	h.send(t, http.MethodDelete, "/system/functions", map[string]string{"functionName": name}).wants(t, http.StatusAccepted)
}
