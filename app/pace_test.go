package app

import (
	"runtime"
	"runtime/debug"
	"testing"
	"time"
)

// The collector's percentage lets the heap grow by as much of what lives: what counts is how
// large that is when it is collected next.
func TestPace_BoundsTheHeapAndTheMemory(t *testing.T) {
	t.Parallel()
	for _, row := range []struct{ lives, heap, limit int64 }{ // in MiB
		{lives: 1, heap: 5, limit: 40},
		{lives: 4, heap: 20, limit: 40},
		{lives: 5, heap: 20, limit: 40},
		{lives: 8, heap: 20, limit: 40},
		{lives: 10, heap: 20, limit: 40},
		{lives: 15, heap: 30, limit: 45},
		{lives: 100, heap: 200, limit: 300},
		{lives: 1000, heap: 2000, limit: 3000},
	} {
		collector := &setCollector{}
		collector.pace().adjust(uint64(row.lives) << 20)
		heap := row.lives * int64(100+collector.percent) / 100
		if heap != row.heap || collector.limit != row.limit<<20 {
			t.Errorf("with %d MiB the heap grows to %d MiB, and memory to %d, want %d and %d",
				row.lives, heap, collector.limit>>20, row.heap, row.limit)
		}
	}
}

// By Go's own rule a heap of which 6 MiB live is collected when it has 12.
func TestPace_TheCollectorWaitsForTwentyMegabytes(t *testing.T) {
	t.Cleanup(func() { debug.SetGCPercent(100) })
	p := &pace{set: debug.SetGCPercent, limit: func(int64) int64 { return 0 }}
	lives := make([]byte, 4<<20)
	runtime.GC()
	p.adjust(liveBytes())
	runtime.GC()
	var stats runtime.MemStats
	runtime.ReadMemStats(&stats)
	runtime.KeepAlive(lives)
	if next := stats.NextGC >> 20; liveBytes() > 9<<20 || next < 17 || next > 25 {
		t.Errorf("of %d MiB that live it is collected next with %d MiB, want about 20", liveBytes()>>20, next)
	}
}

// Setting either stops the world.
func TestPace_LeavesWhatIsAboutRight(t *testing.T) {
	t.Parallel()
	collector := &setCollector{}
	p := collector.pace()
	for _, row := range []struct {
		lives uint64
		sets  int
	}{{50, 2}, {50, 2}, {51, 2}, {54, 2}, {48, 2}, {100, 3}, {105, 3}, {50, 4}, {1, 6}} {
		if p.adjust(row.lives << 20); collector.sets != row.sets {
			t.Errorf("with %d MiB that live, %d settings were changed so far, want %d", row.lives, collector.sets, row.sets)
		}
	}
}

// setCollector is what a collector was told.
type setCollector struct {
	percent, sets int
	limit         int64
}

func (c *setCollector) pace() *pace {
	return &pace{
		set:   func(percent int) int { c.percent, c.sets = percent, c.sets+1; return 0 },
		limit: func(bytes int64) int64 { c.limit, c.sets = bytes, c.sets+1; return 0 },
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
