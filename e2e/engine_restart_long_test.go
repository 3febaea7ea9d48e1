//go:build long

package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/openfaas/faas-provider/types"

	"faas-docker/engine/enginetest"
)

const (
	// engineGone is for how long there is no engine between two of them.
	engineGone = 5 * time.Second
	// engineAway is for how long it is away when it is away for long.
	engineAway = 3 * time.Minute
	// engineStart is how long an engine may take until it answers, and to end.
	engineStart = time.Minute
	// mendLimit is how soon after that every function must answer, unless the engine is slow.
	mendLimit = 5 * time.Second
	// excuseLimit is how soon a caller must be told that a function cannot be woken: an
	// engine that is silent is given 5 s to thaw a replica, and then 5 s, which is the
	// wake_timeout, to start another.
	excuseLimit = 12 * time.Second
)

// ownEngine is a Docker engine that only a secluded test uses.
type ownEngine struct {
	process *exec.Cmd
	ended   chan struct{} // closed when the process has ended
}

// start returns when the engine answers. With liveRestore containers outlive it.
func (e *ownEngine) start(t *testing.T, liveRestore bool) {
	t.Helper()
	folder := os.Getenv(secludedFolder)
	config, err := json.Marshal(map[string]any{
		"data-root":     filepath.Join(folder, "data"),
		"exec-root":     "/run/docker",
		"pidfile":       "/run/docker.pid",
		"hosts":         []string{"unix://" + secludedSocket},
		"exec-opts":     []string{"native.cgroupdriver=cgroupfs"},
		"cgroup-parent": "/" + os.Getenv(secludedCgroup),
		"live-restore":  liveRestore,
	})
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(folder, "daemon.json")
	if err := os.WriteFile(file, config, 0o600); err != nil {
		t.Fatal(err)
	}
	said := &logBuffer{}
	e.process = exec.Command("dockerd", "--config-file", file)
	e.process.Stdout, e.process.Stderr = said, said
	if err := e.process.Start(); err != nil {
		t.Fatal(err)
	}
	process, ended := e.process, make(chan struct{})
	e.ended = ended
	go func() { _ = process.Wait(); close(ended) }()
	for deadline := time.Now().Add(engineStart); !engineAnswers(); time.Sleep(10 * time.Millisecond) {
		if isClosed(ended) || time.Now().After(deadline) {
			t.Fatalf("the engine does not answer:\n%s", said)
		}
	}
}

// engineAnswers asks the engine as its health checks do.
func engineAnswers() bool {
	calls := &http.Client{Timeout: time.Second, Transport: &http.Transport{DisableKeepAlives: true, DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", secludedSocket)
	}}}
	answer, err := calls.Get("http://docker/_ping")
	if err != nil {
		return false
	}
	return answer.Body.Close() == nil && answer.StatusCode == http.StatusOK
}

// stop ends the engine and returns when it has ended.
func (e *ownEngine) stop(t *testing.T, signal syscall.Signal) {
	t.Helper()
	if err := e.process.Process.Signal(signal); err != nil {
		t.Fatal(err)
	}
	select {
	case <-e.ended:
	case <-time.After(engineStart):
		t.Fatal("the engine does not end")
	}
}

// lend starts an engine for a test. Whatever becomes of it, an engine answers until
// all is cleaned up.
func (e *ownEngine) lend(t *testing.T, liveRestore bool) {
	t.Helper()
	if e.process != nil {
		e.stop(t, syscall.SIGTERM)
	}
	e.start(t, liveRestore)
	t.Cleanup(func() {
		if isClosed(e.ended) {
			e.start(t, liveRestore)
		}
	})
}

