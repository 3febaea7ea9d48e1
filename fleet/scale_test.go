package fleet

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"faas-docker/fleet/scale"
	"faas-docker/function"
	"faas-docker/resolver"
)

func labelled(name string, pairs ...string) function.Spec {
	sp := spec(name)
	sp.Labels = map[string]string{}
	for i := 0; i < len(pairs); i += 2 {
		sp.Labels[pairs[i]] = pairs[i+1]
	}
	return sp
}

// countOf counts how often the engine was asked to do something.
func (e *fakeEngine) countOf(prefix string) int {
	e.mu.Lock()
	defer e.mu.Unlock()
	n := 0
	for _, call := range e.calls {
		if strings.HasPrefix(call, prefix) {
			n++
		}
	}
	return n
}

func (s *scene) warmth(name string) string {
	words := []string{}
	for _, m := range s.Resolver.Members(s.name(name)) {
		words = append(words, m.Phase.String()+"/"+m.State.String())
	}
	return strings.Join(words, " ")
}

func (s *scene) call(name string) (took time.Duration) {
	s.t.Helper()
	began := time.Now()
	lease, err := s.Resolver.Acquire(s.t.Context(), s.name(name))
	if err != nil { // not Fatalf: callers of their own goroutines call, too
		s.t.Errorf("call %s: %v", name, err)
		return time.Since(began)
	}
	took = time.Since(began)
	lease.Release()
	return took
}

func TestFreeze_AfterTheDurationAndThawedByACallWithoutWaiting(t *testing.T) {
	play(t, nil, func(s *scene) {
		s.create(labelled("figlet", scale.LabelFreezeDuration, "10s"))
		s.passes(5 * time.Second)
		s.call("figlet")
		s.passes(8 * time.Second)
		if got := s.warmth("figlet"); got != "ready/running" {
			t.Fatalf("8 s after the last call it is %s", got)
		}
		s.passes(3 * time.Second)
		if got := s.warmth("figlet"); got != "frozen/paused" {
			t.Fatalf("11 s after the last call it is %s", got)
		}
		if status, _ := s.Status(s.name("figlet")); status.Asleep != 1 || status.Reason != "" {
			t.Errorf("a frozen function has %d replicas asleep and the reason %q, want one and none", status.Asleep, status.Reason)
		}
		var callers sync.WaitGroup
		for range 100 {
			callers.Go(func() {
				if took := s.call("figlet"); took != 0 {
					s.t.Errorf("a caller waited %v for the thaw, want that it is lent at once", took)
				}
			})
		}
		callers.Wait()
		s.passes(time.Second)
		if got := s.warmth("figlet"); got != "ready/running" {
			t.Errorf("after the calls it is %s", got)
		}
		if thaws := s.engine.countOf("unpause"); thaws != 1 {
			t.Errorf("%d thaws for 100 callers, want one", thaws)
		}
	})
}

func TestFreeze_NeverWhileACallIsInFlight(t *testing.T) {
	play(t, nil, func(s *scene) {
		s.create(labelled("figlet", scale.LabelFreezeDuration, "1s"))
		s.passes(500 * time.Millisecond)
		lease, err := s.Resolver.Acquire(s.t.Context(), s.name("figlet"))
		if err != nil {
			t.Fatal(err)
		}
		s.passes(time.Hour)
		if frozen := s.engine.countOf("pause"); frozen != 0 {
			t.Errorf("frozen %d times with a call in flight", frozen)
		}
		lease.Release()
		s.passes(2 * time.Minute)
		if got := s.warmth("figlet"); got != "frozen/paused" {
			t.Errorf("two minutes after the call it is %s", got)
		}
	})
}

func TestThaw_OneThatFailsIsReplaced(t *testing.T) {
	play(t, nil, func(s *scene) {
		s.create(labelled("figlet", scale.LabelFreezeDuration, "1s"))
		s.passes(time.Minute)
		var lost []string
		s.Resolver.ThawFailed = func(replica function.Replica, untouched bool) {
			lost = append(lost, fmt.Sprint(replica.ID, " ", untouched))
		}
		s.engine.unpause = func(context.Context) error { return errors.New("cgroup gone") }
		s.call("figlet")
		s.passes(time.Second)
		if len(lost) != 1 || lost[0] != "c1 true" {
			t.Errorf("lost %v, want c1", lost)
		}
		s.call("figlet")
		s.wantRunning("c2")
	})
}

