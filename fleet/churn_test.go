package fleet

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"faas-docker/function"
)

// started counts the containers that were made so far; of one function, when it is named.
func (s *scene) started(name string) int {
	s.engine.mu.Lock()
	defer s.engine.mu.Unlock()
	count := 0
	for _, f := range s.engine.made {
		if name == "" || f.Name == name {
			count++
		}
	}
	return count
}

// redeploy deploys another revision of a function.
func (s *scene) redeploy(sp function.Spec, round int) {
	s.t.Helper()
	sp.EnvVars = map[string]string{"round": fmt.Sprint(round)}
	if _, err := s.Update(s.t.Context(), sp); err != nil {
		s.t.Fatalf("update %s: %v", sp.Name, err)
	}
}

func (s *scene) delete(name string) {
	s.t.Helper()
	if err := s.Delete(s.t.Context(), s.name(name)); err != nil {
		s.t.Fatalf("delete %s: %v", name, err)
	}
}

func (s *scene) scaleTo(name string, count int) {
	s.t.Helper()
	if err := s.Scale(s.t.Context(), s.name(name), count); err != nil {
		s.t.Fatalf("scale %s: %v", name, err)
	}
}

// callTook calls a function until it answers, and says how long that took.
func (s *scene) callTook(name string) time.Duration {
	s.t.Helper()
	began := time.Now()
	lease, err := s.Resolver.Acquire(s.t.Context(), s.name(name))
	if err != nil { // not Fatalf: callers of their own goroutines call, too
		s.t.Errorf("call %s: %v", name, err)
		return time.Since(began)
	}
	lease.Release()
	return time.Since(began)
}

// serving are the revisions that take calls of a function now.
func (s *scene) serving(name string) (revisions []uint64) {
	for _, m := range s.Resolver.Members(s.name(name)) {
		if m.IsOpen() && !m.IsKept() {
			revisions = append(revisions, m.Revision)
		}
	}
	return revisions
}

// watchOrder reports, until stop is called, when a function of one replica answers from a
// revision that is older than one that has answered before, and one of several replicas
// from older ones only.
func (s *scene) watchOrder(name string) (stop func()) {
	ctx, cancel := context.WithCancel(s.t.Context())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		newest := uint64(0)
		for ctx.Err() == nil {
			time.Sleep(time.Millisecond)
			now := s.serving(name)
			if len(now) == 0 {
				continue
			}
			if len(now) <= 2 && slices.Min(now) < newest || slices.Max(now) < newest {
				s.t.Errorf("%s answers from revisions %d after it has from %d", name, now, newest)
			}
			newest = max(newest, slices.Max(now))
		}
	}()
	return func() { cancel(); <-ended }
}