// settled is a provider with a function that runs, in two replicas, one that is frozen
// and one at zero.
func settled(t *testing.T) *child {
	t.Helper()
	c := spawn(t, enginetest.Network(t), t.TempDir(), "log_level=debug", "wake_timeout=5s", "upstream_timeout=10s")
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("the provider's log:\n%s", c.log)
		}
	})
	for _, f := range []struct {
		name, sample string
		labels       map[string]string
	}{
		{"runs", "sleep", map[string]string{"com.openfaas.scale.min": "2", "com.openfaas.scale.max": "2"}},
		{"naps", "echo", map[string]string{"com.openfaas.scale.min": "1", "com.openfaas.scale.max": "1", "com.openfaas.scale.freeze-duration": "1s"}},
		{"rests", "echo", map[string]string{"com.openfaas.scale.min": "0"}},
	} {
		c.send(t, http.MethodPost, "/system/functions", types.FunctionDeployment{
			Service: f.name, Image: image(t, f.sample), Namespace: defaultNS, Labels: &f.labels,
		}).wants(t, http.StatusAccepted)
	}
	c.awaitReplicas(t, "runs", 2)
	c.awaitReplicas(t, "naps", 1)
	c.awaitFrozen(t, "naps", 1)
	return c
}

// visitors call functions now and then, as somebody does who has no way to know that
// there is no engine.
type visitors struct {
	mu      sync.Mutex
	longest map[string]time.Duration
	told    map[string]string // what a function's visitors were told last when it failed
	stop    func()
}

func (c *child) visit(t *testing.T, names ...string) *visitors {
	t.Helper()
	v := &visitors{longest: map[string]time.Duration{}, told: map[string]string{}}
	var group sync.WaitGroup
	done := make(chan struct{})
	for _, name := range names {
		group.Go(func() {
			for !isClosed(done) {
				began := time.Now()
				got, err := c.try(t.Context(), request{method: http.MethodGet, path: "/function/" + name})
				v.note(name, time.Since(began), got, err)
				time.Sleep(100 * time.Millisecond) // how often they come
			}
		})
	}
	v.stop = sync.OnceFunc(func() { close(done); group.Wait() })
	t.Cleanup(v.stop)
	return v
}

func (v *visitors) note(name string, took time.Duration, got answer, err error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.longest[name] = max(v.longest[name], took)
	if err != nil || got.StatusCode != http.StatusOK {
		v.told[name] = fmt.Sprintf("%d %v %s", statusOf(got), err, strings.TrimSpace(got.body))
	}
}

// mended waits until every function answers, and returns how long each took.
func (c *child) mended(t *testing.T, names ...string) map[string]time.Duration {
	t.Helper()
	began := time.Now()
	var mu sync.Mutex
	took := map[string]time.Duration{}
	var group sync.WaitGroup
	for _, name := range names {
		group.Go(func() {
			for time.Since(began) < soon {
				// A call that went to a replica whose network has gone is not waited for.
				ctx, cancel := context.WithTimeout(t.Context(), time.Second)
				got, err := c.try(ctx, request{method: http.MethodGet, path: "/function/" + name})
				cancel()
				if err == nil && got.StatusCode == http.StatusOK {
					mu.Lock()
					defer mu.Unlock()
					took[name] = time.Since(began).Round(time.Millisecond)
					return
				}
				time.Sleep(20 * time.Millisecond) // between two calls
			}
			t.Errorf("%s does not answer within %s", name, soon)
		})
	}
	group.Wait()
	return took
}

// TestEngine_Restarted ends the engine in every way there is, while functions are
// called that run, are frozen and are at zero, and starts it again.
func TestEngine_Restarted(t *testing.T) {
	if !secluded(t) {
		return
	}
	var e ownEngine
	for _, tc := range []struct {
		name   string
		signal syscall.Signal
		live   bool
	}{
		{"terminated", syscall.SIGTERM, false},
		{"killed", syscall.SIGKILL, false},
		{"terminated, with live-restore", syscall.SIGTERM, true},
		{"killed, with live-restore", syscall.SIGKILL, true},
	} {
		t.Run(tc.name, func(t *testing.T) {
			e.lend(t, tc.live)
			c := settled(t)
			before := c.containers(t, "runs")
			load := c.callSteadily(t, 2, request{method: http.MethodGet, path: "/function/runs?d=5ms"})
			e.stop(t, tc.signal)
			visits := c.visit(t, "naps", "rests")
			time.Sleep(engineGone) // how long there is none is what is tested
			e.start(t, tc.live)
			c.wantMended(t, visits)
			load.stop()
			if tc.live {
				load.wantNoLoss(t)
				c.wantSame(t, before)
			}
			c.wantWhole(t)
		})
	}
}