func TestThawedByHand_TakesCallsAndIsFrozenAgain(t *testing.T) {
	play(t, nil, func(s *scene) {
		s.create(labelled("figlet", scale.LabelFreezeDuration, "10s"))
		s.passes(time.Minute)
		for _, before := range []time.Duration{time.Second, 0} {
			if err := s.engine.set("c1", function.Running); err != nil {
				t.Fatal(err)
			}
			s.passes(before)
			s.call("figlet")
			s.passes(time.Second)
			if got := s.warmth("figlet"); got != "ready/running" {
				t.Errorf("called after it was thawed by hand it is %s", got)
			}
			s.passes(time.Minute)
			if got := s.warmth("figlet"); got != "frozen/paused" {
				t.Errorf("a minute later it is %s", got)
			}
		}
		if err := s.engine.set("c1", function.Running); err != nil {
			t.Fatal(err)
		}
		s.passes(time.Minute)
		if got := s.warmth("figlet"); got != "frozen/paused" {
			t.Errorf("without a call it is %s a minute later", got)
		}
		s.wantRunning("c1")
	})
}

func TestRestart_KeepsWhatIsFrozenFrozen(t *testing.T) {
	play(t, func(s *scene) {
		f, err := s.store.Create(function.Function{Spec: labelled("figlet", scale.LabelFreezeDuration, "10s"), Replicas: 1, ImageID: "id"})
		if err != nil {
			s.t.Fatal(err)
		}
		replica, _ := s.engine.Start(s.t.Context(), f)
		_ = s.engine.set(replica.ID, function.Paused)
		s.openStore()
	}, func(s *scene) {
		s.passes(time.Minute)
		s.wantRunning("c1")
		if took := s.call("figlet"); took != 0 {
			t.Errorf("the first caller waited %v", took)
		}
		s.passes(time.Second)
		if got := s.warmth("figlet"); got != "ready/running" {
			t.Errorf("after a call it is %s", got)
		}
	})
}

func TestZero_RemovesAfterTheDurationAndWakesOnACall(t *testing.T) {
	play(t, nil, func(s *scene) {
		s.create(labelled("figlet", scale.LabelZero, "true", scale.LabelZeroDuration, "5m"))
		s.passes(time.Second)
		s.call("figlet")
		s.passes(4 * time.Minute)
		s.wantRunning("c1")
		s.passes(2 * time.Minute)
		s.wantRunning()
		if f, _ := s.store.Function(s.name("figlet")); f.Replicas != 0 {
			t.Errorf("%d replicas are wanted, want none", f.Replicas)
		}
		if took := s.call("figlet"); took > 250*time.Millisecond {
			t.Errorf("the caller was held %v, want no longer than a start", took)
		}
	})
}

func TestAutoscale_UpWithTheCallsInFlightAndDownAfterThem(t *testing.T) {
	play(t, nil, func(s *scene) {
		s.create(labelled("figlet", scale.LabelType, "capacity", scale.LabelTarget, "10", scale.LabelMax, "10"))
		s.passes(time.Second)
		var held []resolver.Lease
		for range 200 {
			lease, err := s.Resolver.Acquire(s.t.Context(), s.name("figlet"))
			if err != nil {
				t.Fatal(err)
			}
			held = append(held, lease)
		}
		s.passes(2 * time.Second)
		s.wantReady("figlet", 10)
		for _, lease := range held {
			lease.Release()
		}
		s.passes(10 * time.Minute)
		s.wantReady("figlet", 1)
	})
}

func TestStandby_KeepsFrozenSparesThatABurstTakesFirst(t *testing.T) {
	play(t, nil, func(s *scene) {
		s.create(labelled("figlet", scale.LabelStandby, "2", scale.LabelType, "capacity", scale.LabelTarget, "1", scale.LabelMax, "3"))
		s.passes(5 * time.Second)
		s.wantReady("figlet", 1)
		if running := s.engine.running(); len(running) != 3 {
			t.Fatalf("%d containers, want one that runs and two spares", len(running))
		}
		for range 3 {
			if _, err := s.Resolver.Acquire(s.t.Context(), s.name("figlet")); err != nil {
				t.Fatal(err)
			}
		}
		s.passes(1100 * time.Millisecond)
		s.wantReady("figlet", 3)
		if thaws := s.engine.countOf("unpause"); thaws != 2 {
			t.Errorf("%d thaws, want the two spares", thaws)
		}
	})
}

