//go:build long

package proxy

import "time"

// What the tests of promises about time hold the proxy to. The long version is for a
// machine that does nothing else.
const (
	// alone is set when tests that measure times run one after the other.
	alone = true
	// abortLimit is how soon the function notices that a client went away.
	abortLimit = 100 * time.Millisecond
)
