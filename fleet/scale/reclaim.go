package scale

import (
	"fmt"

	"faas-docker/function"
)

const (
	// reclaimLeaves is the part of its memory that a replica keeps: less of it was
	// seen to come back at once.
	reclaimLeaves = 5
	// leastLimit is the smallest limit that Docker takes, and a little more.
	leastLimit = 8 << 20
	// swapReserve is how many times what is to be put on swap has to be free there. A
	// limit that cannot be met would have the kernel kill the replica.
	swapReserve = 2
)

// CannotReclaim says why the memory of frozen replicas cannot be reclaimed on a
// host; it is empty when it can.
func CannotReclaim(host function.Swap) string {
	switch {
	case !host.Known:
		return "the Docker engine is on another machine, whose swap cannot be seen from here"
	case host.Total <= 0:
		return "this machine has no swap to put it on: add a swap file or zram"
	case !host.Accounted:
		return "the kernel does not account for the swap of containers: boot it with cgroup_enable=memory swapaccount=1"
	}
	return ""
}

// ReclaimTo returns the limit, in bytes, that puts most of a frozen replica's
// memory on swap, given what it uses and the limit that it has. Where that is not
// safe or not worth it, it says why.
func ReclaimTo(host function.Swap, limit, used int64) (low int64, refusal string) {
	if refusal = CannotReclaim(host); refusal != "" {
		return 0, refusal
	}
	low = max(used/reclaimLeaves, leastLimit)
	switch {
	case limit <= 0:
		return 0, "it has no memory limit that could be lowered"
	case low >= used || low >= limit:
		return 0, fmt.Sprintf("it uses only %s", memoryText(used))
	case host.Free < swapReserve*(used-low):
		return 0, fmt.Sprintf("%s of swap are free, and %s would have to be", memoryText(host.Free), memoryText(swapReserve*(used-low)))
	}
	return low, ""
}
