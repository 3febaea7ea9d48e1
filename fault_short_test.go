//go:build !long

package main

// At which calls to the engine TestFault_KilledAtEachCallToTheEngine kills the
// provider, and how soon all must be well again.
const (
	faultStride = 5
	faultLimit  = soon
)
