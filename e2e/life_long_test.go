//go:build long

package e2e

import (
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/openfaas/faas-provider/types"

	"faas-docker/function"
	"faas-docker/resolver"
)

const (
	lifeRounds  = 20
	lifeClients = 64
	lifeCalls   = 100_000
)

// TestLife_NoCallIsLostThroughUpdatesScalingsAndFreezes calls a function with 64
// clients without pause while everything is done to it that may be done. Each thing
// is awaited before the next begins.
func TestLife_NoCallIsLostThroughUpdatesScalingsAndFreezes(t *testing.T) {
	h := patient(t)
	spec := h.spec(t, "echo")
	// Nobody else scales it, and while it is called none of its replicas is frozen.
	spec.Labels = &map[string]string{"com.openfaas.scale.freeze-duration": "1s", "com.openfaas.scale.factor": "0"}
	h.deploy(t, spec)
	l := &life{host: h, spec: spec, sizes: map[int]int{}}
	began := time.Now()
	l.load = h.callSteadily(t, lifeClients, request{method: http.MethodPost, path: "/function/" + spec.Service, body: "hello", answer: "hello"})
	for round := range lifeRounds {
		l.update(t)
		// Ten, nine and so on to one, and ten again.
		l.scale(t, 10-round%10)
		l.freeze(t)
	}
	lasted := time.Since(began)
	for l.load.answered.Load()+l.load.lost.Load() < lifeCalls && time.Since(began) < 4*time.Minute {
		time.Sleep(100 * time.Millisecond) // the load goes on; this is how long it lasts
	}
	l.load.wantNoLoss(t)
	t.Logf("%d updates, %d scalings and %d freezes took %s, all calls %s; so often so many replicas were frozen: %v",
		l.updates, l.scalings, l.freezes, lasted.Round(time.Second), time.Since(began).Round(time.Second), l.sizes)
	if l.updates != lifeRounds || l.scalings != lifeRounds || l.freezes != lifeRounds || l.sizes[1] == 0 || l.sizes[10] == 0 {
		t.Errorf("want %d of each, from 1 to 10 replicas", lifeRounds)
	}
	if calls := l.load.answered.Load(); calls < lifeCalls {
		t.Errorf("%d calls were answered, want %d", calls, lifeCalls)
	}
}

// life is what is done to one function, and how often that was seen to have happened.
type life struct {
	host *host
	spec types.FunctionDeployment
	load *callers

	updates, scalings, freezes int
	// sizes counts how often so many replicas were frozen together.
	sizes map[int]int
}

// update deploys the function anew, and returns when only the new revision is left.
func (l *life) update(t *testing.T) {
	t.Helper()
	before := l.revision(t)
	l.spec.Annotations = &map[string]string{"round": fmt.Sprint(l.updates)}
	l.host.send(t, http.MethodPut, "/system/functions", l.spec).wants(t, http.StatusOK)
	l.await(t, "only the new revision is left, and runs", func(members []resolver.Member) bool {
		return len(members) > 0 && allOf(members, func(m resolver.Member) bool { return m.Revision > before && runs(m) })
	})
	l.updates++
}

// scale asks for that many replicas, and returns when exactly they run.
func (l *life) scale(t *testing.T, count int) {
	t.Helper()
	l.host.send(t, http.MethodPost, "/system/scale-function/"+l.spec.Service, map[string]any{"replicas": count}).wants(t, http.StatusAccepted)
	l.await(t, fmt.Sprintf("%d replicas run, and no other is left", count), func(members []resolver.Member) bool {
		return len(members) == count && allOf(members, runs)
	})
	l.scalings++
}

// freeze has the clients be silent until the engine has every replica paused. They go
// on before any of them is asked for.
func (l *life) freeze(t *testing.T) {
	t.Helper()
	l.load.quiet.Lock()
	defer l.load.quiet.Unlock()
	count := len(l.members())
	l.await(t, "all replicas are frozen", func(members []resolver.Member) bool {
		count = len(members)
		return count > 0 && allOf(members, func(m resolver.Member) bool { return m.State == function.Paused })
	})
	if paused := l.host.frozen(t, l.spec.Service); paused != count {
		t.Errorf("the engine has %d paused containers, want %d", paused, count)
	}
	l.freezes++
	l.sizes[count]++
}

func (l *life) name() function.Name { return function.Name{Name: l.spec.Service, Namespace: defaultNS} }

func (l *life) members() []resolver.Member { return l.host.provider.View().Resolver.Members(l.name()) }

func (l *life) revision(t *testing.T) uint64 {
	t.Helper()
	stored, err := l.host.provider.View().Store.Function(l.name())
	if err != nil {
		t.Fatal(err)
	}
	return stored.Revision
}

// await is for what takes long: the clients leave little of the machine for it.
func (l *life) await(t *testing.T, what string, holds func([]resolver.Member) bool) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); !holds(l.members()); {
		if time.Now().After(deadline) {
			t.Fatalf("not within a minute: %s: %+v", what, l.members())
		}
		time.Sleep(10 * time.Millisecond) // replicas have no event to wait for
	}
}

func runs(m resolver.Member) bool { return m.IsOpen() && m.State == function.Running }

func allOf(members []resolver.Member, holds func(resolver.Member) bool) bool {
	for _, m := range members {
		if !holds(m) {
			return false
		}
	}
	return true
}
