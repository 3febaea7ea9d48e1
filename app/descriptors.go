package app

import (
	"math"
	"syscall"
)

// ownDescriptors is how many descriptors the provider keeps for itself: its store, the engine,
// and clients that it turns away.
const ownDescriptors = 64

// openFiles is how many files the program may have open. The Go runtime has raised that to
// the most that the system allows; programs that it starts get the former limit.
func openFiles() uint64 {
	var limit syscall.Rlimit
	if syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit) != nil {
		return math.MaxInt32
	}
	return uint64(limit.Cur)
}

// clientsFor is how many clients may be connected with so many open files: each needs one for
// itself and, while it is served, one for the replica.
func clientsFor(files uint64) int {
	own := min(ownDescriptors, files/4)
	return int(max(1, min(files-own, math.MaxInt32)/2))
}
