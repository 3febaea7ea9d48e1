package fleet

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"faas-docker/fleet/scale"
	"faas-docker/function"
)

// watched is a spec whose replicas are asked every two seconds.
func watched(name string, pairs ...string) function.Spec {
	sp := labelled(name, pairs...)
	sp.Annotations = map[string]string{function.AnnotationHealthPath: "/alive"}
	return sp
}

// asks makes the engine's replicas answer their checks so.
func (s *scene) asks(answer func(replica function.Replica, path string) error) {
	s.engine.mu.Lock()
	defer s.engine.mu.Unlock()
	s.engine.ask = answer
}

func TestLiveness_OneThatFailsItsCheckTooOftenIsReplaced(t *testing.T) {
	play(t, nil, func(s *scene) {
		s.create(watched("figlet"))
		s.passes(time.Minute)
		s.wantRunning("c1")
		s.asks(func(replica function.Replica, path string) error {
			if replica.ID != "c1" || path != "/alive" {
				return nil
			}
			return errors.New("health check answered 500")
		})
		s.passes(4 * time.Second)
		s.wantReady("figlet", 1)
		s.passes(3 * time.Second)
		s.wantRunning("c2")
		s.wantReady("figlet", 1)
		all := ""
		for _, note := range s.Notes(s.name("figlet")) {
			all += note.Text + "\n"
		}
		if !strings.Contains(all, "failed its health check 3 times and is replaced: health check answered 500") {
			t.Errorf("the notes do not say why: %s", all)
		}
	})
}

func TestLiveness_AFailureNowAndThenIsForgiven(t *testing.T) {
	play(t, nil, func(s *scene) {
		s.create(watched("figlet"))
		asked := 0
		s.asks(func(function.Replica, string) error {
			if asked++; asked%3 == 0 {
				return nil
			}
			return errors.New("health check answered 500")
		})
		s.passes(10 * time.Minute)
		s.wantRunning("c1")
		if asked < 200 {
			t.Errorf("asked %d times in ten minutes", asked)
		}
	})
}

func TestLiveness_OnlyWhereItIsAskedForAndNeverWhileFrozen(t *testing.T) {
	play(t, nil, func(s *scene) {
		asked := map[string]int{}
		s.asks(func(replica function.Replica, _ string) error {
			asked[replica.Function.Name]++
			return errors.New("health check answered 500")
		})
		s.create(spec("unwatched"))
		frozen := watched("frozen", scale.LabelFreezeDuration, "1s")
		s.create(frozen)
		s.passes(10 * time.Minute)
		s.wantRunning("c1", "c2")
		if len(asked) != 0 {
			t.Errorf("asked %v, want nobody", asked)
		}
	})
}

func TestLiveness_ACheckThatAFreezeOverlapsCountsForNothing(t *testing.T) {
	play(t, nil, func(s *scene) {
		sp := watched("figlet", scale.LabelFreezeDuration, "2500ms")
		sp.Annotations[function.AnnotationHealthFailures] = "1"
		s.create(sp)
		s.asks(func(function.Replica, string) error {
			time.Sleep(800 * time.Millisecond) // until it is frozen
			return errors.New("timeout")
		})
		s.passes(10 * time.Second)
		s.wantRunning("c1")
		if got := s.warmth("figlet"); got != "frozen/paused" {
			t.Errorf("it is %s", got)
		}
	})
}

// refuses is how it is when one replica accepts no connection.
func refuses(id string) func(context.Context, function.Replica) error {
	return func(ctx context.Context, replica function.Replica) error {
		if replica.ID != id {
			return nil
		}
		<-ctx.Done()
		return errors.New("connection refused")
	}
}

func TestSuspect_OneThatAnsweredBeforeIsGivenUpSoon(t *testing.T) {
	play(t, nil, func(s *scene) {
		s.create(spec("figlet"))
		s.passes(time.Minute)
		s.engine.await = refuses("c1")
		s.Resolver.Suspect(s.name("figlet"), "c1")
		s.passes(7 * time.Second)
		s.wantRunning("c2")
		s.wantReady("figlet", 1)
	})
}

// A provider without descriptors cannot ask: that says nothing of a replica.
func TestLiveness_OwnErrorsSayNothing(t *testing.T) {
	for _, errno := range []syscall.Errno{syscall.EMFILE, syscall.ENFILE, syscall.ENOMEM, syscall.ENOBUFS, syscall.EADDRNOTAVAIL} {
		play(t, nil, func(s *scene) {
			s.create(watched("figlet"))
			s.asks(func(function.Replica, string) error { return fmt.Errorf("connect: %w", errno) })
			s.passes(10 * time.Minute)
			s.wantRunning("c1")
			s.wantReady("figlet", 1)
		})
	}
}

// A replica that could not be asked at its start is asked on, however long that takes.
func TestLiveness_OwnErrorsDoNotEndAStart(t *testing.T) {
	var free atomic.Bool
	arrange := func(s *scene) {
		s.engine.await = func(ctx context.Context, _ function.Replica) error {
			if free.Load() {
				return nil
			}
			<-ctx.Done()
			return fmt.Errorf("connect: %w", syscall.EMFILE)
		}
	}
	play(t, arrange, func(s *scene) {
		s.create(spec("figlet"))
		s.passes(10 * time.Minute)
		s.wantRunning("c1")
		free.Store(true)
		s.passes(5 * time.Minute)
		s.wantRunning("c1")
		s.wantReady("figlet", 1)
	})
}
