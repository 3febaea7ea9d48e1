package app

import (
	"runtime"
	"runtime/debug"
	"runtime/metrics"
)

const (
	// heapSize is how large the heap may be, in bytes, before it is collected. By Go's own
	// rule it grows by what lives, a few megabytes: under load it would be collected dozens of
	// times a second, for a sixth of the processor time.
	heapSize = 20 << 20
	// Go's own percentage is never undercut.
	leastPercent, mostPercent = 100, 400
	// memorySize is what all of the program's memory is kept below, in bytes, stacks and
	// what was freed a moment ago included, unless a third of it lives.
	memorySize = 40 << 20
)

// tuneRuntime sets what the Go runtime would be told by variables of its own, unless it was.
func (c Config) tuneRuntime() {
	if c.environment.get("GOGC") == "" && c.environment.get("GOMEMLIMIT") == "" {
		paceCollector()
	}
	if c.environment.get("GOMAXPROCS") == "" {
		runtime.GOMAXPROCS(processorsFor(runtime.GOMAXPROCS(0)))
	}
}

// pace is the collector's, adjusted after each collection.
type pace struct {
	// set is debug.SetGCPercent, limit is debug.SetMemoryLimit.
	set   func(percent int) int
	limit func(bytes int64) int64
	// percent and bytes are the settings made last.
	percent, bytes int
}

// paceCollector lets the heap grow to heapSize between collections from now on.
func paceCollector() {
	p := &pace{set: debug.SetGCPercent, limit: debug.SetMemoryLimit}
	p.adjust(0)
	p.rearm()
}

// rearm has the pace adjusted after the next collection, which finds an object that nothing holds.
func (p *pace) rearm() {
	runtime.SetFinalizer(&struct{ p *pace }{p}, func(found *struct{ p *pace }) {
		found.p.adjust(liveBytes())
		found.p.rearm()
	})
}

// adjust sets the percentage and the limit for what lives. It stops the world: not for a small change.
func (p *pace) adjust(live uint64) {
	if percent := percentFor(live); differs(percent, p.percent) {
		p.percent = percent
		p.set(percent)
	}
	if bytes := max(memorySize, 3*int(live)); differs(bytes, p.bytes) {
		p.bytes = bytes
		p.limit(int64(bytes))
	}
}

// differs reports whether two figures are more than a tenth apart.
func differs(a, b int) bool { return a < b-b/10 || a > b+b/10 }

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

// processorsFor is how many of the processors the program runs on at once: half, for the functions
// run beside it. Handing a call from one to another costs more than the call: of two, which the
// functions share, one carries more calls and takes a sixth less time for each.
func processorsFor(all int) int { return max(1, all/2) }
