package e2e

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/openfaas/faas-provider/types"

	"faas-docker/engine/enginetest"
)

// A fault is a change during which the provider is killed, at one call to the
// engine after the other.
type fault struct {
	name string
	// before makes what act begins with; nil means that there is no function.
	before func(f *faulty)
	// act asks for the change. Asked again, it may fail, but must do no harm.
	act func(f *faulty) error
	// holds says whether the change has come about.
	holds func(f *faulty) (yes bool, seen string)
}

func faults() []fault {
	return []fault{
		{"deploy", nil, func(f *faulty) error { return f.put(http.MethodPost, "red") }, func(f *faulty) (bool, string) { return f.serves("red", 1) }},
		{"update", func(f *faulty) { f.start(1) }, func(f *faulty) error { return f.put(http.MethodPut, "blue") }, func(f *faulty) (bool, string) { return f.serves("blue", 1) }},
		{"scale up", func(f *faulty) { f.start(1) }, func(f *faulty) error { return f.scale(3) }, func(f *faulty) (bool, string) { return f.serves("red", 3) }},
		{"scale down", func(f *faulty) { f.start(3) }, func(f *faulty) error { return f.scale(1) }, func(f *faulty) (bool, string) { return f.serves("red", 1) }},
		{"thaw and freeze", func(f *faulty) { f.startFrozen() }, (*faulty).call, (*faulty).isFrozen},
		{"delete", func(f *faulty) { f.start(1) }, (*faulty).remove, (*faulty).isGone},
	}
}

// faulty is a provider that is killed again and again, and the function that is
// being changed.
type faulty struct {
	*child
	t       *testing.T
	gate    *gate
	name    string
	freeze  string // the freeze-duration of the function
	longest time.Duration
}

// TestFault_KilledAtEachCallToTheEngine kills the provider just before and just
// after the engine has done what it was asked, at every such moment of a change
// (in the short version at some), and starts it again: nothing may be lost, and
// nothing left over.
func TestFault_KilledAtEachCallToTheEngine(t *testing.T) {
	parallelUnlessAlone(t)
	for _, change := range faults() {
		t.Run(change.name, func(t *testing.T) {
			parallelUnlessAlone(t)
			f := &faulty{t: t, gate: openGate(t)}
			f.child = f.spawn(enginetest.Network(t), t.TempDir())
			f.createSecret()
			points := 0
			for at := 1; f.killedAt(change, at, at%2 == 0); at += faultStride {
				points++
				if faultStride == 1 {
					f.killedAt(change, at, at%2 == 1)
				}
			}
			t.Logf("killed at %d calls to the engine; the longest way back took %s", points, f.longest.Round(time.Millisecond))
			if points == 0 {
				t.Error("the engine was never asked for anything")
			}
		})
	}
}

func (f *faulty) spawn(network, dataDir string) *child {
	return spawn(f.t, network, dataDir, f.gate.environment(), "netns_pool=1")
}

// killedAt makes the change while a trap waits at one of its calls. It reports
// whether the trap has sprung: there are not that many calls otherwise.
func (f *faulty) killedAt(change fault, at int, after bool) bool {
	f.t.Helper()
	f.name, f.freeze = fmt.Sprintf("f%d", serial.Add(1)), ""
	if change.before != nil {
		change.before(f)
	}
	set := f.gate.set(at, after, func() { _ = f.process.Process.Kill() })
	failure := change.act(f)
	if !f.sprung(set, change) {
		f.clear()
		return false
	}
	f.child.kill()
	f.child = f.spawn(f.network, f.dataDir)
	began := time.Now()
	if failure != nil {
		_ = change.act(f) // whoever got no answer asks again
	}
	what := fmt.Sprintf("%s, killed at call %d, %s (after it: %t), comes about with nothing left over", change.name, at, set.call, after)
	eventually(f.t, what, func() (bool, string) {
		yes, seen := change.holds(f)
		strays := f.strays()
		return yes && strays == "", fmt.Sprintf("%s; strays: %s\n%s", seen, strays, f.log.about(0, "f"))
	})
	took := time.Since(began)
	if f.longest = max(f.longest, took); took > faultLimit {
		f.t.Errorf("%s: only after %s, want %s", what, took, faultLimit)
	}
	f.clear()
	return true
}

// sprung waits until the provider was killed, or the change has come about and no
// call to the engine follows any more.
func (f *faulty) sprung(set *trap, change fault) (sprung bool) {
	f.t.Helper()
	eventually(f.t, change.name+" is done, or its end is there", func() (bool, string) {
		select {
		case <-set.done:
			sprung = true
			return true, ""
		default:
		}
		if f.gate.quietFor() < 700*time.Millisecond {
			return false, "the engine is asked for changes"
		}
		return change.holds(f)
	})
	if !sprung && f.gate.disarm() {
		// A call came late.
		<-set.done
		sprung = true
	}
	return sprung
}

// clear deletes the function, so that the next has the provider for itself.
func (f *faulty) clear() {
	f.t.Helper()
	_ = f.remove()
	eventually(f.t, f.name+" is deleted", func() (bool, string) {
		yes, seen := f.isGone()
		return yes && f.strays() == "" && f.gate.quietFor() > 300*time.Millisecond, seen
	})
}

func (f *faulty) createSecret() {
	f.t.Helper()
	f.send(f.t, http.MethodPost, "/system/secrets", types.Secret{Name: "key", Namespace: defaultNS, Value: "s3cr3t"}).wants(f.t, http.StatusCreated)
}

