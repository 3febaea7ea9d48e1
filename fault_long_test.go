//go:build long

package main

import "time"

// At which calls to the engine TestFault_KilledAtEachCallToTheEngine kills the
// provider, and how soon all must be well again.
const (
	faultStride = 1
	faultLimit  = 5 * time.Second
)
