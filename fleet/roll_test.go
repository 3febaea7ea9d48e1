package fleet

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"faas-docker/function"
)

// alwaysAnswers calls a function until stop is called, and reports calls that are not
// answered, or wait for longer than they may.
func (s *scene) alwaysAnswers(name string, within time.Duration) (stop func()) {
	ctx, cancel := context.WithCancel(s.t.Context())
	var callers sync.WaitGroup
	for range 3 {
		callers.Go(func() {
			for ctx.Err() == nil {
				time.Sleep(2 * time.Millisecond)
				began := time.Now()
				lease, err := s.Resolver.Acquire(s.t.Context(), s.name(name))
				if err != nil {
					s.t.Errorf("call %s: %v", name, err)
					continue
				}
				if took := time.Since(began); took > within {
					s.t.Errorf("a call of %s waited for %s, want at most %s", name, took, within)
				}
				time.Sleep(20 * time.Millisecond)
				lease.Release()
			}
		})
	}
	return func() { cancel(); callers.Wait() }
}

// revisions tells how many replicas of each revision are ready: "2:3 5:1".
func (s *scene) revisions(name string) string {
	counts := map[uint64]int{}
	for _, revision := range s.serving(name) {
		counts[revision]++
	}
	return strings.TrimSuffix(strings.TrimPrefix(fmt.Sprint(counts), "map["), "]")
}

// A host of 1000 MiB, a function that fills it, and an update for which there is no room
// beside it.
func TestUpdate_GoesOnWithinTheRoomThereIs(t *testing.T) {
	t.Parallel()
	replicas := func(count, mebibytes int) function.Spec {
		return sized("f", mebibytes, "com.openfaas.scale.min", fmt.Sprint(count), "com.openfaas.scale.max", fmt.Sprint(max(count, 1)))
	}
	for _, test := range []struct {
		name     string
		beside   int // mebibytes that another function has
		old, new function.Spec
		want     int
		least    int // replicas that must be able to take calls all the time
	}{
		{"room for one more", 0, replicas(4, 200), replicas(4, 200), 4, 4},
		{"room for none more", 0, replicas(5, 200), replicas(5, 200), 5, 4},
		{"room for none more of two", 0, replicas(2, 500), replicas(2, 500), 2, 1},
		{"room for two more", 0, replicas(3, 200), replicas(3, 200), 3, 3},
		{"other functions have the rest", 500, replicas(2, 250), replicas(2, 250), 2, 1},
		{"the next is smaller", 0, replicas(5, 200), replicas(5, 100), 5, 4},
		{"the next is larger", 0, replicas(5, 150), replicas(5, 200), 5, 3},
		{"the next has more replicas", 0, replicas(2, 200), replicas(5, 200), 5, 2},
		{"the next has fewer replicas", 0, replicas(5, 200), replicas(2, 200), 2, 2},
		{"the next has more than there is room for", 0, replicas(3, 300), replicas(9, 300), 9, 2},
		{"one, and room for another", 0, replicas(1, 400), replicas(1, 400), 1, 1},
		{"many small ones", 0, replicas(20, 50), replicas(20, 50), 20, 19},
	} {
		t.Run(test.name, func(t *testing.T) {
			onHost(t, 1000, func(s *scene) {
				if test.beside > 0 {
					s.create(sized("beside", test.beside))
				}
				s.create(test.old)
				s.passes(5 * time.Second)
				before := s.revisions("f")
				stop := s.alwaysAnswers("f", 10*time.Millisecond)
				least := 1000
				s.redeploy(test.new, 1)
				for range 3000 {
					time.Sleep(10 * time.Millisecond)
					least = min(least, len(s.serving("f")))
				}
				stop()
				updated, _ := s.store.Function(s.name("f"))
				fits := min(test.want, (1000-test.beside)/int(limitOf(test.new)>>20))
				if got, want := s.revisions("f"), fmt.Sprintf("%d:%d", updated.Revision, fits); got != want {
					t.Errorf("after %s there are %s, want %s", before, got, want)
				}
				if least < test.least {
					t.Errorf("at one time %d replicas took calls, want %d at least", least, test.least)
				}
				if !updated.Answered || updated.Previous != nil {
					t.Errorf("answered %t, previous %v: the update is not over", updated.Answered, updated.Previous)
				}
			})
		})
	}
}

