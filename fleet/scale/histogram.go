package scale

import (
	"math"
	"time"
)

const (
	// bins are as many as are four hours by the minute.
	bins = 240

	headPercentile = 0.05
	tailPercentile = 0.99
	// margin is by how much a function is awake earlier and longer than the
	// percentiles say.
	margin = 0.10
	// enough is how many idle times make a pattern.
	enough = 10
	// pronounced is the coefficient of variation of the bins' counts from which on
	// they are a pattern and not flat.
	pronounced = 2
	// memory is after how many idle times the old ones begin to count half, so that
	// a function may change its habits.
	memory = 1000
)

// Histogram learns when a function is called, from the times it was idle: the
// hybrid policy of Shahrad and others, "Serverless in the Wild" (USENIX ATC
// 2020). It counts idle times in 240 bins: of up to four hours by the minute. What it
// tells is of use when there are enough of them, most within the bins, and not
// spread evenly.
type Histogram struct {
	// Bin is the width of a bin, not to be changed once something was observed.
	Bin time.Duration

	counts []uint16 // one for each bin; nil while nothing was learned
	inside int      // idle times within the bins
	beyond int      // longer ones
}

// Observe takes the time from the end of one call to the beginning of the next.
func (h *Histogram) Observe(idle time.Duration) {
	if idle < 0 {
		return
	}
	if h.inside+h.beyond >= memory {
		h.fade()
	}
	if idle >= bins*h.Bin {
		h.beyond++
		return
	}
	if h.counts == nil {
		h.counts = make([]uint16, bins)
	}
	h.counts[idle/h.Bin]++
	h.inside++
}

// fade makes everything seen so far count half.
func (h *Histogram) fade() {
	h.inside = 0
	for i := range h.counts {
		h.counts[i] /= 2
		h.inside += int(h.counts[i])
	}
	h.beyond /= 2
}

// Window returns after how long without a call the next one is to be expected,
// from head to tail, margins included. A head of zero means at any time. It is
// not ok when what was seen so far tells nothing.
func (h *Histogram) Window() (head, tail time.Duration, ok bool) {
	if h.inside < enough || h.beyond >= h.inside || h.variation() < pronounced {
		return 0, 0, false
	}
	first := time.Duration(h.percentile(headPercentile)) * h.Bin
	last := time.Duration(h.percentile(tailPercentile)+1) * h.Bin
	return time.Duration(float64(first) * (1 - margin)), time.Duration(float64(last) * (1 + margin)), true
}

// percentile returns the first bin by which that part of the idle times was over.
func (h *Histogram) percentile(part float64) int {
	wanted := max(1, int(math.Ceil(part*float64(h.inside))))
	seen := 0
	for i, count := range h.counts {
		if seen += int(count); seen >= wanted {
			return i
		}
	}
	return bins - 1
}

// variation returns the coefficient of variation of the bins' counts: 0 when all
// are equal, 15 when one has everything.
func (h *Histogram) variation() float64 {
	squares := 0.0
	for _, count := range h.counts {
		squares += float64(count) * float64(count)
	}
	mean := float64(h.inside) / bins
	return math.Sqrt(max(0, squares/bins-mean*mean)) / mean
}

// Learned returns the policy as a function's habits shape it, if it may learn and
// has habits. They shape the coldest rest that the policy has: when the function
// is removed, or else when it is frozen. It stays awake for as long as the next
// call is to be expected; when that cannot come soon it rests early, at the
// latest after Learn, and is awake again just before.
func (p Policy) Learned(h *Histogram) Policy {
	if p.Learn <= 0 {
		return p
	}
	head, tail, ok := h.Window()
	switch {
	case !ok:
	case p.Zero.After > 0:
		p.Zero = p.Zero.shaped(p.Learn, head, tail)
	case p.Freeze.After > 0:
		p.Freeze = p.Freeze.shaped(p.Learn, head, tail)
	}
	return p
}

func (r Rest) shaped(bin, head, tail time.Duration) Rest {
	early := min(r.After, bin)
	if head <= early {
		return Rest{After: tail}
	}
	return Rest{After: early, Wake: head, Until: tail}
}
