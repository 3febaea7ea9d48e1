//go:build !long

package e2e

// What the tests of promises about time hold the provider to: in the short version,
// which shares a small machine with other tests, only to their coming true.
const (
	// alone is set when tests that measure times run one after the other.
	alone = false
	// faultStride is at which calls to the engine the provider is killed.
	faultStride = 5
	// faultLimit is how soon all must be well after a restart.
	faultLimit = soon
	// burstLimit is how soon ten replicas must be ready, unless the engine is slow.
	burstLimit = soon
	// deathLimit is how soon a replica that was killed must be replaced: half of the time
	// that is given to what has no limit of its own.
	deathLimit = soon / 2
	// coldLimit is how many times longer a cold start may take while other functions
	// are in trouble, when the test is alone.
	coldLimit = 1.5
	// loadStart is how soon a provider with a thousand functions is healthy, loadList and
	// loadStatus how long it takes to list them and to tell of one.
	loadStart, loadList, loadStatus = soon, soon, soon
)
