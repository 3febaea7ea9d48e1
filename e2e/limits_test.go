//go:build !long

package e2e

import (
	"time"

	"golang.org/x/time/rate"
)

// What the tests of promises about time hold the provider to: in the short version,
// which shares a small machine with other tests, only to their coming true.
const (
	// alone is set when tests that measure times run one after the other.
	alone = false
	// callRate bounds what callSteadily sends, in calls per second: more would take the
	// processors from the engine.
	callRate = rate.Limit(200)
	// faultStride is at which calls to the engine the provider is killed.
	faultStride = 5
	// soon is when what is under way must have happened, on a machine that hardly gets to it, too.
	soon = time.Minute
	// faultLimit is how soon all must be well after a restart.
	faultLimit = soon
	// burstLimit is how soon ten replicas must be ready, unless the engine is slow.
	burstLimit = soon
	// deathLimit is how soon a replica that was killed must be replaced: calls are held no longer.
	deathLimit = 10 * time.Second
	// coldLimit is how many times longer a cold start may take while other functions are in
	// trouble, measured by what the engine needs meanwhile; coldRounds is how often it is.
	coldLimit, coldRounds = 1.5, 1
	// loadStart is how soon a provider with a thousand functions is healthy, loadList and
	// loadStatus how long it takes to list them and to tell of one.
	loadStart, loadList, loadStatus = soon, soon, soon
)
