package fleet

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"time"

	"faas-docker/fleet/scale"
	"faas-docker/function"
	"faas-docker/replica"
	"faas-docker/resolver"
)

// callsPrevious borrows a replica of the revision before, for whoever asks for that.
func (s *scene) callsPrevious(name string) resolver.Lease {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(s.t.Context(), time.Minute)
	defer cancel()
	lease, err := s.Resolver.AcquirePrevious(ctx, s.name(name))
	if err != nil {
		s.t.Fatalf("call the revision before of %s: %v", name, err)
	}
	return lease
}

// wantPrevious fails the test unless a call for the revision before reaches that one.
func (s *scene) wantPrevious(name string, revision uint64) {
	s.t.Helper()
	lease := s.callsPrevious(name)
	defer lease.Release()
	if got := lease.Replica().Revision; got != revision {
		s.t.Errorf("a call for the revision before reached revision %d, want %d", got, revision)
	}
}

// replica is what the resolver knows of one replica.
func (s *scene) replica(name, id string) resolver.Member {
	s.t.Helper()
	for _, m := range s.Resolver.Members(s.name(name)) {
		if m.ID == id {
			return m
		}
	}
	s.t.Errorf("there is no replica %s", id)
	return resolver.Member{}
}

// updated plays an update that keeps the revision before, c1, frozen beside c2.
func updated(t *testing.T, act func(s *scene)) {
	play(t, nil, func(s *scene) {
		s.create(keeping("figlet:1"))
		s.passes(time.Second)
		s.update(keeping("figlet:2"))
		s.passes(time.Second)
		if m := s.replica("figlet", "c1"); m.State != function.Paused || m.Phase != replica.Frozen {
			t.Fatalf("c1 is %+v, want it frozen", m)
		}
		act(s)
	})
}

func TestPrevious_ACallThawsItAndARestFreezesItAgain(t *testing.T) {
	updated(t, func(s *scene) {
		lease := s.callsPrevious("figlet")
		if lease.Replica().ID != "c1" || !lease.Waking() {
			t.Fatalf("lent %s, waking=%t", lease.Replica().ID, lease.Waking())
		}
		s.passes(10 * time.Millisecond)
		if m := s.replica("figlet", "c1"); m.State != function.Running || m.Phase != replica.Ready {
			t.Errorf("c1 is %s and %s 10 ms after it was lent", m.State, m.Phase)
		}
		// However long the call lasts: it is not one that the update has left.
		s.passes(5 * time.Minute)
		s.wantRunning("c1", "c2")
		if got := s.calledRevision("figlet"); got != 2 {
			t.Errorf("a call of the function reached revision %d", got)
		}
		lease.Release()
		s.passes(recallRest - time.Second)
		if frozen := s.engine.countOf("pause c1"); frozen != 1 {
			t.Errorf("frozen %d times, want it to rest first", frozen)
		}
		s.passes(recallRest + 2*time.Second)
		if frozen := s.engine.countOf("pause c1"); frozen != 2 {
			t.Errorf("frozen %d times, want it again after a rest", frozen)
		}
		s.wantPrevious("figlet", 1)
	})
}

func TestPrevious_AfterTheWindowTheFunctionItselfStandsIn(t *testing.T) {
	updated(t, func(s *scene) {
		lease := s.callsPrevious("figlet")
		s.passes(10*time.Minute + time.Second)
		s.wantPrevious("figlet", 2)
		s.wantRunning("c1", "c2")
		lease.Release()
		s.passes(time.Second)
		s.wantRunning("c2")
	})
}

func TestPrevious_ARollbackLeadsEverybodyBack(t *testing.T) {
	updated(t, func(s *scene) {
		before, present := s.callsPrevious("figlet"), uint64(0)
		s.passes(time.Second)
		if err := s.Rollback(s.t.Context(), s.name("figlet")); err != nil {
			t.Fatal(err)
		}
		for range 10 {
			if present = s.calledRevision("figlet"); present != 1 {
				t.Fatalf("revision %d answers after the rollback", present)
			}
			// What was left is kept, too, but it is not what came before.
			s.wantPrevious("figlet", 1)
		}
		s.passes(time.Minute)
		s.wantRunning("c1", "c2")
		before.Release()
		s.passes(time.Minute)
		s.wantReady("figlet", 1)
		if err := s.Rollback(s.t.Context(), s.name("figlet")); err != nil {
			t.Fatal(err)
		}
		if present = s.calledRevision("figlet"); present != 2 {
			t.Errorf("revision %d answers after the way forward", present)
		}
		s.passes(time.Second)
		s.wantPrevious("figlet", 1)
		if load := s.Resolver.Load(s.name("figlet")); load.InFlight != 0 {
			t.Errorf("%d calls are in flight, want none", load.InFlight)
		}
	})
}

func TestPrevious_AnUpdateMovesOnWithoutCuttingACall(t *testing.T) {
	updated(t, func(s *scene) {
		first := s.callsPrevious("figlet")
		s.passes(time.Second)
		s.update(keeping("figlet:3"))
		s.wantPrevious("figlet", 1)
		s.passes(2 * time.Second)
		s.wantPrevious("figlet", 2)
		if got := s.calledRevision("figlet"); got != 3 {
			t.Errorf("revision %d answers, want 3", got)
		}
		s.wantRunning("c1", "c2", "c3")
		first.Release()
		s.passes(time.Second)
		s.wantRunning("c2", "c3")
	})
}

