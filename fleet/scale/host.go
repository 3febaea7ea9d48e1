package scale

// On a full host more replicas answer no more calls of a function that is held up by the processors:
// they take those from one another. So no more of them are started than the processors can keep busy.

const (
	// fullAt is from which part of the processors in use on a host is full, and roomAt to which
	// it has room again: replicas that went must not be called back by the room they leave.
	fullAt, roomAt = 0.9, 0.75
	// computeBound is what a replica uses at least, in thousandths of a core, that is taken to be
	// held up by the processors, and not to be waiting for something else.
	computeBound = 50
	// oneThread is what a replica that has a single thread can use of the processors.
	oneThread = 900
)

// host is whether the processors of a function's host are in use.
type host struct {
	full bool
	// given is how many replicas the function has that load did not ask for: somebody did, or
	// they were there before. Those stay.
	given int
}

func (h *host) observe(busy float64) {
	switch {
	case busy >= fullAt:
		h.full = true
	case busy <= roomAt:
		h.full = false
	}
}

// useful returns how many of the wanted replicas help.
func (h *host) useful(s Sample, wanted int) int {
	h.given = min(h.given, wanted)
	if !h.full || s.Ready == 0 || s.CPUMillicores < computeBound*float64(s.Ready) {
		return wanted
	}
	return min(wanted, max(h.given, 1+int(s.CPUMillicores/oneThread)))
}

// WantsCPU reports whether the next sample should have CPUMillicores.
func (a *Autoscaler) WantsCPU() bool {
	p, s := a.shaped, a.last
	return p.Rule == CPU || a.host.full && p.Rule != Off && p.Rule != Step && max(s.Desired, p.Need(s)) > p.Woken()
}
