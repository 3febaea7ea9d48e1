package fleet

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"faas-docker/fleet/scale"
	"faas-docker/function"
)

// keeping is a spec that keeps the revision before it for ten minutes.
func keeping(image string) function.Spec {
	sp := spec("figlet")
	sp.Image = image
	sp.Annotations = map[string]string{function.AnnotationRollback: "10m"}
	return sp
}

func (s *scene) update(sp function.Spec) {
	s.t.Helper()
	if _, err := s.Update(s.t.Context(), sp); err != nil {
		s.t.Fatalf("update %s: %v", sp.Name, err)
	}
}

// calledRevision is the revision that a call reaches.
func (s *scene) calledRevision(name string) uint64 {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(s.t.Context(), time.Minute)
	defer cancel()
	lease, err := s.Resolver.Acquire(ctx, s.name(name))
	if err != nil {
		s.t.Errorf("call %s: %v", name, err)
		return 0
	}
	defer lease.Release()
	return lease.Replica().Revision
}

func (s *scene) kept(name string) int {
	s.t.Helper()
	status, err := s.Status(s.name(name))
	if err != nil {
		s.t.Fatal(err)
	}
	return status.Kept
}

func TestRollback_TheRevisionBeforeIsKeptFrozenAndTakesTheCallsAtOnce(t *testing.T) {
	play(t, nil, func(s *scene) {
		s.create(spec("figlet"))
		s.passes(time.Second)
		s.update(keeping("figlet:2"))
		s.passes(time.Second)
		if got := s.calledRevision("figlet"); got != 2 {
			t.Fatalf("revision %d answers after the update, want 2", got)
		}
		s.wantRunning("c1", "c2")
		if kept := s.kept("figlet"); kept != 1 || s.engine.countOf("pause c1") != 1 {
			t.Fatalf("%d replicas kept, %v", kept, s.engine.lastCalls(5))
		}
		began := time.Now()
		if err := s.Rollback(s.t.Context(), s.name("figlet")); err != nil {
			t.Fatal(err)
		}
		if got := s.calledRevision("figlet"); got != 1 || time.Since(began) > 10*time.Millisecond {
			t.Errorf("%v after the rollback revision %d answers, want 1 at once", time.Since(began), got)
		}
		s.passes(time.Second)
		// Revision 1 has no window: the way forward is not kept.
		s.wantRunning("c1")
		if f, _ := s.store.Function(s.name("figlet")); f.Image != "figlet:latest" || f.Revision != 1 || f.Previous != nil {
			t.Errorf("after the rollback the function is %+v", f)
		}
		s.update(keeping("figlet:3"))
		s.passes(time.Second)
		if f, _ := s.store.Function(s.name("figlet")); f.Revision != 3 {
			t.Errorf("the next revision is %d, want one that was never used", f.Revision)
		}
	})
}

func TestRollback_IsLeftOpenForTheWindowOnly(t *testing.T) {
	play(t, nil, func(s *scene) {
		s.create(spec("figlet"))
		s.passes(time.Second)
		s.update(keeping("figlet:2"))
		s.passes(10 * time.Minute)
		s.wantRunning("c1", "c2")
		s.passes(2 * time.Second)
		s.wantRunning("c2")
		err := s.Rollback(s.t.Context(), s.name("figlet"))
		if !errors.Is(err, function.ErrConflict) || !strings.Contains(err.Error(), function.AnnotationRollback) {
			t.Errorf("after the window: %v, want a conflict that says how to keep one", err)
		}
		if err := s.Rollback(s.t.Context(), s.name("nobody")); !errors.Is(err, function.ErrNotFound) {
			t.Errorf("an unknown function: %v", err)
		}
	})
}