func TestPrevious_OneThatIsLentInTheMomentItGoesStillAnswers(t *testing.T) {
	updated(t, func(s *scene) {
		lease := s.callsPrevious("figlet") // asleep, and the worker has not heard of it
		s.Resolver.Withdraw(s.name("figlet"), "c1")
		s.passes(100 * time.Millisecond)
		if thawed := s.engine.countOf("unpause c1"); thawed != 1 {
			t.Errorf("thawed %d times for a call that waits for it", thawed)
		}
		lease.Release()
	})
}

func TestPrevious_TheThawOfOneThatGoesIsTriedAgainAfterAPause(t *testing.T) {
	updated(t, func(s *scene) {
		var mended atomic.Bool
		s.engine.unpause = func(context.Context) error {
			if mended.Load() {
				return s.engine.set("c1", function.Running)
			}
			return errors.New("cgroup is gone")
		}
		lease := s.callsPrevious("figlet")
		s.Resolver.Withdraw(s.name("figlet"), "c1")
		s.passes(20 * time.Second)
		if asked := s.engine.countOf("unpause c1"); asked < 3 || asked > 8 {
			t.Errorf("asked %d times for a thaw within 20 s", asked)
		}
		mended.Store(true)
		s.passes(20 * time.Second)
		if s.engine.isPaused("c1") {
			t.Error("it is not thawed once that succeeds")
		}
		lease.Release()
	})
}

func TestPrevious_OneThatCannotBeThawedIsGivenUp(t *testing.T) {
	updated(t, func(s *scene) {
		s.engine.unpause = func(context.Context) error { return errors.New("cgroup is gone") }
		lost := make(chan string, 1)
		s.Resolver.ThawFailed = func(replica function.Replica, _ bool) { lost <- replica.ID }
		lease := s.callsPrevious("figlet")
		if id := <-lost; id != "c1" {
			t.Errorf("%s is lost", id)
		}
		s.wantPrevious("figlet", 2)
		lease.Release()
		s.passes(time.Second)
		s.wantRunning("c2")
	})
}

func TestPrevious_OneThatCannotBeFrozenIsNotKept(t *testing.T) {
	play(t, nil, func(s *scene) {
		s.engine.pause = func(string) error { return errors.New("freezer is broken") }
		s.create(keeping("figlet:1"))
		s.passes(time.Second)
		s.update(keeping("figlet:2"))
		s.passes(time.Second)
		s.wantRunning("c2")
		s.wantPrevious("figlet", 2)
	})
}

func TestPrevious_OneThatCannotBeReachedIsAskedWhetherItAnswers(t *testing.T) {
	updated(t, func(s *scene) {
		s.callsPrevious("figlet").Release()
		s.passes(time.Second)
		answer := make(chan struct{})
		s.engine.await = func(context.Context, function.Replica) error {
			<-answer
			return nil
		}
		s.Resolver.Suspect(s.name("figlet"), "c1")
		s.wantPrevious("figlet", 2)
		close(answer)
		s.passes(time.Second)
		s.wantPrevious("figlet", 1)

		s.engine.await = func(ctx context.Context, _ function.Replica) error {
			<-ctx.Done()
			return errors.New("connection refused")
		}
		s.Resolver.Suspect(s.name("figlet"), "c1")
		s.passes(2 * time.Minute)
		s.wantRunning("c2")
		s.wantReady("figlet", 1)
	})
}

func TestPrevious_ItsCallsDoNotScaleTheFunction(t *testing.T) {
	play(t, nil, func(s *scene) {
		sp := keeping("figlet:1")
		sp.Labels = map[string]string{scale.LabelZero: "true", scale.LabelZeroDuration: "1m"}
		s.create(sp)
		s.passes(time.Second)
		sp.Image = "figlet:2"
		s.update(sp)
		s.passes(time.Second)
		for range 200 {
			s.wantPrevious("figlet", 1)
			s.passes(time.Second)
		}
		s.wantRunning("c1")
		if got := s.calledRevision("figlet"); got != 2 {
			t.Errorf("revision %d answers, want the function to wake", got)
		}
		s.wantPrevious("figlet", 1)
	})
}

func TestPrevious_WhatCarriesCallsMakesNoRoom(t *testing.T) {
	onHost(t, 500, func(s *scene) {
		s.create(sized("updated", 200))
		s.passes(time.Second)
		again := sized("updated", 200)
		again.Annotations = map[string]string{function.AnnotationRollback: "1h"}
		s.update(again)
		s.passes(time.Second)
		lease := s.callsPrevious("updated")
		s.passes(time.Second)
		s.create(sized("other", 200))
		s.passes(time.Second)
		s.wantReason("other", "no room")
		lease.Release()
		s.passes(recallRest + 10*time.Second)
		s.wantReady("other", 1)
		if kept := s.kept("updated"); kept != 0 {
			t.Errorf("%d replicas kept", kept)
		}
	})
}
