package policy

import (
	"math/rand/v2"
	"net/http"
	"strconv"
	"time"
)

// backoff is the pause before another try: anything from nothing to a bound that
// doubles with each try (full jitter), so that callers who failed together do not
// come back together.
func backoff(base, limit time.Duration, tries int) time.Duration {
	bound := limit
	if shift := tries - 1; shift < 30 && base<<shift>>shift == base {
		bound = min(limit, base<<shift)
	}
	return rand.N(bound + 1)
}

// retryAfter is how long an answer asks its client to wait; zero when it does not.
func retryAfter(answer Answer, now time.Time) time.Duration {
	text := answer.Field("Retry-After")
	if text == "" {
		return 0
	}
	if seconds, err := strconv.ParseUint(text, 10, 31); err == nil {
		return time.Duration(seconds) * time.Second
	}
	at, err := http.ParseTime(text)
	if err != nil {
		return 0
	}
	return max(0, at.Sub(now))
}
