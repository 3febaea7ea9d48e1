//go:build long

package interop

// repeats is how often each case runs.
const repeats = 50
