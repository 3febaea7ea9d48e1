package queue

import (
	"math"
	"net/http"
	"slices"
	"strconv"
	"time"
)

// Retries say how often a call is repeated that has failed, and when. The names and the defaults are those of
// OpenFaaS Pro's queue-worker. The zero value repeats nothing.
type Retries struct {
	// Attempts is how often at most; the first try does not count.
	Attempts int
	// Codes are the statuses that are a failure which may pass; with AllCodes all are that, but for 2xx.
	Codes    []int
	AllCodes bool
	// MinWait is the pause before the first repeat. Each further one is twice as long, up to MaxWait.
	MinWait, MaxWait time.Duration
	// Jitter says how much of a pause is left to chance.
	Jitter Jitter
}

// DefaultRetries are those of a function that says nothing.
func DefaultRetries() Retries {
	return Retries{
		Attempts: 10,
		Codes:    []int{http.StatusTooManyRequests, http.StatusBadGateway, http.StatusInternalServerError, http.StatusServiceUnavailable, http.StatusGatewayTimeout, http.StatusRequestTimeout},
		MinWait:  10 * time.Second,
		MaxWait:  2 * time.Minute,
		Jitter:   FullJitter,
	}
}

// Jitter says how much of a pause is left to chance.
type Jitter int

// The kinds of Jitter.
const (
	// NoJitter pauses are as long as they are computed.
	NoJitter Jitter = iota
	// EqualJitter pauses are between half of that and all of it.
	EqualJitter
	// FullJitter pauses are anything up to that.
	FullJitter
)

// MaxRetryAfter bounds what a Retry-After can ask for.
const MaxRetryAfter = 24 * time.Hour

// Outcome is how one try went. The zero value is a function that did not answer.
type Outcome struct {
	// Status is what was answered; 0 when nothing was.
	Status int
	// RetryAfter is the header of that name; empty for none.
	RetryAfter string
	// IsOurs is set when the answer is the provider's, and not the function's: it may pass unless it says that
	// the call itself is wrong.
	IsOurs bool
	// IsFinal is set when no other try can succeed, as for a function that was deleted.
	IsFinal bool
}

// Next says what becomes of a call after a try, which Tries has counted: Done, Dead, or Ready at a time.
// chance is between 0 and 1, and decides the jitter.
func (r Retries) Next(tries int, o Outcome, now time.Time, chance float64) (State, time.Time) {
	failed := o.IsOurs || o.Status == 0 || r.mayPass(o.Status)
	switch {
	case !o.IsFinal && !failed && o.Status < 400:
		return Done, now
	case o.IsFinal, !failed, o.isPermanent(), tries > r.Attempts:
		return Dead, now
	}
	if asked, ok := o.asksFor(now); ok {
		return Ready, now.Add(min(max(asked, r.MinWait), MaxRetryAfter))
	}
	return Ready, now.Add(r.pause(tries, chance))
}

// mayPass reports whether a status is a failure that may pass.
func (r Retries) mayPass(status int) bool {
	return slices.Contains(r.Codes, status) || r.AllCodes && status/100 != 2
}

// isPermanent reports whether the provider would refuse the call again.
func (o Outcome) isPermanent() bool {
	return o.IsOurs && o.Status/100 == 4 && o.Status != http.StatusRequestTimeout && o.Status != http.StatusTooManyRequests
}

// pause is the one before the repeat that follows so many tries.
func (r Retries) pause(tries int, chance float64) time.Duration {
	most := max(r.MaxWait, r.MinWait)
	whole := most
	if doublings := tries - 1; doublings < 63 && r.MinWait <= math.MaxInt64>>doublings {
		whole = min(r.MinWait<<doublings, most)
	}
	switch r.Jitter {
	case EqualJitter:
		return whole/2 + time.Duration(chance*float64(whole/2))
	case FullJitter:
		return time.Duration(chance * float64(whole))
	}
	return whole
}

// asksFor reads the pause that a busy function has asked for (RFC 9110, 10.2.3).
func (o Outcome) asksFor(now time.Time) (time.Duration, bool) {
	if o.Status != http.StatusTooManyRequests && o.Status != http.StatusServiceUnavailable {
		return 0, false
	}
	if seconds, err := strconv.ParseUint(o.RetryAfter, 10, 31); err == nil {
		return time.Duration(seconds) * time.Second, true
	}
	at, err := http.ParseTime(o.RetryAfter)
	return at.Sub(now), err == nil
}
