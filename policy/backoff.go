package policy

import (
	"math"
	"math/rand/v2"
	"net/http"
	"strconv"
	"strings"
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

// retryAfter is how long an answer asks its client to wait; zero when it does not, or says
// nothing that can be understood. No time is too long to be understood.
func retryAfter(answer Answer, now time.Time) time.Duration {
	text := strings.TrimSpace(answer.Field("Retry-After"))
	if isNumber(text) {
		// Of a number of digits only a range error is possible; it is infinite then.
		seconds, _ := strconv.ParseFloat(text, 64)
		if seconds >= math.MaxInt64/float64(time.Second) {
			return math.MaxInt64
		}
		return time.Duration(math.Ceil(seconds * float64(time.Second)))
	}
	at, err := http.ParseTime(text)
	if err != nil {
		return 0
	}
	return max(0, at.Sub(now))
}

// isNumber reports whether a text is a number without a sign, perhaps with a fraction.
func isNumber(text string) bool {
	whole, fraction, dot := strings.Cut(text, ".")
	return isDigits(whole) && (!dot || isDigits(fraction))
}

func isDigits(text string) bool {
	return text != "" && strings.Trim(text, "0123456789") == ""
}