// put deploys or updates the function.
func (f *faulty) put(method, colour string) error {
	labels := map[string]string{"com.openfaas.scale.min": "1", "com.openfaas.scale.max": "5", "com.openfaas.scale.factor": "0"}
	if f.freeze != "" {
		labels["com.openfaas.scale.freeze-duration"] = f.freeze
	}
	spec := types.FunctionDeployment{
		Service: f.name, Namespace: defaultNS, Image: image(f.t, "env"), Secrets: []string{"key"},
		EnvVars: map[string]string{"colour": colour}, Labels: &labels,
	}
	return f.ask(method, "/system/functions", spec)
}

func (f *faulty) scale(replicas uint64) error {
	return f.ask(http.MethodPost, "/system/scale-function/"+f.name, map[string]any{"replicas": replicas})
}

func (f *faulty) remove() error {
	return f.ask(http.MethodDelete, "/system/functions", map[string]any{"functionName": f.name})
}

func (f *faulty) call() error { return f.ask(http.MethodGet, "/function/"+f.name, nil) }

// ask fails unless it is answered with success: the provider may be killed
// meanwhile.
func (f *faulty) ask(method, path string, value any) error {
	ctx, cancel := context.WithTimeout(f.t.Context(), soon)
	defer cancel()
	got, err := f.try(ctx, request{method: method, path: path, body: asJSON(f.t, value)})
	if err == nil && got.StatusCode/100 != 2 {
		err = fmt.Errorf("%s %s: %d %s", method, path, got.StatusCode, got.body)
	}
	return err
}

// start begins with a function that answers.
func (f *faulty) start(replicas uint64) {
	f.t.Helper()
	if err := f.put(http.MethodPost, "red"); err != nil {
		f.t.Fatal(err)
	}
	if replicas > 1 {
		f.awaitReplicas(f.t, f.name, 1)
		if err := f.scale(replicas); err != nil {
			f.t.Fatal(err)
		}
	}
	eventually(f.t, f.name+" serves", func() (bool, string) {
		yes, seen := f.serves("red", int(replicas))
		return yes && f.gate.quietFor() > 300*time.Millisecond, seen
	})
}

func (f *faulty) startFrozen() {
	f.t.Helper()
	f.freeze = "100ms"
	if err := f.put(http.MethodPost, "red"); err != nil {
		f.t.Fatal(err)
	}
	f.awaitFrozen(f.t, f.name, 1)
}

// serves says whether the function has exactly so many replicas, all of them of
// one colour, that answer.
func (f *faulty) serves(colour string, replicas int) (bool, string) {
	for range replicas {
		got, err := f.try(f.t.Context(), request{method: http.MethodGet, path: "/function/" + f.name})
		if err != nil || !strings.Contains(got.body, "colour="+colour+"\n") {
			return false, fmt.Sprintf("%d %v %s", statusOf(got), err, clipped(got.body))
		}
	}
	return f.has("running", replicas)
}

func (f *faulty) isFrozen() (bool, string) { return f.has("paused", 1) }

// has says whether so many containers of the function are in a state, and none in
// another.
func (f *faulty) has(state string, count int) (bool, string) {
	all := f.containers(f.t, f.name)
	in := strings.Fields(docker(f.t, "ps", "-aq", "--no-trunc", "--filter", "status="+state,
		"--filter", "label=com.openfaas.provider="+f.network, "--filter", "label=com.openfaas.function="+f.name))
	return len(all) == count && len(in) == count, fmt.Sprintf("%d containers, %d of them %s", len(all), len(in), state)
}

func (f *faulty) isGone() (bool, string) {
	got, err := f.try(f.t.Context(), request{method: http.MethodGet, path: "/system/function/" + f.name})
	if err != nil || got.StatusCode != http.StatusNotFound {
		return false, fmt.Sprintf("status %d %v", statusOf(got), err)
	}
	return f.has("running", 0)
}

// strays names what is on the engine and nobody needs: helpers, containers of no
// function, network namespaces that are neither ready nor in use, and volumes of
// revisions that are no more.
func (f *faulty) strays() string {
	var strays []string
	holders := -1 // one is kept ready
	list := docker(f.t, "ps", "-a", "--filter", "label=com.openfaas.provider="+f.network, "--format",
		`{{.Names}} {{.State}} {{.Label "com.openfaas.role"}} {{.Label "com.openfaas.function"}} {{.Label "com.openfaas.holder"}}`)
	for line := range strings.Lines(list) {
		fields := append(strings.Fields(line), "", "")
		switch role := fields[2]; {
		case role == "holder":
			holders++
		case role != "function", fields[3] != f.name, fields[1] != "running" && fields[1] != "paused":
			strays = append(strays, line)
		case fields[4] != "":
			holders--
		}
	}
	if holders > 0 {
		strays = append(strays, fmt.Sprintf("%d network namespaces", holders))
	}
	functions := len(f.containers(f.t, f.name))
	volumes := strings.Fields(docker(f.t, "volume", "ls", "-q", "--filter", "label=com.openfaas.provider="+f.network))
	if len(volumes) > min(1, functions) {
		strays = append(strays, fmt.Sprintf("volumes %v of %d replicas", volumes, functions))
	}
	return strings.Join(strays, ", ")
}