func TestRollback_BackAndForth(t *testing.T) {
	play(t, nil, func(s *scene) {
		s.create(keeping("figlet:1"))
		s.passes(time.Second)
		s.update(keeping("figlet:2"))
		s.passes(time.Second)
		for _, want := range []uint64{1, 2, 1} {
			if err := s.Rollback(s.t.Context(), s.name("figlet")); err != nil {
				t.Fatal(err)
			}
			if got := s.calledRevision("figlet"); got != want {
				t.Errorf("revision %d answers, want %d", got, want)
			}
			s.passes(time.Second)
			if kept := s.kept("figlet"); kept != 1 {
				t.Errorf("%d replicas kept, want the other revision's", kept)
			}
		}
		if starts := s.engine.countOf("start"); starts != 2 {
			t.Errorf("%d starts, want one for each revision", starts)
		}
	})
}

// A mark is an event, which has the replicas listed while one that was marked is still
// being paused.
func TestRollback_BackAndForthWhileWhatWasLeftIsBeingFrozen(t *testing.T) {
	for _, called := range []bool{false, true} {
		play(t, nil, func(s *scene) {
			s.create(keeping("figlet:1"))
			s.passes(time.Second)
			s.update(keeping("figlet:2"))
			s.passes(time.Second)
			s.engine.pause = func(id string) error {
				time.Sleep(100 * time.Millisecond)
				return s.engine.set(id, function.Paused)
			}
			for range 2 {
				if err := s.Rollback(s.t.Context(), s.name("figlet")); err != nil {
					t.Fatal(err)
				}
				s.passes(10 * time.Millisecond)
			}
			if called {
				if got := s.calledRevision("figlet"); got != 2 {
					t.Errorf("revision %d answers, want 2", got)
				}
			}
			s.update(keeping("figlet:3"))
			s.passes(5 * time.Second)
			s.wantRunning("c2", "c3")
			if kept := s.kept("figlet"); kept != 1 {
				t.Errorf("called %t: %d replicas kept, want the one that served until the update", called, kept)
			}
			if got := s.warmth("figlet"); got != "frozen/paused ready/running" {
				t.Errorf("called %t: the replicas are %s", called, got)
			}
		})
	}
}

func TestRollback_IsWhatAnotherProviderAdoptsWithoutAStore(t *testing.T) {
	play(t, nil, func(s *scene) {
		s.create(keeping("figlet:1"))
		s.passes(time.Second)
		s.update(keeping("figlet:2"))
		s.passes(time.Second)
		for _, want := range []string{"c2", "", "c2"} {
			if err := s.Rollback(s.t.Context(), s.name("figlet")); err != nil {
				t.Fatal(err)
			}
			s.passes(time.Second)
			if got := s.engine.left(); got != want {
				t.Errorf("marked as left: %q, want %q", got, want)
			}
		}
	})
	play(t, func(s *scene) {
		back := function.Function{Spec: keeping("figlet:1"), Revision: 1, Replicas: 1, ImageID: "1"}
		left := function.Function{Spec: keeping("figlet:2"), Revision: 2, Replicas: 1, ImageID: "2", Answered: true}
		for _, f := range []function.Function{back, left} {
			if _, err := s.engine.Start(s.t.Context(), f); err != nil {
				s.t.Fatal(err)
			}
		}
		_ = s.engine.set("c2", function.Paused)
		_ = s.engine.Leave(s.t.Context(), function.Replica{ID: "c2"}, true)
	}, func(s *scene) {
		s.passes(time.Second)
		if got := s.calledRevision("figlet"); got != 1 {
			t.Errorf("revision %d answers, want the one gone back to", got)
		}
		if kept := s.kept("figlet"); kept != 1 {
			t.Errorf("%d replicas kept for a way forward, want 1", kept)
		}
		if err := s.Rollback(s.t.Context(), s.name("figlet")); err != nil {
			t.Fatal(err)
		}
		if got := s.calledRevision("figlet"); got != 2 {
			t.Errorf("revision %d answers after the way forward, want 2", got)
		}
		s.update(keeping("figlet:3"))
		s.passes(time.Second)
		if f, _ := s.store.Function(s.name("figlet")); f.Revision != 3 {
			t.Errorf("the next revision is %d, want one that was never used", f.Revision)
		}
	})
}

