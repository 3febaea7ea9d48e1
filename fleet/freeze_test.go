package fleet

import (
	"errors"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"faas-docker/fleet/scale"
	"faas-docker/function"
	"faas-docker/replica"
	"faas-docker/resolver"
)

// pausedBetween reports whether a container was paused between two moments. A pause takes
// effect a while after the engine was asked for it.
func (e *fakeEngine) pausedBetween(id string, from, to time.Time) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, at := range e.pausedAt[id] {
		if at.After(from) && at.Before(to) {
			return true
		}
	}
	return false
}

func (e *fakeEngine) isPaused(id string) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.containers[id].State == function.Paused
}

// stream calls a function, and reports when its replica was frozen after the call had begun
// on it: as long as it is frozen, nothing has begun.
func (s *scene) stream(acquire func() (resolver.Lease, error), lasts time.Duration) {
	lease, err := acquire()
	if err != nil {
		s.t.Errorf("call: %v", err)
		return
	}
	defer lease.Release()
	id := lease.Replica().ID
	for s.engine.isPaused(id) {
		time.Sleep(100 * time.Microsecond)
	}
	began := time.Now()
	time.Sleep(lasts)
	if s.engine.pausedBetween(id, began, time.Now()) {
		s.t.Errorf("replica %s was frozen while a call was under way on it", id)
	}
}

func TestFreeze_NeverMeetsACallThatHasBegun(t *testing.T) {
	jitter := func(most time.Duration) time.Duration { return rand.N(most) }
	settings := []string{"com.openfaas.scale.freeze-duration", "10ms", "com.openfaas.scale.max", "2", "com.openfaas.scale.min", "1"}
	t.Run("of the revision that is wanted", func(t *testing.T) {
		play(t, nil, func(s *scene) {
			s.create(labelled("f", settings...))
			s.passes(time.Second)
			for range 3000 {
				time.Sleep(jitter(40 * time.Millisecond))
				s.stream(func() (resolver.Lease, error) { return s.Resolver.Acquire(s.t.Context(), s.name("f")) }, jitter(30*time.Millisecond))
			}
			if frozen := s.engine.countOf("pause"); frozen < 500 {
				t.Errorf("frozen %d times: the test means to meet the moment", frozen)
			}
		})
	})
	t.Run("by many callers", func(t *testing.T) {
		play(t, nil, func(s *scene) {
			s.create(labelled("f", settings...))
			s.passes(time.Second)
			var callers sync.WaitGroup
			for range 4 {
				callers.Go(func() {
					for range 500 {
						time.Sleep(jitter(200 * time.Millisecond))
						s.stream(func() (resolver.Lease, error) { return s.Resolver.Acquire(s.t.Context(), s.name("f")) }, jitter(30*time.Millisecond))
					}
				})
			}
			callers.Wait()
		})
	})
	t.Run("of the revision before", func(t *testing.T) {
		play(t, nil, func(s *scene) {
			sp := labelled("f", settings...)
			sp.Annotations = map[string]string{function.AnnotationRollback: "1h"}
			s.create(sp)
			s.passes(time.Second)
			s.redeploy(sp, 1)
			s.passes(time.Second)
			for range 100 {
				time.Sleep(recallRest + jitter(20*time.Millisecond))
				s.stream(func() (resolver.Lease, error) {
					lease, err := s.Resolver.AcquirePrevious(s.t.Context(), s.name("f"))
					if got, _ := s.store.Function(s.name("f")); err == nil && lease.Replica().Revision == got.Revision {
						t.Error("a call of the revision before went to the one that is wanted")
					}
					return lease, err
				}, jitter(30*time.Millisecond))
			}
		})
	})
}

// An engine that does not say in time whether it has paused a replica may do so any time.
func TestFreeze_ThatIsNotAnsweredIsUndoneBeforeTheNextCall(t *testing.T) {
	play(t, nil, func(s *scene) {
		first := true
		s.engine.pause = func(id string) error {
			if !first {
				return s.engine.set(id, function.Paused)
			}
			first = false
			time.Sleep(temperTimeout)
			go func() { time.Sleep(50 * time.Millisecond); s.engine.set(id, function.Paused) }()
			return function.Unavailable(nil, "no answer in time")
		}
		s.create(labelled("f", "com.openfaas.scale.freeze-duration", "1s"))
		s.passes(3 * time.Second)
		s.engine.mu.Lock()
		s.engine.pauseTakes = 200 * time.Millisecond // as long as the container is locked
		s.engine.mu.Unlock()
		s.stream(func() (resolver.Lease, error) { return s.Resolver.Acquire(s.t.Context(), s.name("f")) }, time.Second)
		s.passes(2 * time.Second)
		if m := s.replica("f", "c1"); m.Phase != replica.Frozen {
			t.Errorf("the replica is %s, want it frozen again", m.Phase)
		}
	})
}

// A spare is to be frozen at once, and its pause may go on failing.
func TestFreeze_ThatFailsIsTriedAgainAfterAPause(t *testing.T) {
	play(t, nil, func(s *scene) {
		var mended atomic.Bool
		s.engine.pause = func(id string) error {
			if mended.Load() {
				return s.engine.set(id, function.Paused)
			}
			return errors.New("freezer is broken")
		}
		s.create(labelled("f", scale.LabelStandby, "1"))
		s.passes(time.Minute)
		if asked := s.engine.countOf("pause"); asked < 3 || asked > 20 { // either of two may be the spare
			t.Errorf("asked %d times for a pause within a minute", asked)
		}
		mended.Store(true)
		s.passes(time.Minute)
		if load := s.Resolver.Load(s.name("f")); load.Ready != 1 || load.Asleep != 1 {
			t.Errorf("%d are ready and %d frozen once a pause succeeds, want one of each", load.Ready, load.Asleep)
		}
	})
}
