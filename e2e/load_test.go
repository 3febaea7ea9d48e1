package e2e

import (
	"fmt"
	"math"
	"net/http"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"faas-docker/engine/enginetest"
)

// A provider with a thousand functions is measured beside one without any, on the same machine
// at the same time. The limits in seconds are those of the project's first goal: they hold for
// a machine that does nothing else.
func TestLoad_ThousandFunctionsAtZero(t *testing.T) {
	const count = 1000
	network, dataDir, echo := enginetest.Network(t), t.TempDir(), image(t, "echo")
	first := spawn(t, network, dataDir)
	began := time.Now()
	deployAtZero(t, first, count, echo)
	t.Logf("deploying %d functions took %s", count, time.Since(began).Round(time.Millisecond))
	first.kill()

	emptyNetwork, emptyDir := enginetest.Network(t), t.TempDir()
	once := spawn(t, emptyNetwork, emptyDir)
	once.becomesHealthy(t) // its network is there from now on, as the other's is
	once.kill()
	without, _ := measureProvider(t, emptyNetwork, emptyDir, 0)
	with, full := measureProvider(t, network, dataDir, count)
	t.Logf("without functions: %s", without)
	t.Logf("with %d: %s", count, with)
	for _, tc := range []struct {
		what         string
		figure, most float64
	}{
		{"times as long until it is healthy", with.start.Seconds() / without.start.Seconds(), 5},
		{"times as long for a list as for an empty one", with.list.Seconds() / without.list.Seconds(), 300},
		{"times as long for a status as for one of no function", with.status.Seconds() / without.status.Seconds(), 5},
		{"MiB of memory", with.memory, 60},
		{"seconds from start to healthy", with.start.Seconds(), loadStart.Seconds()},
		{"seconds for a list", with.list.Seconds(), loadList.Seconds()},
		{"seconds for a status", with.status.Seconds(), loadStatus.Seconds()},
	} {
		if tc.figure >= tc.most {
			t.Errorf("%.4f %s, want less than %.4f", tc.figure, tc.what, tc.most)
		}
	}
	wake := time.Now()
	full.do(t, request{method: http.MethodPost, path: "/function/zero-7", body: "awake"}).wants(t, http.StatusOK, "awake")
	t.Logf("the first call of a function at zero was answered after %s", time.Since(wake).Round(time.Millisecond))
	if running := containersOn(t, network); len(running) > 1 {
		t.Errorf("more than one function runs: %s", running)
	}
}

// loadFigures are those of one provider.
type loadFigures struct {
	start, list, status time.Duration
	memory              float64 // in MiB
}

func (f loadFigures) String() string {
	return fmt.Sprintf("healthy after %s, list %s, status %s, memory %.1f MiB", f.start.Round(time.Millisecond),
		f.list.Round(10*time.Microsecond), f.status.Round(time.Microsecond), f.memory)
}

// measureProvider starts a provider that has so many functions some times, and measures it.
func measureProvider(t *testing.T, network, dataDir string, count int) (f loadFigures, c *child) {
	t.Helper()
	// The fastest start is the one that the tests beside this one disturb least.
	f.start = fastest(t, 5, func() {
		if c != nil {
			c.kill()
		}
		c = spawn(t, network, dataDir)
		c.becomesHealthy(t)
	})
	f.list = median(t, 101, func() {
		if got := c.get(t, "/system/functions").wants(t, http.StatusOK).body; strings.Count(got, `"name":`) != count {
			t.Fatalf("the list has %d functions, want %d", strings.Count(got, `"name":`), count)
		}
	})
	one := 0
	f.status = median(t, 1001, func() {
		one++
		if got := c.get(t, fmt.Sprintf("/system/function/zero-%d", one%max(count, 1))); (got.StatusCode == http.StatusOK) != (count > 0) {
			t.Fatalf("status %d", got.StatusCode)
		}
	})
	f.memory = residentMiB(t, c.process.Process.Pid)
	return f, c
}

// fastest is how long the fastest of several runs took.
func fastest(t *testing.T, runs int, act func()) time.Duration {
	t.Helper()
	best := time.Duration(math.MaxInt64)
	for range runs {
		began := time.Now()
		act()
		best = min(best, time.Since(began))
	}
	return best
}

func (c *child) becomesHealthy(t *testing.T) {
	t.Helper()
	eventually(t, "it is healthy", func() (bool, string) {
		got, err := c.try(t.Context(), request{method: http.MethodGet, path: "/healthz"})
		return err == nil && got.StatusCode == http.StatusOK, fmt.Sprint(err, got.body)
	})
}

func deployAtZero(t *testing.T, c *child, count int, image string) {
	t.Helper()
	numbers := make(chan int)
	var workers sync.WaitGroup
	for range 8 {
		workers.Go(func() {
			for n := range numbers {
				body := fmt.Sprintf(`{"service":"zero-%d","image":%q,"labels":{"com.openfaas.scale.min":"0"},"envVars":{"number":"%d"}}`, n, image, n)
				got, err := c.try(t.Context(), request{method: http.MethodPost, path: "/system/functions", body: body})
				if err != nil || got.StatusCode != http.StatusAccepted {
					t.Errorf("deploy zero-%d: %d %v %s", n, statusOf(got), err, got.body)
				}
			}
		})
	}
	for n := range count {
		numbers <- n
	}
	close(numbers)
	workers.Wait()
}

// median measures act several times.
func median(t testing.TB, times int, act func()) time.Duration {
	t.Helper()
	var took []time.Duration
	for range times {
		began := time.Now()
		act()
		took = append(took, time.Since(began))
	}
	slices.Sort(took)
	return took[len(took)/2]
}

// residentMiB is how much memory a process has in use.
func residentMiB(t testing.TB, pid int) float64 {
	t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		if fields := strings.Fields(line); len(fields) == 3 && fields[0] == "VmRSS:" {
			kib, err := strconv.ParseFloat(fields[1], 64)
			if err != nil {
				t.Fatal(err)
			}
			return kib / 1024
		}
	}
	t.Fatal("no VmRSS in /proc/pid/status")
	return 0
}
