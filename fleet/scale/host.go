package scale

import "time"

// On a full host more replicas answer no more calls of a function that is held up by the processors:
// they take those from one another. So no more of them are started than the processors can keep busy.

const (
	// fullAt is from which part of the processors in use on a host is full, and roomAt to which
	// it has room again: replicas that went must not be called back by the room they leave.
	fullAt, roomAt = 0.9, 0.75
	// computeBound is what a replica uses at least, in thousandths of a core, that is taken to be
	// held up by the processors, and not to be waiting for something else. A single one uses
	// twice as much for that: with many calls in flight that wait it uses something, too.
	computeBound = 100
	// oneThread is what a replica that has a single thread can use of the processors.
	oneThread = 900
)

// host is whether the processors of a function's host are in use.
type host struct {
	// full is since when they are; zero while they are not.
	full time.Time
	// seen is when that was looked at last.
	seen time.Time
	// unmeasured is since when the function wants more than it has, and its consumption is not
	// known; zero when that is not so.
	unmeasured time.Time
	// given is how many replicas the function has that load did not ask for: somebody did, or
	// they were there before. Those stay.
	given int
}

const (
	// measureTime is how long more replicas wait for the function's consumption to be measured.
	measureTime = 3 * time.Second
	// uselessTime is how long a host is full before replicas that do not help are given up: to
	// start and to stop them costs, too.
	uselessTime = 10 * time.Second
)

func (h *host) observe(at time.Time, busy float64) {
	if at.Sub(h.seen) > uselessTime {
		h.full = time.Time{} // what was then says nothing of now
	}
	h.seen = at
	switch {
	case busy <= roomAt:
		h.full = time.Time{}
	case busy >= fullAt && h.full.IsZero():
		h.full = at
	}
}

// useful returns how many of the wanted replicas help.
func (h *host) useful(now time.Time, s Sample, wanted int) int {
	h.given = min(h.given, wanted)
	if h.full.IsZero() || s.Ready == 0 {
		return wanted
	}
	if s.CPUMillicores < 0 && wanted > s.Desired {
		if h.unmeasured.IsZero() {
			h.unmeasured = now
		}
		if now.Sub(h.unmeasured) < measureTime {
			return s.Desired
		}
		return wanted
	}
	h.unmeasured = time.Time{}
	if s.CPUMillicores < computeBound*float64(max(2, s.Ready)) {
		return wanted
	}
	most := max(h.given, 1+int(s.CPUMillicores/oneThread))
	if now.Sub(h.full) < uselessTime {
		most = max(most, s.Desired)
	}
	return min(wanted, most)
}

// WantsCPU reports whether the next sample should have CPUMillicores.
func (a *Autoscaler) WantsCPU() bool {
	p, s := a.shaped, a.last
	return p.Rule == CPU || !a.host.full.IsZero() && p.Rule != Off && p.Rule != Step && max(s.Desired, p.Need(s)) > p.Woken()
}
