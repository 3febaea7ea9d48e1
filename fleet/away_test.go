package fleet

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"time"

	"faas-docker/fleet/scale"
	"faas-docker/function"
)

// dies ends a container while nobody can hear of it.
func (e *fakeEngine) dies(id string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	replica := e.containers[id]
	replica.State = function.Exited
	e.containers[id] = replica
}

// callWithin calls a function, and gives up after limit.
func (s *scene) callWithin(name string, limit time.Duration) error {
	ctx, cancel := context.WithTimeout(s.t.Context(), limit)
	defer cancel()
	lease, err := s.Resolver.Acquire(ctx, s.name(name))
	if err == nil {
		lease.Release()
	}
	return err
}

// Failures while the engine is away say nothing of the function: when it is back there
// is no pause to be waited for.
func TestEngineAway_NoPauseRemainsWhenItIsBack(t *testing.T) {
	play(t, nil, func(s *scene) {
		s.create(labelled("figlet", scale.LabelMin, "0"))
		s.passes(time.Second)
		s.engine.leave()
		for range 60 {
			if err := s.callWithin("figlet", 2*time.Second); !errors.Is(err, function.ErrNoReplica) {
				t.Fatalf("called while the engine is away: %v", err)
			}
			s.passes(3 * time.Second)
		}
		s.engine.comeBack()
		s.passes(2 * time.Second) // so often it is asked
		if err := s.callWithin("figlet", time.Second); err != nil {
			t.Errorf("called when the engine is back: %v", err)
		}
	})
}

func TestEngineAway_WhatDiedMeanwhileIsReplacedAtOnce(t *testing.T) {
	play(t, nil, func(s *scene) {
		s.create(spec("figlet"))
		s.passes(time.Second)
		// The engine still says that it is dead, and then nothing more.
		if err := s.engine.set("c1", function.Exited); err != nil {
			t.Fatal(err)
		}
		s.passes(time.Millisecond)
		s.engine.leave()
		for range 60 {
			s.passes(3 * time.Second)
			if err := s.callWithin("figlet", 2*time.Second); !errors.Is(err, function.ErrNoReplica) {
				t.Fatalf("called while the engine is away: %v", err)
			}
		}
		s.engine.comeBack()
		s.passes(2 * time.Second)
		s.wantReady("figlet", 1)
		s.engine.leave()
		s.engine.dies("c2")
		s.passes(3 * time.Minute)
		s.engine.comeBack()
		s.passes(2 * time.Second)
		s.wantReady("figlet", 1)
		s.wantRunning("c3")
	})
}

// What failed before the engine went away says something of the function: an engine
// that is away for a moment must not have all that crashes started at once.
func TestEngineAway_PausesFromBeforeRemainWhenItIsBack(t *testing.T) {
	starts := 0
	broken := func(s *scene) {
		s.engine.start = func(function.Function) error { starts++; return errors.New("no such command") }
	}
	play(t, broken, func(s *scene) {
		s.create(spec("figlet"))
		s.passes(90 * time.Second) // the pause that runs ends after two minutes
		before := starts
		s.engine.leave()
		s.passes(2 * time.Second)
		s.engine.comeBack()
		s.passes(10 * time.Second)
		if starts != before {
			t.Errorf("started %d times more in the pause after %d failures", starts-before, before)
		}
	})
}

// What cannot be stopped, though the engine answers, is left alone longer each time.
func TestStop_WhatResistsIsAskedLessAndLessOften(t *testing.T) {
	var stops atomic.Int32
	resisting := func(s *scene) {
		s.engine.stop = func() error {
			if stops.Add(1) > 12 {
				return nil
			}
			return errors.New("tried to kill container, but did not receive an exit event")
		}
	}
	play(t, resisting, func(s *scene) {
		s.create(spec("figlet"))
		s.passes(5 * time.Second)
		if err := s.Delete(t.Context(), s.name("figlet")); err != nil {
			t.Fatal(err)
		}
		s.passes(2 * time.Minute)
		if asked := stops.Load(); asked < 6 || asked > 12 {
			t.Errorf("asked %d times in two minutes, want about ten", asked)
		}
		s.passes(5 * time.Minute)
		if left := s.engine.running(); len(left) != 0 {
			t.Errorf("containers %v are left once it could be stopped, want none", left)
		}
	})
}

func TestEngineAway_WhatCouldNotBeStoppedIsStoppedLater(t *testing.T) {
	play(t, nil, func(s *scene) {
		frozen := labelled("frozen", scale.LabelFreezeDuration, "1s")
		for _, sp := range []function.Spec{spec("deleted"), labelled("scaled", scale.LabelMin, "1", scale.LabelMax, "2"), frozen} {
			s.create(sp)
		}
		if err := s.Scale(t.Context(), s.name("scaled"), 2); err != nil {
			t.Fatal(err)
		}
		s.passes(5 * time.Second)
		s.engine.leave()
		if err := s.Delete(t.Context(), s.name("deleted")); err != nil {
			t.Fatal(err)
		}
		if err := s.Scale(t.Context(), s.name("scaled"), 1); err != nil {
			t.Fatal(err)
		}
		_ = s.callWithin("frozen", time.Second)
		s.passes(10 * time.Second)
		s.engine.comeBack()
		s.passes(5 * time.Second)
		if left := s.engine.running(); len(left) != 2 {
			t.Errorf("containers %v, want one of scaled and one of frozen", left)
		}
		s.wantReady("scaled", 1)
		if members := s.Resolver.Members(s.name("deleted")); len(members) != 0 {
			t.Errorf("of the deleted function there is %v", members)
		}
	})
}
