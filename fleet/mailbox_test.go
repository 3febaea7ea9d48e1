package fleet

import (
	"bytes"
	"fmt"
	"runtime/pprof"
	"strings"
	"sync"
	"testing"
	"time"

	"faas-docker/fleet/scale"
)

// TestMailbox_HasOneReaderWhichMissesNothing: not when it is about to leave either. That
// there is one at a time the race detector sees.
func TestMailbox_HasOneReaderWhichMissesNothing(t *testing.T) {
	t.Parallel()
	const writers, letters = 8, 2000
	var box mailbox
	var reading, writing sync.WaitGroup
	box.attend = func() {
		reading.Go(func() {
			for mail, rung := box.take(); rung; mail, rung = box.take() {
				for _, act := range mail {
					act(nil)
				}
			}
		})
	}
	read := 0
	for range writers {
		writing.Go(func() {
			for range letters {
				box.post(func(*worker) { read++ })
			}
		})
	}
	writing.Wait()
	reading.Wait()
	if read != writers*letters {
		t.Errorf("%d letters were read, want %d", read, writers*letters)
	}
}

// TestWorker_RestsWithoutAGoroutine: functions at zero cost no stack, and wake all the same.
func TestWorker_RestsWithoutAGoroutine(t *testing.T) {
	play(t, nil, func(s *scene) {
		const functions = 20
		for i := range functions {
			s.create(labelled(fmt.Sprintf("asleep-%d", i), scale.LabelMin, "0"))
		}
		s.passes(2 * time.Minute)
		if working := workers(t); working != 0 {
			t.Errorf("%d of %d workers have a goroutine though nothing happens", working, functions)
		}
		s.call("asleep-7")
		s.passes(time.Second)
		s.wantReady("asleep-7", 1)
	})
}

// TestWorker_WritesDownLaterWhatItCouldNot though nothing happens that would ring it.
func TestWorker_WritesDownLaterWhatItCouldNot(t *testing.T) {
	play(t, nil, func(s *scene) {
		s.create(spec("figlet"))
		s.full.Store(true)
		s.passes(5 * time.Second)
		s.wantReady("figlet", 1)
		if f, _ := s.store.Function(s.name("figlet")); f.Answered {
			t.Fatal("a store that is full was written")
		}
		s.full.Store(false)
		s.passes(rewritePause)
		if f, _ := s.store.Function(s.name("figlet")); !f.Answered {
			t.Error("that the function answers is not written down a minute after there is room")
		}
	})
}

// workers counts the workers that have a goroutine.
func workers(t *testing.T) int {
	t.Helper()
	var stacks bytes.Buffer
	if err := pprof.Lookup("goroutine").WriteTo(&stacks, 2); err != nil {
		t.Fatal(err)
	}
	return strings.Count(stacks.String(), "fleet.(*worker).run(")
}