// TestEngine_AwayForMinutes has functions called while there is no engine for long, or
// one that takes every call and answers none.
func TestEngine_AwayForMinutes(t *testing.T) {
	for _, tc := range []struct {
		name   string
		silent bool
	}{{"stopped", false}, {"silent", true}} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			if !secluded(t) {
				return
			}
			var e ownEngine
			e.lend(t, true)
			c := settled(t)
			before := c.containers(t, "runs")
			load := c.callSteadily(t, 2, request{method: http.MethodGet, path: "/function/runs?d=5ms"})
			visits := e.whileAway(t, tc.silent, func() *visitors {
				visits := c.visit(t, "naps", "rests")
				time.Sleep(engineAway) // how long it is away is what is tested
				return visits
			})
			c.wantMended(t, visits)
			load.wantNoLoss(t)
			c.wantSame(t, before)
			c.wantWhole(t)
			for name, told := range visits.told {
				if !strings.HasPrefix(told, "503 ") || !strings.Contains(told, name) {
					t.Errorf("callers of %s were told %q, want 503 and why", name, told)
				}
			}
		})
	}
}

// whileAway runs act while the engine is not there, or does not answer.
func (e *ownEngine) whileAway(t *testing.T, silent bool, act func() *visitors) *visitors {
	t.Helper()
	if !silent {
		e.stop(t, syscall.SIGTERM)
		visits := act()
		e.start(t, true)
		return visits
	}
	if err := e.process.Process.Signal(syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	visits := act()
	if err := e.process.Process.Signal(syscall.SIGCONT); err != nil {
		t.Fatal(err)
	}
	return visits
}

// wantMended checks that every function answers soon after the engine does, and that
// nobody has waited for long before that.
func (c *child) wantMended(t *testing.T, visits *visitors) {
	t.Helper()
	started, echo := make(chan time.Duration, 1), image(t, "echo")
	go func() { // beside what is measured
		defer close(started)
		started <- engineStarts(t, c.network, echo, 1)
	}()
	took := c.mended(t, "runs", "naps", "rests")
	engine := <-started
	visits.stop()
	t.Logf("answers again: %v; the engine alone started one in %s; waited at most %v; told %v", took, engine.Round(time.Millisecond), visits.longest, visits.told)
	for name, after := range took {
		if limit := slowed(mendLimit, engine); after > limit {
			t.Errorf("%s answered %s after the engine, want %s", name, after, limit)
		}
	}
	for name, waited := range visits.longest {
		if waited > excuseLimit {
			t.Errorf("a caller of %s waited for %s, want at most %s", name, waited, excuseLimit)
		}
	}
}

// wantSame checks that what has run all the time still does.
func (c *child) wantSame(t *testing.T, before []string) {
	t.Helper()
	if now := c.containers(t, "runs"); !sameSet(before, now) {
		t.Errorf("containers %v became %v: they were restarted", before, now)
	}
}

// wantWhole checks that everything is as it was before the engine went, and that
// freezing, waking and starting work.
func (c *child) wantWhole(t *testing.T) {
	t.Helper()
	c.awaitReplicas(t, "runs", 2)
	c.awaitFrozen(t, "naps", 1)
	c.get(t, "/function/naps").wants(t, http.StatusOK)
	c.awaitFrozen(t, "naps", 1)
	c.get(t, "/function/rests").wants(t, http.StatusOK)
	c.awaitNamespace(t)
	eventually(t, "nothing is left over", func() (bool, string) {
		dead := docker(t, "ps", "-a", "--filter", "label=com.openfaas.provider="+c.network, "--filter", "status=exited", "--filter", "status=created", "--format", "{{.Names}} {{.Status}}")
		runs, naps := c.containers(t, "runs"), c.containers(t, "naps")
		return dead == "" && len(runs) == 2 && len(naps) == 1, fmt.Sprintf("dead %q, runs %v, naps %v", dead, runs, naps)
	})
}

func isClosed(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}
