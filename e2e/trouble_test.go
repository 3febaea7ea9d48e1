package e2e

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/openfaas/faas-provider/types"

	"faas-docker/engine/enginetest"
)

// troubled is a provider behind a gate, with one function that is called without
// pause and one at zero.
func troubled(t *testing.T, settings ...string) (*child, *gate) {
	t.Helper()
	g := openGate(t)
	c := spawn(t, enginetest.Network(t), t.TempDir(), append(settings, g.environment())...)
	c.deploy(t, types.FunctionDeployment{Service: "runs", Image: image(t, "echo"), Namespace: defaultNS})
	zero := map[string]string{"com.openfaas.scale.min": "0"}
	c.send(t, http.MethodPost, "/system/functions", types.FunctionDeployment{Service: "rests", Image: image(t, "echo"), Namespace: defaultNS, Labels: &zero}).wants(t, http.StatusAccepted)
	return c, g
}

// TestTrouble_EngineAwayForAWhile: to callers of what runs it makes no difference,
// others are told why, and all is as it was when the engine is back.
func TestTrouble_EngineAwayForAWhile(t *testing.T) {
	t.Parallel()
	// Who calls what does not run is told why sooner than by default.
	c, g := troubled(t, "wake_timeout=10s")
	id := c.container(t, "runs")
	load := c.callSteadily(t, 4, request{method: http.MethodGet, path: "/function/runs"})
	g.close()
	began := time.Now()
	eventually(t, "the provider notices", func() (bool, string) {
		return strings.Contains(c.log.String(), "engine does not answer"), c.log.String()
	})
	c.get(t, "/function/rests").wants(t, http.StatusServiceUnavailable, "rests")
	c.get(t, "/system/function/runs").wants(t, http.StatusOK, `"availableReplicas":1`)
	c.get(t, "/system/functions").wants(t, http.StatusOK, "runs", "rests")
	c.send(t, http.MethodPost, "/system/scale-function/runs", map[string]any{"replicas": 2}).wants(t, http.StatusAccepted)
	for load.answered.Load() < 300 || time.Since(began) < 2*time.Second {
		time.Sleep(50 * time.Millisecond) // how long the engine is away is what is tested
	}
	g.open(t)
	c.awaitReplicas(t, "runs", 2)
	load.wantNoLoss(t)
	if now := c.containers(t, "runs"); !strings.Contains(strings.Join(now, " "), id) {
		t.Errorf("the replica was restarted: it was %s, now there are %v", id, now)
	}
	c.do(t, request{method: http.MethodPost, path: "/function/rests", body: "awake"}).wants(t, http.StatusOK, "awake")
}

// TestTrouble_EngineRestartedWithoutItsContainers plays what a restart of the engine
// does that does not keep containers alive: they have ended, holders too, and the
// engine was not there to say so.
func TestTrouble_EngineRestartedWithoutItsContainers(t *testing.T) {
	t.Parallel()
	c, g := troubled(t)
	if err := c.sdk.ScaleFunction(t.Context(), "runs", defaultNS, 3); err != nil {
		t.Fatal(err)
	}
	c.awaitReplicas(t, "runs", 3)
	before := strings.Join(c.containers(t, "runs"), " ")
	g.close()
	everything := strings.Fields(docker(t, "ps", "-q", "--filter", "label=com.openfaas.provider="+c.network))
	docker(t, append([]string{"kill"}, everything...)...)
	g.open(t)
	began := time.Now()
	eventually(t, "three others took their places", func() (bool, string) {
		s := c.status(t, "runs")
		all, ids := true, c.containers(t, "runs")
		for _, id := range ids {
			all = all && !strings.Contains(before, id)
		}
		return all && len(ids) == 3 && s.AvailableReplicas == 3, fmt.Sprintf("%v, %d available, reason %q", ids, s.AvailableReplicas, s.Reason)
	})
	t.Logf("all replicas were replaced after %s", time.Since(began).Round(time.Millisecond))
	c.do(t, request{method: http.MethodPost, path: "/function/runs", body: "alive"}).wants(t, http.StatusOK, "alive")
}