func TestRollback_WhenNoneIsLeftItIsRefused(t *testing.T) {
	play(t, nil, func(s *scene) {
		s.create(spec("figlet"))
		s.passes(time.Second)
		s.update(keeping("figlet:2"))
		s.passes(time.Second)
		_ = s.engine.Remove(s.t.Context(), "c1")
		s.passes(time.Second)
		err := s.Rollback(s.t.Context(), s.name("figlet"))
		if !errors.Is(err, function.ErrConflict) || !strings.Contains(err.Error(), "figlet:latest, as long as its ID is sha256:figlet:latest") {
			t.Errorf("without a replica: %v, want a conflict that names the image", err)
		}
		s.wantReady("figlet", 1)
	})
}

func TestRollback_TheImageOfTheRevisionBeforeIsNamedExactly(t *testing.T) {
	spec := function.Spec{Image: "parrot:latest"}
	for _, test := range []struct {
		before function.Previous
		want   string
	}{
		{function.Previous{Spec: spec, ImageID: "sha256:1", ImageDigest: "ghcr.io/x/parrot@sha256:2"}, "ghcr.io/x/parrot@sha256:2"},
		{function.Previous{Spec: spec, ImageID: "sha256:1"}, "parrot:latest, as long as its ID is sha256:1; if it is not, give that image a tag of its own with docker tag"},
		{function.Previous{Spec: spec}, "parrot:latest"},
	} {
		if got := exactImage(test.before); got != test.want {
			t.Errorf("%+v: got %q, want %q", test.before, got, test.want)
		}
	}
}

func TestRollback_KeptReplicasTakeNoCallAndEndTheirOwn(t *testing.T) {
	play(t, nil, func(s *scene) {
		s.create(spec("figlet"))
		s.passes(time.Second)
		lease, err := s.Resolver.Acquire(s.t.Context(), s.name("figlet"))
		if err != nil {
			t.Fatal(err)
		}
		s.update(keeping("figlet:2"))
		s.passes(30 * time.Second)
		if frozen := s.engine.countOf("pause"); frozen != 0 {
			t.Error("frozen with a call in flight")
		}
		lease.Release()
		s.passes(time.Second)
		if frozen := s.engine.countOf("pause c1"); frozen != 1 {
			t.Errorf("frozen %d times after its last call, want once", frozen)
		}
		_ = s.engine.Remove(s.t.Context(), "c2")
		if got := s.calledRevision("figlet"); got == 1 {
			t.Error("a kept replica was lent")
		}
	})
}

func TestRollback_WhileAKeptReplicaStillDrainsTakesItBack(t *testing.T) {
	play(t, nil, func(s *scene) {
		s.create(spec("figlet"))
		s.passes(time.Second)
		lease, err := s.Resolver.Acquire(s.t.Context(), s.name("figlet"))
		if err != nil {
			t.Fatal(err)
		}
		s.update(keeping("figlet:2"))
		s.passes(time.Second)
		if err := s.Rollback(s.t.Context(), s.name("figlet")); err != nil {
			t.Fatal(err)
		}
		s.passes(time.Second)
		if got := s.calledRevision("figlet"); got != 1 {
			t.Errorf("revision %d answers, want 1", got)
		}
		lease.Release()
		s.passes(time.Minute)
		s.wantRunning("c1")
		s.wantReady("figlet", 1)
	})
}

func TestRollback_AKeptReplicaWhoseCallsTakeTooLongIsStopped(t *testing.T) {
	play(t, nil, func(s *scene) {
		sp := spec("figlet")
		sp.EnvVars = map[string]string{"write_timeout": "5s"}
		s.create(sp)
		s.passes(time.Second)
		if _, err := s.Resolver.Acquire(s.t.Context(), s.name("figlet")); err != nil {
			t.Fatal(err)
		}
		s.update(keeping("figlet:2"))
		s.passes(5 * time.Second)
		s.wantRunning("c1", "c2")
		// Its own time counts, twice at most: to be kept, and then to be stopped.
		s.passes(6 * time.Second)
		s.wantRunning("c2")
	})
}