func stopFirst(sp function.Spec) function.Spec {
	sp.Annotations = map[string]string{function.AnnotationUpdateOrder: "stop-first"}
	return sp
}

// What can never replace what serves is refused, and says what would help.
func TestUpdate_WithoutRoomForASecondReplicaIsRefused(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name     string
		old, new function.Spec
		says     string // empty: taken
	}{
		{"one that fills the host", sized("f", 600, "com.openfaas.scale.max", "1"), sized("f", 600, "com.openfaas.scale.max", "1"), "com.openfaas.update.order"},
		{"that is smaller, and not small enough", sized("f", 600, "com.openfaas.scale.max", "1"), sized("f", 500, "com.openfaas.scale.max", "1"), "stop-first"},
		{"that is small enough", sized("f", 600, "com.openfaas.scale.max", "1"), sized("f", 400, "com.openfaas.scale.max", "1"), ""},
		{"stopped first", sized("f", 600, "com.openfaas.scale.max", "1"), stopFirst(sized("f", 600, "com.openfaas.scale.max", "1")), ""},
		{"stopped first, and larger", sized("f", 600, "com.openfaas.scale.max", "1"), stopFirst(sized("f", 900, "com.openfaas.scale.max", "1")), ""},
		{"of two, each half of the host", sized("f", 500, "com.openfaas.scale.min", "2", "com.openfaas.scale.max", "2"), sized("f", 500, "com.openfaas.scale.min", "2", "com.openfaas.scale.max", "2"), ""},
		{"of two, that are larger", sized("f", 400, "com.openfaas.scale.min", "2", "com.openfaas.scale.max", "2"), sized("f", 700, "com.openfaas.scale.min", "2", "com.openfaas.scale.max", "2"), "stop-first"},
		{"of none", sized("f", 600, "com.openfaas.scale.min", "0"), sized("f", 900, "com.openfaas.scale.min", "0"), ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			onHost(t, 1000, func(s *scene) {
				s.create(test.old)
				s.passes(5 * time.Second)
				before := s.revisions("f")
				next := test.new
				next.EnvVars = map[string]string{"round": "1"}
				_, err := s.Update(s.t.Context(), next)
				if before != "" {
					defer s.alwaysAnswers("f", time.Second)()
				}
				s.passes(20 * time.Second)
				if test.says == "" {
					updated, _ := s.store.Function(s.name("f"))
					if err != nil || !strings.HasPrefix(s.revisions("f"), fmt.Sprint(updated.Revision)) && updated.Replicas > 0 {
						t.Errorf("%v, and %s answer", err, s.revisions("f"))
					}
					return
				}
				if !errors.Is(err, function.ErrConflict) || !strings.Contains(err.Error(), test.says) {
					t.Errorf("got %v, want an ErrConflict that says %q", err, test.says)
				}
				if after := s.revisions("f"); after != before {
					t.Errorf("%s answer, want %s as before", after, before)
				}
			})
		})
	}
}

// Of a function that stops first there are never more replicas than it should have.
func TestUpdate_StopFirstNeverHasTwoAtATime(t *testing.T) {
	t.Parallel()
	for _, count := range []int{1, 2, 5} {
		t.Run(fmt.Sprint(count), func(t *testing.T) {
			play(t, nil, func(s *scene) {
				sp := stopFirst(labelled("f", "com.openfaas.scale.min", fmt.Sprint(count), "com.openfaas.scale.max", fmt.Sprint(count)))
				s.create(sp)
				s.passes(5 * time.Second)
				stop := s.alwaysAnswers("f", time.Second)
				for round := range 3 {
					s.redeploy(sp, round)
					for range 500 {
						time.Sleep(10 * time.Millisecond)
						if there := len(s.engine.running()); there > count {
							t.Errorf("%d containers at a time, want %d at most", there, count)
							break
						}
					}
					updated, _ := s.store.Function(s.name("f"))
					if got, want := s.revisions("f"), fmt.Sprintf("%d:%d", updated.Revision, count); got != want {
						t.Errorf("%s answer, want %s", got, want)
					}
				}
				stop()
			})
		})
	}
}

