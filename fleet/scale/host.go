package scale

// When a host is full, replicas that compute do not answer more calls by being more: they take the
// processors from one another, and cost what each costs. So no more of them are started than its
// processors can keep busy.

const (
	// fullAt is from which part of the processors in use on a host is full, and roomAt to which
	// it has room again: replicas that went must not be called back by the room they leave.
	fullAt, roomAt = 0.9, 0.75
	// computes is from when on a replica computes more than it waits, and alone what one can use
	// that has a single thread, in thousandths of a core.
	computes, alone = 50, 900
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
	if !h.full || s.Ready == 0 || s.CPUMillicores < computes*float64(s.Ready) {
		return wanted
	}
	return min(wanted, max(h.given, 1+int(s.CPUMillicores/alone)))
}

// WantsCPU reports whether the next sample should have CPUMillicores.
func (a *Autoscaler) WantsCPU() bool {
	p, s := a.shaped, a.last
	return p.Rule == CPU || a.host.full && p.Rule != Off && p.Rule != Step && max(s.Desired, p.Need(s)) > p.Woken()
}