func TestRollback_OutlivesARestartOfTheProvider(t *testing.T) {
	play(t, func(s *scene) {
		before, err := s.store.Create(function.Function{Spec: spec("figlet"), Replicas: 1, ImageID: "id", Answered: true})
		if err != nil {
			s.t.Fatal(err)
		}
		previous := before.Replaced()
		previous.Until = time.Now().Add(5 * time.Minute)
		now, err := s.store.Replace(before.ID(), func(function.Function) function.Function {
			return function.Function{Spec: keeping("figlet:2"), Replicas: 1, ImageID: "id", Answered: true, Previous: previous}
		})
		if err != nil {
			s.t.Fatal(err)
		}
		// One that was frozen already, and one that the killed provider left running.
		frozen, _ := s.engine.Start(s.t.Context(), before)
		_ = s.engine.set(frozen.ID, function.Paused)
		_, _ = s.engine.Start(s.t.Context(), before)
		_, _ = s.engine.Start(s.t.Context(), now)
		s.engine.await = func(_ context.Context, replica function.Replica) error {
			if replica.Revision == before.Revision {
				s.t.Errorf("%s, which is kept for a way back, is made ready for calls", replica.ID)
			}
			return nil
		}
		s.openStore()
	}, func(s *scene) {
		s.passes(time.Second)
		s.wantRunning("c1", "c2", "c3")
		for range 10 {
			if got := s.calledRevision("figlet"); got != 2 {
				t.Fatalf("revision %d answers, want 2", got)
			}
		}
		if kept := s.kept("figlet"); kept != 2 {
			t.Errorf("%d replicas kept, want 2", kept)
		}
		if err := s.Rollback(s.t.Context(), s.name("figlet")); err != nil {
			t.Fatal(err)
		}
		if got := s.calledRevision("figlet"); got != 1 {
			t.Errorf("revision %d answers after the rollback, want 1", got)
		}
	})
}

func TestRollback_OfAnUpdateThatNeverAnsweredNeedsNoWindow(t *testing.T) {
	play(t, nil, func(s *scene) {
		s.create(spec("figlet"))
		s.passes(time.Second)
		s.engine.start = func(f function.Function) error {
			if f.Revision > 1 {
				return errors.New("no such command")
			}
			return nil
		}
		broken := spec("figlet")
		broken.Image = "figlet:2"
		s.update(broken)
		s.passes(time.Minute)
		if err := s.Rollback(s.t.Context(), s.name("figlet")); err != nil {
			t.Fatal(err)
		}
		s.passes(time.Second)
		s.wantRunning("c1")
		if status, _ := s.Status(s.name("figlet")); status.Reason != "" || status.Revision != 1 {
			t.Errorf("after the rollback: revision %d, reason %q", status.Revision, status.Reason)
		}
	})
}

func TestUpdate_ThatFailsKeepsWhatServesWholeWhenItCrashes(t *testing.T) {
	play(t, nil, func(s *scene) {
		two := labelled("figlet", scale.LabelMin, "2")
		s.create(two)
		s.passes(time.Second)
		s.engine.await = func(ctx context.Context, replica function.Replica) error {
			if replica.Revision == 1 {
				return nil
			}
			<-ctx.Done()
			return errors.New("connection refused")
		}
		broken := two
		broken.Image = "figlet:2"
		s.update(broken)
		s.passes(2 * time.Minute)
		_ = s.engine.set("c1", function.Exited)
		s.passes(time.Second)
		ready := 0
		for _, m := range s.Resolver.Members(s.name("figlet")) {
			if m.Revision == 1 && m.IsOpen() {
				ready++
			}
		}
		if ready != 2 {
			t.Errorf("%d replicas of the revision that serves are ready, want 2", ready)
		}
		// And after a correction only that is left.
		s.engine.await = nil
		s.update(two)
		s.passes(2 * time.Minute)
		for _, m := range s.Resolver.Members(s.name("figlet")) {
			if m.Revision != 3 {
				t.Errorf("replica %s of revision %d is left", m.ID, m.Revision)
			}
		}
		s.wantReady("figlet", 2)
	})
}

