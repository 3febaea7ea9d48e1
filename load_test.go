package main

import (
	"fmt"
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

// The limits of the figures are those of the project's first goal.
func TestLoad_ThousandFunctionsAtZero(t *testing.T) {
	const count = 1000
	network, dataDir, echo := enginetest.Network(t), t.TempDir(), image(t, "echo")
	first := spawn(t, network, dataDir)
	began := time.Now()
	deployAtZero(t, first, count, echo)
	t.Logf("deploying %d functions took %s", count, time.Since(began).Round(time.Millisecond))
	first.kill()

	c := spawn(t, network, dataDir)
	eventually(t, "it is healthy", func() (bool, string) {
		got, err := c.try(t.Context(), request{method: http.MethodGet, path: "/healthz"})
		return err == nil && got.StatusCode == http.StatusOK, fmt.Sprint(err, got.body)
	})
	start := time.Since(c.began)
	list := median(t, 21, func() {
		if got := c.get(t, "/system/functions").wants(t, http.StatusOK).body; strings.Count(got, `"name":`) != count {
			t.Fatalf("the list has %d functions, want %d", strings.Count(got, `"name":`), count)
		}
	})
	one := 0
	status := median(t, 1001, func() {
		one = (one + 1) % count
		c.get(t, fmt.Sprintf("/system/function/zero-%d", one)).wants(t, http.StatusOK)
	})
	memory := residentMiB(t, c.process.Process.Pid)
	t.Logf("start-up %s, list %s, status %s, memory %.1f MiB", start.Round(time.Millisecond), list.Round(10*time.Microsecond), status.Round(time.Microsecond), memory)
	for _, tc := range []struct {
		what         string
		figure, most float64
	}{
		{"seconds from start to healthy", start.Seconds(), 2},
		{"milliseconds for a list", list.Seconds() * 1e3, 50},
		{"milliseconds for a status", status.Seconds() * 1e3, 1},
		{"MiB of memory", memory, 60},
	} {
		if tc.figure >= tc.most {
			t.Errorf("%.1f %s, want less than %.0f", tc.figure, tc.what, tc.most)
		}
	}
	wake := time.Now()
	c.do(t, request{method: http.MethodPost, path: "/function/zero-7", body: "awake"}).wants(t, http.StatusOK, "awake")
	t.Logf("the first call of a function at zero was answered after %s", time.Since(wake).Round(time.Millisecond))
	if running := containersOn(t, network); len(running) > 1 {
		t.Errorf("more than one function runs: %s", running)
	}
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
				if err != nil || got.StatusCode != http.StatusOK {
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
