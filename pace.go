package main

import (
	"runtime"
	"runtime/debug"
	"runtime/metrics"
)

const (
	// heapSize is how large the heap may be, in bytes, before it is collected. By Go's
	// own rule it grows by what lives, which here is a few megabytes: under load it
	// would be collected dozens of times a second, for a sixth of the processor time.
	// That much memory is always worth it; several times what thousands of functions
	// need is not.
	heapSize = 20 << 20
	// Go's own percentage is never undercut.
	leastPercent, mostPercent = 100, 400
)

// pace is the collector's, adjusted after each collection.
type pace struct {
	// set is debug.SetGCPercent.
	set     func(percent int) int
	percent int
}

// paceCollector lets the heap grow to heapSize between collections from now on.
func paceCollector() {
	p := &pace{set: debug.SetGCPercent}
	p.adjust(0)
	p.rearm()
}

// rearm has the pace adjusted after the next collection, which is when an object
// that nobody holds is found.
func (p *pace) rearm() {
	runtime.SetFinalizer(&struct{ p *pace }{p}, func(found *struct{ p *pace }) {
		found.p.adjust(liveBytes())
		found.p.rearm()
	})
}

// adjust sets the percentage for what lives; a change that is small is not worth it,
// for it stops the world.
func (p *pace) adjust(live uint64) {
	percent := percentFor(live)
	if p.percent == 0 || percent < p.percent*9/10 || percent > p.percent*11/10 {
		p.percent = percent
		p.set(percent)
	}
}

func percentFor(live uint64) int {
	live = max(live, 1)
	growth := max(heapSize, live) - live
	return min(max(int(growth*100/live), leastPercent), mostPercent)
}

// liveBytes is what the last collection left.
func liveBytes() uint64 {
	sample := []metrics.Sample{{Name: "/gc/heap/live:bytes"}}
	metrics.Read(sample)
	if sample[0].Value.Kind() != metrics.KindUint64 {
		return 0
	}
	return sample[0].Value.Uint64()
}

// processorsFor is how many of the processors the program runs on at once: half, for
// the functions run beside it. Handing a call from one to another costs more than a
// call itself: on two of them, which the functions share, one carries more calls and
// takes a sixth less time for each.
func processorsFor(all int) int { return max(1, all/2) }