// newRoundFails has every replica of the first redeployment fail in a way.
func newRoundFails(s *scene, how string) {
	doomed := func(f function.Function) bool { return f.EnvVars["round"] == "1" }
	switch how {
	case "cannot be run":
		s.engine.start = func(f function.Function) error {
			if doomed(f) {
				return function.Invalid("image", "cannot be run")
			}
			return nil
		}
	case "exited with code 7", "without answering":
		s.engine.await = func(ctx context.Context, replica function.Replica) error {
			f, err := s.store.Function(s.name("f"))
			if err != nil || !doomed(f) || replica.Revision != f.Revision {
				return nil
			}
			if how == "exited with code 7" {
				_ = s.engine.set(replica.ID, function.Exited)
			}
			<-ctx.Done()
			return errors.New("nothing listens")
		}
	}
}

// What was stopped first comes back when its successor does not start, exits or does not
// answer, and is not stopped again for it; status and log say so.
func TestUpdate_StopFirstGoesBackWhenTheNextFails(t *testing.T) {
	t.Parallel()
	for _, how := range []string{"cannot be run", "exited with code 7", "without answering"} {
		for _, count := range []int{1, 3} {
			t.Run(fmt.Sprint(how, count), func(t *testing.T) {
				play(t, func(s *scene) { newRoundFails(s, how) }, func(s *scene) {
					sp := stopFirst(labelled("f", "com.openfaas.scale.min", fmt.Sprint(count), "com.openfaas.scale.max", fmt.Sprint(count)))
					s.create(sp)
					s.passes(5 * time.Second)
					before := s.revisions("f")
					s.redeploy(sp, 1)
					s.passes(2 * time.Minute)
					ids := fmt.Sprint(s.engine.running())
					s.passes(10 * time.Minute)
					if after := s.revisions("f"); after != before || fmt.Sprint(s.engine.running()) != ids {
						t.Errorf("%s answer by %v, want %s by %s", after, s.engine.running(), before, ids)
					}
					const paused = "the update is paused and the revision before goes on: deploy it again to retry"
					s.wantReason("f", how)
					s.wantReason("f", paused)
					if notes := fmt.Sprint(s.Notes(s.name("f"))); strings.Count(notes, paused) != 1 {
						t.Errorf("got notes %s, want one that says %s", notes, paused)
					}
					s.redeploy(sp, 2)
					s.passes(10 * time.Second)
					updated, _ := s.store.Function(s.name("f"))
					if got, want := s.revisions("f"), fmt.Sprintf("%d:%d", updated.Revision, count); got != want {
						t.Errorf("%s answer after the next update, want %s", got, want)
					}
					s.wantReason("f", "")
				})
			})
		}
	}
}

func TestUpdate_WithinItsRoomFailsWithoutHarm(t *testing.T) {
	t.Parallel()
	onHost(t, 1000, func(s *scene) {
		sp := sized("f", 250, "com.openfaas.scale.min", "4", "com.openfaas.scale.max", "4")
		s.create(sp)
		s.passes(5 * time.Second)
		s.engine.await = func(ctx context.Context, replica function.Replica) error {
			if got, _ := s.store.Function(s.name("f")); replica.Revision == got.Revision && got.EnvVars["round"] == "1" {
				<-ctx.Done()
				return errors.New("connection refused")
			}
			return nil
		}
		stop := s.alwaysAnswers("f", 10*time.Millisecond)
		s.redeploy(sp, 1)
		for range 600 {
			time.Sleep(time.Second)
			if able := len(s.serving("f")); able < 3 {
				s.t.Errorf("%d replicas take calls, want 3 at least", able)
				break
			}
		}
		s.redeploy(sp, 2)
		s.passes(20 * time.Second)
		stop()
		updated, _ := s.store.Function(s.name("f"))
		if got, want := s.revisions("f"), fmt.Sprintf("%d:4", updated.Revision); got != want {
			s.t.Errorf("%s answer after the next update, want %s", got, want)
		}
	})
}
