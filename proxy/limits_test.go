//go:build !long

package proxy

import "time"

// What the tests of promises about time hold the proxy to: in the short version, which
// shares a small machine with other tests, only to their coming true.
const (
	// alone is set when tests that measure times run one after the other.
	alone = false
	// abortLimit is how soon the function notices that a client went away.
	abortLimit = 3 * time.Second
)
