package fleet

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"faas-docker/fleet/scale"
	"faas-docker/function"
)

// onHost plays on a host with so many mebibytes that replicas may reserve.
func onHost(t *testing.T, mebibytes int64, act func(s *scene)) {
	t.Helper()
	play(t, func(s *scene) { s.engine.memory = mebibytes << 20 * 10 / 9 }, act)
}

// sized is a spec whose replicas reserve so many mebibytes.
func sized(name string, mebibytes int, pairs ...string) function.Spec {
	sp := labelled(name, pairs...)
	sp.Limits = &function.Resources{Memory: fmt.Sprintf("%dMi", mebibytes)}
	return sp
}

func (s *scene) wantReason(name, text string) {
	s.t.Helper()
	status, err := s.Status(s.name(name))
	if err != nil {
		s.t.Fatal(err)
	}
	if !strings.Contains(status.Reason, text) || text == "" && status.Reason != "" {
		s.t.Errorf("reason of %s is %q, want %q", name, status.Reason, text)
	}
}

func TestAdmit_WhatTheHostHasNoRoomForWaitsAndIsExplained(t *testing.T) {
	onHost(t, 1000, func(s *scene) {
		s.create(sized("a", 600))
		s.passes(time.Second)
		s.create(sized("b", 500))
		s.passes(time.Second)
		s.wantReady("b", 0)
		s.wantReason("b", "the host has no room for a replica that reserves 500 MiB of memory: 400 MiB of 1000 MiB are free")
		_, err := s.Resolver.Acquire(s.t.Context(), s.name("b"))
		var failure *function.Failure
		if !errors.As(err, &failure) || failure.RetryAfter <= 0 || !errors.Is(err, function.ErrNoReplica) || !strings.Contains(failure.Text, "no room") {
			t.Errorf("a caller is told %v, want that there is no room and when to come back", err)
		}
		if notes := s.Notes(s.name("b")); len(notes) != 2 {
			t.Errorf("notes %v, want the deployment and one refusal", notes)
		}
		if err := s.Delete(s.t.Context(), s.name("a")); err != nil {
			t.Fatal(err)
		}
		s.passes(time.Second)
		s.wantReady("b", 1)
		s.wantReason("b", "")
	})
}

func TestAdmit_ScalingUpStopsWhereTheHostEnds(t *testing.T) {
	onHost(t, 1000, func(s *scene) {
		s.create(sized("a", 300, scale.LabelMin, "9"))
		s.passes(time.Minute)
		s.wantReady("a", 3)
		s.wantReason("a", "no room")
		s.call("a")
		s.engine.mu.Lock()
		s.engine.memory *= 2
		s.engine.mu.Unlock()
		s.passes(2 * time.Minute)
		s.wantReady("a", 6)
	})
}

func TestAdmit_ProcessorsCountToo(t *testing.T) {
	play(t, func(s *scene) { s.engine.cpus = 2 }, func(s *scene) {
		sp := spec("a")
		sp.Requests = &function.Resources{CPU: "700m"}
		s.create(sp)
		if err := s.Scale(s.t.Context(), s.name("a"), 3); err != nil {
			t.Fatal(err)
		}
		s.passes(time.Second)
		s.wantReady("a", 2)
		s.wantReason("a", "0.60 cores of 2.00 cores are free")
	})
}

func TestAdmit_SparesMakeRoomOldestFirstAndComeBack(t *testing.T) {
	onHost(t, 1000, func(s *scene) {
		s.create(sized("spared", 200, scale.LabelStandby, "2"))
		s.passes(time.Minute)
		s.wantRunning("c1", "c2", "c3")
		s.create(sized("b", 500))
		s.passes(time.Second)
		s.wantReady("b", 1)
		s.wantReady("spared", 1)
		if running := s.engine.running(); len(running) != 3 {
			t.Fatalf("containers %v, want that one of two spares made room", running)
		}
		if notes := s.Notes(s.name("spared")); !strings.Contains(notes[len(notes)-1].Text, "makes room for function b") {
			t.Errorf("the owner of the spare reads %v", notes)
		}
		if err := s.Delete(s.t.Context(), s.name("b")); err != nil {
			t.Fatal(err)
		}
		s.passes(time.Second)
		if running := s.engine.running(); len(running) != 3 {
			t.Errorf("containers %v, want that the spare is back", running)
		}
	})
}

