package fleet

import "time"

const (
	firstPause = 250 * time.Millisecond
	longPause  = time.Minute
	// forgiven is how long after a failure the next one counts as the first again.
	forgiven = 10 * time.Minute
	// provenLife is how long a replica has to live to have been started in order.
	provenLife = 10 * time.Second
)

// backoff spaces the attempts of one function after failures: the first is tried
// again at once, then after 250 ms, doubling up to a minute. The zero value has
// seen no failure.
type backoff struct {
	failures  int
	last      time.Time
	notBefore time.Time
	// pardoned is when it was last found that what a start needs had been removed.
	pardoned time.Time
}

// fail records a failure and returns how long to pause. lived is how long the
// replica had run, zero if it never did: one that lived longer than provenLife, and than the pause
// it would cost, did not fail to start, so its successor is started at once.
func (b *backoff) fail(now time.Time, lived time.Duration) time.Duration {
	if now.Sub(b.last) > forgiven || lived > max(provenLife, pauseAfter(b.failures+1)) {
		b.failures = 0
	}
	b.failures++
	b.last = now
	pause := pauseAfter(b.failures)
	b.notBefore = now.Add(pause)
	return pause
}

// pardon reports whether a start that failed because its image had been removed is no
// failure of the function: once a minute.
func (b *backoff) pardon(now time.Time) bool {
	if now.Sub(b.pardoned) < longPause {
		return false
	}
	b.pardoned = now
	return true
}

func pauseAfter(failures int) time.Duration {
	if failures <= 1 {
		return 0
	}
	doublings := min(failures-2, 10)
	return min(firstPause<<doublings, longPause)
}