func TestAlert_OneStepUpWhileItFiresAndBackWhenItIsOver(t *testing.T) {
	play(t, nil, func(s *scene) {
		s.create(labelled("figlet", scale.LabelMin, "1", scale.LabelMax, "10", scale.LabelFactor, "30"))
		s.passes(time.Second)
		if err := s.Alert(s.t.Context(), s.name("figlet"), true); err != nil {
			t.Fatal(err)
		}
		s.passes(time.Second)
		s.wantReady("figlet", 4)
		if err := s.Alert(s.t.Context(), s.name("figlet"), false); err != nil {
			t.Fatal(err)
		}
		s.passes(time.Second)
		s.wantReady("figlet", 1)
		if err := s.Alert(s.t.Context(), s.name("nobody"), true); !errors.Is(err, function.ErrNotFound) {
			t.Errorf("an alert for an unknown function: %v", err)
		}
	})
}

func TestAutoscale_ByProcessor(t *testing.T) {
	play(t, nil, func(s *scene) {
		// The fake's replicas consume a core, together: at 300 a replica that is four.
		s.create(labelled("figlet", scale.LabelType, "cpu", scale.LabelTarget, "300", scale.LabelMax, "10"))
		s.passes(time.Second)
		for range 60 {
			s.call("figlet")
			s.passes(time.Second)
		}
		s.wantReady("figlet", 4)
	})
}

func TestAutoscale_AddsNothingThatAFullHostCannotRun(t *testing.T) {
	for name, test := range map[string]struct {
		isFull bool
		want   int
	}{"room": {false, 10}, "full": {true, 2}} {
		play(t, func(s *scene) { s.engine.isFull = test.isFull }, func(s *scene) {
			// The fake's replicas consume a core, together: a second one may have a use for what is left.
			s.create(labelled("figlet", scale.LabelType, "capacity", scale.LabelTarget, "10", scale.LabelMax, "10"))
			s.passes(time.Second)
			for range 200 {
				if _, err := s.Resolver.Acquire(s.t.Context(), s.name("figlet")); err != nil {
					t.Fatal(err)
				}
			}
			s.passes(time.Minute)
			if got := s.Resolver.Load(s.name("figlet")).Ready; got != test.want {
				t.Errorf("%s: %d replicas, want %d", name, got, test.want)
			}
		})
	}
}

func TestRested_CountsTheFunctionsThatACallWouldStart(t *testing.T) {
	var resting atomic.Int64
	play(t, nil, func(s *scene) {
		s.Rested = func(change int) { resting.Add(int64(change)) }
		want := func(when string, count int64) {
			t.Helper()
			s.passes(time.Second)
			if got := resting.Load(); got != count {
				t.Errorf("%s: %d functions rest, want %d", when, got, count)
			}
		}
		s.create(labelled("a", scale.LabelMin, "0"))
		s.create(labelled("b", scale.LabelMin, "0"))
		s.create(spec("c"))
		want("deployed", 2)
		s.call("a")
		want("one is called", 1)
		if err := s.Scale(t.Context(), s.name("c"), 0); err != nil {
			t.Fatal(err)
		}
		want("another is scaled to zero", 2)
		if err := s.Delete(t.Context(), s.name("b")); err != nil {
			t.Fatal(err)
		}
		want("one is deleted", 1)
	})
}

func TestScale_WakesAndSleepsThoughTheStoreCannotBeWritten(t *testing.T) {
	play(t, nil, func(s *scene) {
		s.create(labelled("figlet", scale.LabelMin, "0", scale.LabelZero, "true", scale.LabelZeroDuration, "30s"))
		stored := func() int {
			f, _ := s.store.Function(s.name("figlet"))
			return f.Replicas
		}
		s.passes(time.Second)
		s.full.Store(true)
		s.call("figlet")
		s.passes(5 * time.Second)
		s.wantReady("figlet", 1)
		if stored() != 0 {
			t.Errorf("%d replicas are written down, though nothing can be", stored())
		}
		s.full.Store(false)
		s.call("figlet")
		s.passes(5 * time.Second)
		if s.wantReady("figlet", 1); stored() != 1 {
			t.Errorf("%d replicas are written down, want 1 now that it is possible", stored())
		}
		s.full.Store(true)
		s.passes(time.Minute)
		s.wantReady("figlet", 0)
		s.full.Store(false)
		if err := s.Scale(t.Context(), s.name("figlet"), 2); err != nil {
			t.Fatal(err)
		}
		s.passes(time.Second)
		s.wantReady("figlet", 2) // somebody else's word counts for more
	})
}

