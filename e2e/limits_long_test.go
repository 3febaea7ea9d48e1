//go:build long

package e2e

import (
	"time"

	"golang.org/x/time/rate"
)

// What the tests of promises about time hold the provider to. The long version is
// for a machine that does nothing else.
const (
	// alone is set when tests that measure times run one after the other.
	alone = true
	// callRate bounds what callSteadily sends, in calls per second.
	callRate = rate.Inf
	// faultStride is at which calls to the engine the provider is killed.
	faultStride = 1
	// soon is when what is under way must have happened.
	soon = 20 * time.Second
	// faultLimit is how soon all must be well after a restart.
	faultLimit = 5 * time.Second
	// burstLimit is how soon ten replicas must be ready, unless the engine is slow.
	burstLimit = 2 * time.Second
	// deathLimit is how soon a replica that was killed must be replaced, unless the engine is slow.
	deathLimit = time.Second
	// coldLimit is how many times longer a cold start may take while other functions are in
	// trouble, measured by what the engine needs meanwhile; coldRounds is how often it is.
	coldLimit, coldRounds = 1.5, 5
	// loadStart is how soon a provider with a thousand functions is healthy, loadList and
	// loadStatus how long it takes to list them and to tell of one.
	loadStart, loadList, loadStatus = 2 * time.Second, 50 * time.Millisecond, time.Millisecond
)