// A container takes 200 ms to make. What is deployed, scaled or deleted faster than that
// must not pile up, nor keep other functions waiting.
func TestChurn_StartsOnlyWhatIsStillWanted(t *testing.T) {
	burst := func(s *scene, name string, count int, pause time.Duration) {
		for i := range count {
			s.redeploy(spec(name), i)
			time.Sleep(pause)
		}
	}
	for _, test := range []struct {
		name   string
		before func(s *scene) // until all is quiet
		act    func(s *scene)
		want   string // what is ready at the end
		most   int    // containers that act may have made of churned
	}{
		{"100 updates in half a second", func(s *scene) { s.create(spec("churned")) },
			func(s *scene) { burst(s, "churned", 100, 5*time.Millisecond) }, "1", 5},
		{"100 updates at once", func(s *scene) { s.create(spec("churned")) },
			func(s *scene) { burst(s, "churned", 100, 0) }, "1", 3},
		{"20 updates, one every 100 ms", func(s *scene) { s.create(spec("churned")) },
			func(s *scene) { burst(s, "churned", 20, 100*time.Millisecond) }, "1", 12},
		{"20 updates, one every second", func(s *scene) { s.create(spec("churned")) },
			func(s *scene) { burst(s, "churned", 20, time.Second) }, "1", 20},
		{"updates of one that has never answered", nil,
			func(s *scene) { s.create(spec("churned")); burst(s, "churned", 50, 5*time.Millisecond) }, "1", 5},
		{"updates of one with 5 replicas", func(s *scene) { s.create(labelled("churned", "com.openfaas.scale.min", "5")) },
			func(s *scene) {
				for i := range 50 {
					s.redeploy(labelled("churned", "com.openfaas.scale.min", "5"), i)
					time.Sleep(5 * time.Millisecond)
				}
			}, "5", 20},
		{"deleted and deployed 50 times", func(s *scene) { s.create(spec("churned")) },
			func(s *scene) {
				for range 50 {
					s.delete("churned")
					s.create(spec("churned"))
					time.Sleep(5 * time.Millisecond)
				}
			}, "1", 5},
		{"deployed and deleted 50 times", nil,
			func(s *scene) {
				for range 50 {
					s.create(spec("churned"))
					time.Sleep(5 * time.Millisecond)
					s.delete("churned")
				}
			}, "", 4},
		{"deleted while 100 starts are queued", nil,
			func(s *scene) {
				s.create(spec("churned"))
				s.scaleTo("churned", 100)
				time.Sleep(300 * time.Millisecond)
				s.delete("churned")
			}, "", 16},
		{"scaled up and down 20 times", func(s *scene) { s.create(spec("churned")) },
			func(s *scene) {
				for range 20 {
					s.scaleTo("churned", 50)
					time.Sleep(10 * time.Millisecond)
					s.scaleTo("churned", 2)
					time.Sleep(10 * time.Millisecond)
				}
			}, "2", 20},
		{"scaled to 100 and to nothing", func(s *scene) { s.create(spec("churned")) },
			func(s *scene) {
				s.scaleTo("churned", 100)
				time.Sleep(300 * time.Millisecond)
				s.scaleTo("churned", 0)
			}, "0", 16},
		{"updated while 100 starts are queued", func(s *scene) { s.create(spec("churned")) },
			func(s *scene) {
				s.scaleTo("churned", 100)
				time.Sleep(50 * time.Millisecond)
				s.scaleTo("churned", 1)
				s.redeploy(spec("churned"), 1)
			}, "1", 10},
		{"updated to what does not start, and mended", func(s *scene) { s.create(spec("churned")) },
			func(s *scene) {
				s.engine.start = func(f function.Function) error {
					if f.Name == "churned" && f.EnvVars["round"] != "29" {
						time.Sleep(200 * time.Millisecond)
						return function.Invalid("image", "cannot be run")
					}
					return nil
				}
				burst(s, "churned", 30, 20*time.Millisecond)
			}, "1", 3},
	} {
		t.Run(test.name, func(t *testing.T) {
			play(t, nil, func(s *scene) {
				s.create(labelled("bystander", "com.openfaas.scale.min", "0"))
				if test.before != nil {
					test.before(s)
				}
				s.passes(3 * time.Second)
				made := s.started("churned")
				stop := s.watchOrder("churned")
				test.act(s)
				if took := s.callTook("bystander"); took > time.Second {
					t.Errorf("another function was started after %s, want within a second", took)
				}
				s.passes(3 * time.Second)
				stop()
				s.passes(30 * time.Second)
				if made = s.started("churned") - made; made > test.most {
					t.Errorf("%d containers were made, want at most %d: %q", made, test.most, s.engine.lastCalls(60))
				}
				status, err := s.Status(s.name("churned"))
				if got := fmt.Sprint(status.Ready); test.want != got && (err == nil || test.want != "") {
					t.Errorf("%s replicas are ready, want %s (%s, %v)", got, test.want, status.Reason, err)
				}
				if got, _ := s.store.Function(s.name("churned")); test.want != "" && test.want != "0" && !slices.Equal(slices.Compact(s.serving("churned")), []uint64{got.Revision}) {
					t.Errorf("revisions %d serve, want %d", s.serving("churned"), got.Revision)
				}
				if ids := s.engine.running(); test.want == "" && len(ids) != 1 {
					t.Errorf("containers %v are left, want the other function's", ids)
				}
			})
		})
	}
}

// Whoever waits for an answer comes before those that are served while they are updated.
func TestChurn_ManyUpdatesDoNotDelayAColdStart(t *testing.T) {
	play(t, nil, func(s *scene) {
		s.create(labelled("bystander", "com.openfaas.scale.min", "0"))
		for i := range 50 {
			s.create(spec(fmt.Sprintf("f%d", i)))
		}
		s.passes(10 * time.Second)
		for i := range 50 {
			s.redeploy(spec(fmt.Sprintf("f%d", i)), 1)
		}
		synctest.Wait()
		if took := s.callTook("bystander"); took > 250*time.Millisecond {
			s.t.Errorf("it took %s, want no more than a start, 200ms", took)
		}
		s.passes(10 * time.Second)
		for i := range 50 {
			s.wantReady(fmt.Sprintf("f%d", i), 1)
		}
	})
}

// One image that is pulled for long, or whose containers take for ever to start, keeps
// neither the next revision nor other functions waiting.
func TestChurn_WhatHangsIsLeftBehind(t *testing.T) {
	t.Run("a pull", func(t *testing.T) {
		pulls := func(s *scene) {
			s.engine.image = func(ctx context.Context, reference string) (string, error) {
				if reference == "huge:latest" {
					<-ctx.Done()
					return "", ctx.Err()
				}
				return "sha256:" + reference, nil
			}
		}
		play(t, pulls, func(s *scene) {
			sp := spec("f")
			sp.Image = "huge:latest"
			s.create(sp)
			s.passes(time.Second)
			s.redeploy(spec("f"), 1)
			s.passes(time.Second)
			s.wantReady("f", 1)
			s.wantReason("f", "")
		})
	})
	t.Run("starts", func(t *testing.T) {
		hangs := func(s *scene) {
			s.engine.start = func(f function.Function) error {
				if f.EnvVars["round"] == "0" {
					time.Sleep(time.Hour)
				}
				return nil
			}
		}
		play(t, hangs, func(s *scene) {
			stuck := labelled("f", "com.openfaas.scale.min", "30")
			s.create(spec("f"))
			s.passes(time.Second)
			s.redeploy(stuck, 0)
			s.passes(time.Second)
			s.create(spec("other"))
			s.passes(time.Second)
			s.wantReady("other", 1)
			s.redeploy(spec("f"), 1)
			s.passes(5 * time.Second)
			if got, _ := s.store.Function(s.name("f")); !slices.Contains(s.serving("f"), got.Revision) {
				s.t.Errorf("revisions %d serve, want %d", s.serving("f"), got.Revision)
			}
			s.passes(2 * time.Hour)
		})
	})
}
