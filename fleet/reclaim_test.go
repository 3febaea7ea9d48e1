package fleet

import (
	"errors"
	"strings"
	"testing"
	"time"

	"faas-docker/fleet/scale"
	"faas-docker/function"
)

// swappy is the swap of a host that memory can be reclaimed on.
func swappy() function.Swap {
	return function.Swap{Known: true, Total: 4 << 30, Free: 4 << 30, Accounted: true}
}

// reclaimed is a spec whose replicas freeze after ten seconds, and give their
// memory back after a minute.
func reclaimed(name string) function.Spec {
	return sized(name, 200, scale.LabelFreezeDuration, "10s", scale.LabelReclaim, "1m")
}

func TestReclaim_IsRefusedWhereItCannotBe(t *testing.T) {
	play(t, nil, func(s *scene) {
		_, err := s.Create(s.t.Context(), reclaimed("figlet"))
		if !errors.Is(err, function.ErrInvalid) || !strings.Contains(err.Error(), scale.LabelReclaim) || !strings.Contains(err.Error(), "another machine") {
			t.Errorf("on a host that is not known: %v", err)
		}
		s.engine.setSwap(swappy())
		unlimited := labelled("figlet", scale.LabelReclaim, "true")
		if _, err := s.Create(s.t.Context(), unlimited); !errors.Is(err, function.ErrInvalid) || !strings.Contains(err.Error(), "limits.memory") {
			t.Errorf("without a limit: %v", err)
		}
		s.create(reclaimed("figlet"))
	})
}

func TestReclaim_AfterItsTimeAndGivenBackBeforeTheThaw(t *testing.T) {
	play(t, nil, func(s *scene) {
		s.engine.setSwap(swappy())
		s.create(reclaimed("figlet"))
		s.passes(30 * time.Second)
		if n := s.engine.countOf("reclaim"); n != 0 {
			t.Fatalf("reclaimed %d times while it was only just frozen", n)
		}
		s.passes(2 * time.Minute)
		if n := s.engine.countOf("reclaim c1 but for 20 MiB"); n != 1 {
			t.Fatalf("reclaimed %d times, want once: %v", n, s.engine.lastCalls(5))
		}
		s.call("figlet")
		s.passes(time.Second)
		if last := s.engine.lastCalls(2); last[0] != "restore c1 to 200Mi" || last[1] != "unpause c1" {
			t.Errorf("the thaw was %v, want the memory back first", last)
		}
		// One that is frozen for a short time only needs nothing back.
		s.passes(30 * time.Second)
		s.call("figlet")
		s.passes(time.Second)
		if n := s.engine.countOf("restore"); n != 1 {
			t.Errorf("restored %d times, want once", n)
		}
	})
}

func TestReclaim_NotWhenSwapHasBecomeShort(t *testing.T) {
	play(t, nil, func(s *scene) {
		s.engine.setSwap(swappy())
		s.create(reclaimed("figlet"))
		full := swappy()
		full.Free = 1 << 20
		s.engine.setSwap(full)
		s.passes(10 * time.Minute)
		if n := s.engine.countOf("reclaim"); n != 0 {
			t.Errorf("reclaimed %d times without room on swap", n)
		}
		s.call("figlet")
		s.wantRunning("c1")
	})
}

func TestReclaim_AnotherProcessMayHaveDoneIt(t *testing.T) {
	play(t, func(s *scene) {
		f, err := s.store.Create(function.Function{Spec: reclaimed("figlet"), Replicas: 1, ImageID: "id", Answered: true})
		if err != nil {
			s.t.Fatal(err)
		}
		replica, _ := s.engine.Start(s.t.Context(), f)
		_ = s.engine.set(replica.ID, function.Paused)
		s.openStore()
	}, func(s *scene) {
		s.call("figlet")
		s.passes(time.Second)
		if n := s.engine.countOf("restore c1"); n != 1 {
			t.Errorf("restored %d times, want once", n)
		}
	})
}