// TestTrouble_ContainersPrunedByHand: prune takes nothing that is needed, and what
// was removed by force comes back.
func TestTrouble_ContainersPrunedByHand(t *testing.T) {
	t.Parallel()
	c, _ := troubled(t)
	load := c.callSteadily(t, 4, request{method: http.MethodGet, path: "/function/runs"})
	for range 3 {
		docker(t, "container", "prune", "-f", "--filter", "label=com.openfaas.provider="+c.network)
	}
	load.wantNoLoss(t)
	docker(t, append([]string{"rm", "-f"}, c.containers(t, "runs")...)...)
	c.do(t, request{method: http.MethodPost, path: "/function/runs", body: "back"}).wants(t, http.StatusOK, "back")
	c.do(t, request{method: http.MethodPost, path: "/function/rests", body: "awake"}).wants(t, http.StatusOK, "awake")
}

// TestTrouble_PausedByHandWhileItIsCalled: callers are answered, by a replica that
// was thawed or by another.
func TestTrouble_PausedByHandWhileItIsCalled(t *testing.T) {
	t.Parallel()
	c, _ := troubled(t)
	load := c.callSteadily(t, 4, request{method: http.MethodGet, path: "/function/runs"})
	for range 3 {
		docker(t, "pause", c.container(t, "runs"))
		answered := load.answered.Load()
		eventually(t, "callers are answered again", func() (bool, string) { return load.answered.Load() > answered+100, "" })
	}
	load.wantNoLoss(t)
}

// TestTrouble_DiskOfTheStoreIsFull: what would have to be written is refused with
// the reason, all else goes on, and nothing needs a restart when there is room
// again.
func TestTrouble_DiskOfTheStoreIsFull(t *testing.T) {
	t.Parallel()
	folder := smallDisk(t)
	c := spawn(t, enginetest.Network(t), filepath.Join(folder, "data"))
	c.deploy(t, types.FunctionDeployment{Service: "runs", Image: image(t, "echo"), Namespace: defaultNS})
	zero := map[string]string{"com.openfaas.scale.min": "0"}
	rests := types.FunctionDeployment{Service: "rests", Image: image(t, "echo"), Namespace: defaultNS, Labels: &zero}
	c.send(t, http.MethodPost, "/system/functions", rests).wants(t, http.StatusAccepted)
	fill := fillDisk(t, folder)

	large := types.Secret{Name: "large", Namespace: defaultNS, Value: strings.Repeat("x", 512<<10)}
	c.send(t, http.MethodPost, "/system/secrets", large).wants(t, http.StatusServiceUnavailable, "disk")
	c.get(t, "/system/secrets").wants(t, http.StatusOK, "[]")
	c.get(t, "/system/functions").wants(t, http.StatusOK, "runs", "rests")
	c.get(t, "/function/runs").wants(t, http.StatusOK)
	c.do(t, request{method: http.MethodPost, path: "/function/rests", body: "awake"}).wants(t, http.StatusOK, "awake")

	if err := os.Remove(fill); err != nil {
		t.Fatal(err)
	}
	c.send(t, http.MethodPost, "/system/secrets", large).wants(t, http.StatusCreated)
	c.kill()
	again := spawn(t, c.network, c.dataDir)
	again.awaitReplicas(t, "runs", 1)
	again.get(t, "/system/secrets").wants(t, http.StatusOK, "large")
}

// smallDisk mounts a file system of its own, where this process may.
func smallDisk(t *testing.T) string {
	t.Helper()
	folder := t.TempDir()
	if err := syscall.Mount("tmpfs", folder, "tmpfs", 0, "size=2m"); err != nil {
		t.Skipf("a disk that is full takes a file system of its own, and this user may not mount one: %v", err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(folder, syscall.MNT_DETACH); err != nil {
			t.Errorf("unmount %s: %v", folder, err)
		}
	})
	return folder
}

// fillDisk leaves no room, and returns the file to remove for some.
func fillDisk(t *testing.T, folder string) string {
	t.Helper()
	path := filepath.Join(folder, "filler")
	file, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	block := make([]byte, 4096)
	for err == nil {
		_, err = file.Write(block)
	}
	return path
}