// The step is noticed when it happens, and not when somebody looks next.
func TestScale_ABurstIsNoticedAtOnce(t *testing.T) {
	play(t, nil, func(s *scene) {
		s.create(labelled("figlet", scale.LabelType, "capacity", scale.LabelTarget, "10", scale.LabelMax, "10"))
		s.passes(1500 * time.Millisecond)
		var leases []resolver.Lease
		for range 200 {
			lease, err := s.Resolver.Acquire(t.Context(), s.name("figlet"))
			if err != nil {
				t.Fatal(err)
			}
			leases = append(leases, lease)
		}
		s.passes(450 * time.Millisecond) // two turns of eight starts at a time
		s.wantReady("figlet", 10)
		for _, lease := range leases {
			lease.Release()
		}
	})
}

// Nobody calls any of these functions; the worker has to look by itself.
func TestScale_WhatIsTooManyGoesWithoutACall(t *testing.T) {
	of := func(pairs ...string) function.Spec { return labelled("f", pairs...) }
	for _, test := range []struct {
		name string
		act  func(s *scene)
		want int
	}{
		{"scaled by hand", func(s *scene) { s.create(of()); s.scaleTo("f", 7) }, 1},
		{"scaled by hand, with bounds", func(s *scene) {
			s.create(of("com.openfaas.scale.min", "2", "com.openfaas.scale.max", "9"))
			s.scaleTo("f", 7)
		}, 2},
		{"a lower maximum", func(s *scene) {
			s.create(of("com.openfaas.scale.min", "1", "com.openfaas.scale.max", "20"))
			s.scaleTo("f", 9)
			s.passes(2 * time.Second)
			s.redeploy(of("com.openfaas.scale.min", "1", "com.openfaas.scale.max", "3"), 1)
		}, 1},
		{"a lower maximum with scaling off", func(s *scene) {
			s.create(of("com.openfaas.scale.min", "9", "com.openfaas.scale.max", "9"))
			s.passes(2 * time.Second)
			s.redeploy(of("com.openfaas.scale.min", "2", "com.openfaas.scale.max", "2"), 1)
		}, 2},
		{"no labels any more", func(s *scene) {
			s.create(of("com.openfaas.scale.min", "6"))
			s.passes(2 * time.Second)
			s.redeploy(of(), 1)
		}, 1},
		{"a burst long ago", func(s *scene) {
			s.create(of("com.openfaas.scale.target", "1", "com.openfaas.scale.type", "capacity"))
			s.passes(time.Second)
			var leases []resolver.Lease
			for range 8 {
				lease, _ := s.Resolver.Acquire(s.t.Context(), s.name("f"))
				leases = append(leases, lease)
			}
			s.passes(10 * time.Second)
			for _, lease := range leases {
				lease.Release()
			}
			s.wantReady("f", 9)
		}, 1},
		{"an alert that never ended", func(s *scene) {
			s.create(of("com.openfaas.scale.max", "10", "com.openfaas.scale.factor", "50"))
			_ = s.Alert(s.t.Context(), s.name("f"), true)
		}, 1},
		{"by processor time", func(s *scene) {
			s.create(of("com.openfaas.scale.type", "cpu", "com.openfaas.scale.target", "2000"))
			s.scaleTo("f", 5)
		}, 1},
		{"with a window", func(s *scene) {
			s.create(of("com.openfaas.scale.type", "rps", "com.openfaas.scale.down.window", "5m"))
			s.scaleTo("f", 5)
		}, 1},
		{"frozen ones", func(s *scene) { s.create(of("com.openfaas.scale.freeze-duration", "1s")); s.scaleTo("f", 5) }, 1},
	} {
		t.Run(test.name, func(t *testing.T) {
			play(t, nil, func(s *scene) {
				test.act(s)
				s.passes(7 * time.Minute)
				status, err := s.Status(s.name("f"))
				if err != nil || status.Replicas != test.want || status.Available() != test.want || len(s.engine.running()) != test.want {
					t.Errorf("%d replicas are wanted and %d there (%v), want %d", status.Replicas, len(s.engine.running()), err, test.want)
				}
			})
		})
	}
}

func TestScale_WhatABurstHasLeftGoesAfterARestart(t *testing.T) {
	before := func(s *scene) {
		f := function.Function{Spec: spec("f"), Replicas: 10, ImageID: "sha256:f:latest", Answered: true}
		if _, err := s.store.Create(f); err != nil {
			s.t.Fatal(err)
		}
	}
	play(t, before, func(s *scene) {
		s.passes(30 * time.Second)
		s.wantReady("f", 10)
		s.passes(2 * time.Minute)
		s.wantReady("f", 1)
	})
}
