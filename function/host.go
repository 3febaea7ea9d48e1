package function

import "net/netip"

// Swap is what a host has to put the memory of frozen replicas on.
type Swap struct {
	// Known is set when the host's swap can be seen from here, as on the machine that
	// the engine runs on.
	Known bool
	// Total and Free are in bytes.
	Total, Free int64
	// Accounted is set when the engine can bound the swap of one container.
	Accounted bool
}

// Processors is what the processors of a host have done since it started, all together, in ticks
// of its clock. The zero value is not known.
type Processors struct{ Idle, Total uint64 }

// Busy returns the part of the processors that was in use since before: more than zero, and one
// for all of them. It is zero when that is not known.
func (p Processors) Busy(before Processors) float64 {
	if before.Total == 0 || p.Total <= before.Total || p.Idle < before.Idle {
		return 0
	}
	idle := float64(p.Idle-before.Idle) / float64(p.Total-before.Total)
	return max(0, 1-idle)
}

// Neighbours is what surrounds this process in the engine's networks.
type Neighbours struct {
	// Functions are the prefixes of the addresses of containers on the function network.
	Functions []netip.Prefix
	// Gateways are the addresses from which the engine's machine calls this process. They
	// are empty when the process runs in no container of the engine's. No function has one.
	Gateways []netip.Addr
	// Shared is set when others come from the gateways, too: a port of the process's
	// container is published beyond the machine's loopback.
	Shared bool
	// Joined is set when functions can be reached from here: the network exists, and the
	// container that this process runs in, if it does, is on it.
	Joined bool
}