func TestAdmit_AWayBackGoesFirstAndAFrozenReplicaBeyondTheMinimumLast(t *testing.T) {
	onHost(t, 1000, func(s *scene) {
		s.create(sized("updated", 200))
		s.passes(time.Second)
		again := sized("updated", 200)
		again.Annotations = map[string]string{function.AnnotationRollback: "1h"}
		s.update(again)
		s.create(sized("idle", 200, scale.LabelFreezeDuration, "1s"))
		s.passes(time.Second)
		if err := s.Scale(s.t.Context(), s.name("idle"), 2); err != nil {
			t.Fatal(err)
		}
		s.passes(10 * time.Second)
		if kept := s.kept("updated"); kept != 1 {
			t.Fatalf("%d replicas kept", kept)
		}
		s.create(sized("b", 300))
		s.passes(time.Second)
		if kept := s.kept("updated"); kept != 0 {
			t.Error("the way back did not make room")
		}
		if err := s.Rollback(s.t.Context(), s.name("updated")); !errors.Is(err, function.ErrConflict) {
			t.Errorf("a rollback to what made room: %v", err)
		}
		s.create(sized("c", 200))
		s.passes(time.Second)
		s.wantReady("c", 1)
		if f, _ := s.store.Function(s.name("idle")); f.Replicas != 1 {
			t.Errorf("%d replicas of the idle function are wanted, want its minimum", f.Replicas)
		}
		s.create(sized("d", 200))
		s.passes(time.Second)
		s.wantReady("d", 0)
		s.wantReason("d", "no room")
		if status, _ := s.Status(s.name("idle")); status.Asleep != 1 {
			t.Errorf("%d replicas of the idle function are left, want its minimum", status.Asleep)
		}
	})
}

func TestAdmit_NeverMoreThanTheHostHas(t *testing.T) {
	onHost(t, 1000, func(s *scene) {
		for i := range 8 {
			s.create(sized(fmt.Sprintf("f%d", i), 110, scale.LabelStandby, "1"))
		}
		most := 0
		for i := range 200 {
			name := fmt.Sprintf("f%d", i%8)
			if err := s.Scale(s.t.Context(), s.name(name), i%4); err != nil {
				t.Fatal(err)
			}
			s.passes(70 * time.Millisecond)
			most = max(most, len(s.engine.running()))
		}
		if most > 9 {
			t.Errorf("%d replicas of 110 MiB at one time on a host with 1000 MiB", most)
		}
		s.passes(time.Minute)
		if running := s.engine.running(); len(running) != 9 {
			t.Errorf("%d replicas in the end, want as many as fit", len(running))
		}
	})
}

func TestAdmit_WhatRunsCountsFromTheStart(t *testing.T) {
	play(t, func(s *scene) {
		s.engine.memory = 1000 << 20 * 10 / 9
		for i := range 12 {
			f, err := s.store.Create(function.Function{Spec: sized(fmt.Sprintf("f%d", i), 120), Replicas: 1, ImageID: "id", Answered: true})
			if err != nil {
				s.t.Fatal(err)
			}
			if i >= 6 {
				_, _ = s.engine.Start(s.t.Context(), f)
			}
		}
		s.openStore()
	}, func(s *scene) {
		s.passes(time.Minute)
		if running := s.engine.running(); len(running) != 8 {
			t.Errorf("%d replicas of 120 MiB on a host with 1000 MiB, want 8", len(running))
		}
	})
}

