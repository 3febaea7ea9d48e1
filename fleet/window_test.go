package fleet

import (
	"errors"
	"testing"
	"time"

	"faas-docker/function"
)

// wantWindow checks that what is written down of the way back ends when it should,
// by the time of day.
func (s *scene) wantWindow(left time.Duration) {
	s.t.Helper()
	f, err := s.store.Function(s.name("figlet"))
	if err != nil || f.Previous == nil {
		s.t.Fatalf("%+v, %v: there is no way back", f, err)
	}
	if off := f.Previous.Until.Sub(s.wall()) - left; off.Abs() > clockSlack {
		s.t.Errorf("the way back ends in %s, want %s", f.Previous.Until.Sub(s.wall()), left)
	}
}

func (s *scene) wantNoWayBack() {
	s.t.Helper()
	if err := s.Rollback(s.t.Context(), s.name("figlet")); !errors.Is(err, function.ErrConflict) {
		s.t.Errorf("a rollback after the window: %v, want a conflict", err)
	}
}

// A window of ten minutes lasts ten minutes, whatever is done to the time of day.
func TestWindow_IsAsLongAsItSaysThroughJumpsOfTheClock(t *testing.T) {
	const hour = time.Hour
	for name, jumps := range map[string][]time.Duration{
		"forwards":                    {hour, hour, hour},
		"backwards":                   {-hour, -hour, -hour},
		"forwards and back again":     {hour, 0, 0},
		"backwards and forwards":      {-hour, hour, 0},
		"further and further forward": {hour, 25 * hour, 24 * 365 * hour},
		"less than anybody minds":     {2 * time.Second, -2 * time.Second, 0},
	} {
		t.Run(name, func(t *testing.T) {
			play(t, nil, func(s *scene) {
				s.create(spec("figlet"))
				s.passes(time.Second)
				s.update(keeping("figlet:2"))
				for i, ahead := range jumps {
					s.passes(time.Minute)
					s.setClock(ahead)
					s.passes(2 * time.Minute)
					s.wantRunning("c1", "c2")
					s.wantWindow(10*time.Minute - time.Duration(i+1)*3*time.Minute)
				}
				s.passes(58 * time.Second) // after 9:58
				s.wantRunning("c1", "c2")
				s.passes(5 * time.Second)
				s.wantRunning("c2")
				s.wantNoWayBack()
			})
		})
	}
}

// The provider was killed, and the time of day is another when it starts. It has to
// believe that, but no way back is longer than its window.
func TestWindow_IsNotLongerThanItSaysAfterARestart(t *testing.T) {
	for name, test := range map[string]struct{ written, lasts time.Duration }{
		"set back by an hour": {70 * time.Minute, 10 * time.Minute},
		"as it was":           {4 * time.Minute, 4 * time.Minute},
		"over meanwhile":      {-time.Minute, 0},
	} {
		t.Run(name, func(t *testing.T) {
			play(t, func(s *scene) {
				before, err := s.store.Create(function.Function{Spec: spec("figlet"), Replicas: 1, ImageID: "id", Answered: true})
				if err != nil {
					s.t.Fatal(err)
				}
				previous := before.Replaced()
				previous.Until = s.wall().Add(test.written)
				now, err := s.store.Replace(before.ID(), func(function.Function) function.Function {
					return function.Function{Spec: keeping("figlet:2"), Replicas: 1, ImageID: "id", Answered: true, Previous: previous}
				})
				if err != nil {
					s.t.Fatal(err)
				}
				for _, f := range []function.Function{before, now} {
					if _, err := s.engine.Start(s.t.Context(), f); err != nil {
						s.t.Fatal(err)
					}
				}
				s.openStore()
			}, func(s *scene) {
				if test.lasts > 0 {
					s.passes(test.lasts - 2*time.Second)
					s.wantRunning("c1", "c2")
					s.wantWindow(2 * time.Second)
				}
				s.passes(5 * time.Second)
				s.wantRunning("c2")
				s.wantNoWayBack()
			})
		})
	}
}

// What a store has that was written while the time of day was wrong is put right, so
// that a restart finds the way back that is left.
func TestWindow_TheStoreIsPutRightWhenItCanBeWrittenAgain(t *testing.T) {
	play(t, nil, func(s *scene) {
		s.create(spec("figlet"))
		s.passes(time.Second)
		s.update(keeping("figlet:2"))
		s.passes(time.Minute)
		s.full.Store(true)
		s.setClock(time.Hour)
		s.passes(3 * time.Minute)
		s.wantRunning("c1", "c2")
		s.full.Store(false)
		s.passes(time.Minute)
		s.wantWindow(5 * time.Minute)
		if err := s.Rollback(s.t.Context(), s.name("figlet")); err != nil {
			t.Errorf("a rollback within the window: %v", err)
		}
	})
}
