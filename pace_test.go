package main

import (
	"runtime"
	"slices"
	"testing"
	"time"
)

func TestPace_FollowsWhatLives(t *testing.T) {
	t.Parallel()
	var set []int
	var limits []int64
	p := &pace{
		set:   func(percent int) int { set = append(set, percent); return 0 },
		limit: func(bytes int64) int64 { limits = append(limits, bytes>>20); return 0 },
	}
	for _, mib := range []uint64{0, 3, 4, 5, 8, 8, 9, 15, 100, 1000, 4} {
		p.adjust(mib << 20)
	}
	if want := []int{400, 300, 150, 122, 100, 400}; !slices.Equal(set, want) {
		t.Errorf("got %v, want %v", set, want)
	}
	if want := []int64{40, 45, 300, 3000, 40}; !slices.Equal(limits, want) {
		t.Errorf("limits %v MiB, want %v", limits, want)
	}
}

func TestPace_IsAdjustedAfterEachCollection(t *testing.T) {
	changes := make(chan struct{}, 1)
	// It is adjusted for as long as the tests of this package run, and finalizers wait for
	// each other.
	p := &pace{limit: func(int64) int64 { return 0 }}
	p.set = func(int) int {
		p.percent = 0 // so that the next collection, too, is a reason to set it
		select {
		case changes <- struct{}{}:
		default:
		}
		return 0
	}
	p.rearm()
	for range 2 {
		runtime.GC()
		select {
		case <-changes:
		case <-time.After(10 * time.Second):
			t.Fatal("not adjusted after a collection")
		}
	}
}

func TestProcessorsFor_LeavesHalfToTheFunctions(t *testing.T) {
	t.Parallel()
	for all, want := range map[int]int{1: 1, 2: 1, 3: 1, 4: 2, 16: 8} {
		if got := processorsFor(all); got != want {
			t.Errorf("of %d: %d, want %d", all, got, want)
		}
	}
}