func TestDeploy_RefusesWhatTheMachineCanNeverGive(t *testing.T) {
	play(t, func(s *scene) { s.engine.cpus, s.engine.memory = 2, 1<<30 }, func(s *scene) {
		s.create(spec("fits"))
		for field, limits := range map[string]*function.Resources{
			"limits.cpu":    {CPU: "100000"},
			"limits.memory": {Memory: "1Ti"},
		} {
			sp := spec("greedy")
			sp.Limits = limits
			if _, err := s.Create(s.t.Context(), sp); !errors.Is(err, function.ErrInvalid) || !strings.HasPrefix(err.Error(), field+": ") {
				s.t.Errorf("create: got %v, want an ErrInvalid of %s", err, field)
			}
			sp.Name, sp.Image = "fits", "fits:latest"
			if _, err := s.Update(s.t.Context(), sp); !errors.Is(err, function.ErrInvalid) {
				s.t.Errorf("update: got %v, want an ErrInvalid of %s", err, field)
			}
		}
		s.passes(time.Second)
		s.wantReady("fits", 1)
	})
}

func TestDeploy_NotesAScalingTypeThatIsNotKnownHere(t *testing.T) {
	play(t, nil, func(s *scene) {
		sp := spec("queued")
		sp.Labels = map[string]string{scale.LabelType: "queue", scale.LabelTarget: "3000000"}
		s.create(sp)
		s.passes(time.Second)
		s.wantReady("queued", 1)
		notes := fmt.Sprint(s.Notes(s.name("queued")))
		if want := `scaling type "queue" is not known here`; !strings.Contains(notes, want) {
			s.t.Errorf("got notes %s, want one that says %s", notes, want)
		}
	})
}

func TestDeploy_NotesAnnotationsAndLabelsThatDiffer(t *testing.T) {
	play(t, nil, func(s *scene) {
		sp := spec("twice")
		sp.Annotations = map[string]string{scale.LabelMin: "2", scale.LabelMax: "3"}
		sp.Labels = map[string]string{scale.LabelMin: "1", scale.LabelMax: "3"}
		s.create(sp)
		s.passes(time.Second)
		s.wantReady("twice", 2)
		notes := fmt.Sprint(s.Notes(s.name("twice")))
		if want := `com.openfaas.scale.min is "2" in the annotations and "1" in the labels: the annotation counts`; strings.Count(notes, want) != 1 || strings.Contains(notes, scale.LabelMax) {
			s.t.Errorf("got notes %s, want one that says %s", notes, want)
		}
	})
}

func TestDeploy_NotesKeysThatAreNotKnownHere(t *testing.T) {
	play(t, nil, func(s *scene) {
		sp := spec("misspelt")
		sp.Annotations = map[string]string{"com.openfaas.rollbak": "5m", "com.openfaas.topic": "orders"}
		sp.Labels = map[string]string{"com.openfaas.scale.zeroo": "true", "com.openfaas.of.mine": "1"}
		s.create(sp)
		notes := fmt.Sprint(s.Notes(s.name("misspelt")))
		for _, want := range []string{
			"com.openfaas.rollbak is not known and does nothing: com.openfaas.rollback?",
			"com.openfaas.scale.zeroo is not known and does nothing: com.openfaas.scale.zero?",
			"com.openfaas.of.mine is not known and does nothing",
		} {
			if strings.Count(notes, want) != 1 {
				s.t.Errorf("got notes %s, want one that says %s", notes, want)
			}
		}
		if strings.Contains(notes, "topic") {
			s.t.Errorf("got notes %s, want none of a key of OpenFaaS", notes)
		}
		sp.Annotations["com.openfaas.auht"] = `basicAuth("/htpasswd")`
		if _, err := s.Update(s.t.Context(), sp); !errors.Is(err, function.ErrInvalid) || !strings.Contains(err.Error(), "com.openfaas.auth?") {
			s.t.Errorf("update: got %v, want that a misspelt guard is refused", err)
		}
	})
}