func TestUpdate_OfASleepingFunctionThatFailsWakesTheRevisionBefore(t *testing.T) {
	play(t, nil, func(s *scene) {
		asleep := labelled("figlet", scale.LabelZero, "true", scale.LabelZeroDuration, "1m")
		s.create(asleep)
		s.passes(2 * time.Minute)
		s.wantRunning()
		s.engine.start = func(f function.Function) error {
			if f.Revision > 1 {
				return errors.New("no such command")
			}
			return nil
		}
		broken := asleep
		broken.Image = "figlet:2"
		s.update(broken)
		if got := s.calledRevision("figlet"); got != 1 {
			t.Errorf("revision %d answers, want the one before", got)
		}
		s.passes(5 * time.Minute)
		s.wantRunning()
		if got := s.calledRevision("figlet"); got != 1 {
			t.Errorf("after it slept again revision %d answers, want the one before", got)
		}
	})
}

// What is kept while the function is at zero serves again when the new revision never answers.
func TestUpdate_ThatFailsAndIsScaledToZeroWakesWhatWasKept(t *testing.T) {
	play(t, nil, func(s *scene) {
		s.create(keeping("figlet:1"))
		s.passes(time.Second)
		s.engine.start = func(f function.Function) error {
			if f.Revision > 1 {
				return errors.New("no such command")
			}
			return nil
		}
		s.update(keeping("figlet:2"))
		s.passes(time.Second)
		if err := s.Scale(s.t.Context(), s.name("figlet"), 0); err != nil {
			s.t.Fatal(err)
		}
		s.passes(10 * time.Second)
		if got := s.calledRevision("figlet"); got != 1 {
			t.Errorf("revision %d answers, want the one that was kept", got)
		}
	})
}

func TestUpdate_ThatFailsLeavesWhatSleptCallableAfterARestart(t *testing.T) {
	play(t, func(s *scene) {
		asleep := labelled("figlet", scale.LabelFreezeDuration, "10s")
		before, err := s.store.Create(function.Function{Spec: asleep, Replicas: 1, ImageID: "id", Answered: true})
		if err != nil {
			s.t.Fatal(err)
		}
		if _, err := s.store.Replace(before.ID(), func(old function.Function) function.Function {
			return function.Function{Spec: asleep, Replicas: 1, ImageID: "id", Previous: old.Replaced()}
		}); err != nil {
			s.t.Fatal(err)
		}
		frozen, _ := s.engine.Start(s.t.Context(), before)
		_ = s.engine.set(frozen.ID, function.Paused)
		s.engine.start = func(function.Function) error { return errors.New("no such command") }
		s.openStore()
	}, func(s *scene) {
		s.passes(time.Second)
		s.wantRunning("c1")
		if got := s.calledRevision("figlet"); got != 1 {
			t.Errorf("revision %d answers, want the one before", got)
		}
		s.passes(time.Second)
		if got := s.warmth("figlet"); got != "ready/running" {
			t.Errorf("after a call it is %s", got)
		}
	})
}

