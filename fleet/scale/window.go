package scale

import "time"

// The windows over which load is averaged, as in Knative: the long one decides,
// the short one notices a burst.
const (
	StableWindow = 60 * time.Second
	PanicWindow  = StableWindow / 10
)

const stableSeconds = int64(StableWindow / time.Second)

// levels averages a level, such as calls in flight, over the last minute: one
// mean per second, in a ring of fixed size. A level holds until the next reading.
// Moments are counted from an origin of the owner's choice.
type levels struct {
	means   [stableSeconds]mean
	first   int64 // the second of the first reading
	newest  int64 // the second of the last one
	level   float64
	started bool
}

type mean struct {
	sum   float64
	count int
}

// record takes a reading. One from before the last second that was read counts
// for that second.
func (l *levels) record(at time.Duration, level float64) {
	second := int64(at / time.Second)
	if !l.started {
		l.first, l.newest, l.started = second, second, true
	}
	// A gap longer than the ring overwrites all of it once.
	for s := max(l.newest+1, second-stableSeconds+1); s <= second; s++ {
		*l.at(s) = mean{sum: l.level, count: 1}
		if s == second {
			*l.at(s) = mean{}
		}
	}
	l.newest = max(l.newest, second)
	now := l.at(l.newest)
	now.sum += level
	now.count++
	l.level = level
}

// average returns the mean level over the window that ends at now, or over the
// time since the first reading if that is shorter.
func (l *levels) average(now, window time.Duration) float64 {
	if !l.started {
		return 0
	}
	end := max(int64(now/time.Second), l.newest)
	begin := max(end-int64(window/time.Second)+1, l.first)
	sum := 0.0
	for s := begin; s <= end; s++ {
		if s > l.newest {
			sum += l.level
			continue
		}
		m := l.at(s)
		sum += m.sum / float64(m.count)
	}
	return sum / float64(end-begin+1)
}

func (l *levels) at(second int64) *mean { return &l.means[second%stableSeconds] }

// readings is the last minute of a counter that only grows: the first reading of
// each second, in a ring of fixed size.
type readings struct {
	ring    [stableSeconds + 4]reading
	latest  reading
	raw     uint64 // the counter as it was last read
	started bool
}

type reading struct {
	at    time.Duration
	total float64
	valid bool
}

// record takes a reading. A counter that shrank began again at zero.
func (r *readings) record(at time.Duration, raw uint64) {
	grown := raw - r.raw
	switch {
	case !r.started:
		grown = 0
	case raw < r.raw:
		grown = raw
	}
	r.latest = reading{at: at, total: r.latest.total + float64(grown), valid: true}
	r.raw, r.started = raw, true
	second := int64(at / time.Second)
	slot := &r.ring[second%int64(len(r.ring))]
	if !slot.valid || int64(slot.at/time.Second) != second {
		*slot = r.latest
	}
}

// rate returns the growth per second over the window that ends at now, or over
// the time since the first reading if that is shorter, but at least a second.
func (r *readings) rate(now, window time.Duration) float64 {
	if !r.started {
		return 0
	}
	base := r.base(now - window)
	elapsed := now - base.at
	if elapsed > 2*window {
		// Nothing was read for long: what came to light came to pass in the window.
		elapsed = window
	}
	return (r.latest.total - base.total) / max(elapsed, time.Second).Seconds()
}

// base returns the newest reading that is not after a moment, or the oldest one.
func (r *readings) base(moment time.Duration) reading {
	base := r.latest
	for _, c := range r.ring {
		isNearer := c.at > base.at || base.at > moment
		if c.valid && (c.at <= moment && isNearer || c.at > moment && c.at < base.at) {
			base = c
		}
	}
	return base
}

// peaks remembers the largest count within a window of the owner's choice, in a
// ring of fixed size whose slots are a sixtieth of the window.
type peaks struct {
	ring   []int // nil while there was no window
	newest int64
}

const peakSlots = 60

// hold records a count and returns the largest within the window; zero window
// means that only this one counts.
func (p *peaks) hold(now, window time.Duration, count int) int {
	if window <= 0 {
		return count
	}
	if p.ring == nil {
		p.ring = make([]int, peakSlots+1)
	}
	slot := int64(now / (window / peakSlots))
	for s := max(p.newest+1, slot-peakSlots); s <= slot; s++ {
		p.ring[s%int64(len(p.ring))] = 0
	}
	p.newest = max(p.newest, slot)
	here := &p.ring[p.newest%int64(len(p.ring))]
	*here = max(*here, count)
	largest := 0
	for _, peak := range p.ring {
		largest = max(largest, peak)
	}
	return largest
}