func TestUpdate_ASecretThatChangesMeanwhileReachesWhatServes(t *testing.T) {
	play(t, nil, func(s *scene) {
		if err := s.store.CreateSecret(function.Secret{Name: "key", Namespace: function.DefaultNamespace, Value: []byte("old")}); err != nil {
			t.Fatal(err)
		}
		sp := spec("figlet")
		sp.Secrets = []string{"key"}
		s.create(sp)
		s.passes(time.Second)
		s.engine.start = func(function.Function) error { return errors.New("no such command") }
		s.update(sp)
		s.passes(time.Minute)
		if err := s.store.UpdateSecret(function.Secret{Name: "key", Namespace: function.DefaultNamespace, Value: []byte("new")}); err != nil {
			t.Fatal(err)
		}
		if err := s.SecretChanged(s.t.Context(), function.DefaultNamespace, "key"); err != nil {
			t.Fatal(err)
		}
		s.passes(2 * time.Minute)
		if got := s.engine.secret("figlet", 1, "key"); got != "new" {
			t.Errorf("the revision that serves reads %q, want the new value", got)
		}
	})
}

func TestDrain_LastsAsLongAsACallOfTheFunctionMay(t *testing.T) {
	tests := []struct {
		name  string
		spec  func(*function.Spec)
		after time.Duration
	}{
		{"by default", func(*function.Spec) {}, time.Minute},
		{"call policy", func(sp *function.Spec) { sp.Annotations = map[string]string{function.PolicyTimeout: "10s"} }, 10 * time.Second},
		{"watchdog", func(sp *function.Spec) { sp.EnvVars = map[string]string{"exec_timeout": "5m"} }, 5 * time.Minute},
	}
	ends := map[string]func(s *scene, sp function.Spec) error{
		"scale":  func(s *scene, sp function.Spec) error { return s.Scale(s.t.Context(), sp.ID(), 0) },
		"delete": func(s *scene, sp function.Spec) error { return s.Delete(s.t.Context(), sp.ID()) },
		"update": func(s *scene, sp function.Spec) error {
			// What the new revision says of its calls says nothing of the old one's.
			_, err := s.Update(s.t.Context(), spec(sp.Name))
			return err
		},
	}
	for _, test := range tests {
		for end, act := range ends {
			t.Run(test.name+"/"+end, func(t *testing.T) {
				play(t, nil, func(s *scene) {
					sp := spec("figlet")
					test.spec(&sp)
					s.create(sp)
					s.passes(time.Second)
					if _, err := s.Resolver.Acquire(s.t.Context(), sp.ID()); err != nil {
						t.Fatal(err)
					}
					if err := act(s, sp); err != nil {
						t.Fatal(err)
					}
					s.passes(test.after - time.Second)
					if s.engine.countOf("remove c1") != 0 {
						t.Error("stopped with a call in flight that may still end")
					}
					s.passes(2 * time.Second)
					if s.engine.countOf("remove c1") != 1 {
						t.Error("not stopped after the time that a call may take")
					}
				})
			})
		}
	}
}

func TestRollback_FindsASecretThatChangedMeanwhile(t *testing.T) {
	play(t, nil, func(s *scene) {
		if err := s.store.CreateSecret(function.Secret{Name: "key", Namespace: function.DefaultNamespace, Value: []byte("old")}); err != nil {
			t.Fatal(err)
		}
		sp := spec("figlet")
		sp.Secrets = []string{"key"}
		s.create(sp)
		s.passes(time.Second)
		s.update(keeping("figlet:2")) // does without the secret
		s.passes(time.Second)
		if err := s.store.UpdateSecret(function.Secret{Name: "key", Namespace: function.DefaultNamespace, Value: []byte("new")}); err != nil {
			t.Fatal(err)
		}
		if err := s.SecretChanged(s.t.Context(), function.DefaultNamespace, "key"); err != nil {
			t.Fatal(err)
		}
		s.passes(time.Second)
		if got := s.engine.secret("figlet", 1, "key"); got != "new" {
			t.Errorf("what is kept for a way back reads %q, want the new value", got)
		}
		s.passes(10 * time.Minute)
		if got := s.engine.secret("figlet", 1, "key"); got != "" {
			t.Errorf("after the window its secrets are left: %q", got)
		}
	})
}
