package function

import (
	"strings"
	"time"
)

// The annotations, or labels, that say how a running replica is asked whether it
// still answers. Any of them switches the check on. Times are seconds, or Go
// durations; 0 means the default.
const (
	// AnnotationHealthPath is requested to find out whether a replica is ready and
	// whether it still answers; without it /_/health is.
	AnnotationHealthPath = "com.openfaas.health.http.path"
	// AnnotationHealthDelay is how long after a replica was first ready it is asked
	// for the first time: by default after one period.
	AnnotationHealthDelay = "com.openfaas.health.http.initialDelaySeconds"
	// AnnotationHealthPeriod is the time between two checks: by default 2 s.
	AnnotationHealthPeriod = "com.openfaas.health.http.periodSeconds"
	// AnnotationHealthTimeout is how long the answer may take: by default 1 s.
	AnnotationHealthTimeout = "com.openfaas.health.http.timeoutSeconds"
	// AnnotationHealthFailures is how many checks in a row have to fail before the
	// replica is replaced: by default 3.
	AnnotationHealthFailures = "com.openfaas.health.http.failureThreshold"
	// AnnotationReadyPath is requested instead of AnnotationHealthPath to find out
	// whether a replica is ready.
	AnnotationReadyPath = "com.openfaas.ready.http.path"
)

// HealthCheck is how a running replica is asked whether it still answers.
type HealthCheck struct {
	// Wanted is set when the function asks for the check.
	Wanted bool
	// Path is the one that must answer 2xx. Empty means that the watchdogs' own,
	// /_/health, may answer anything but 503.
	Path string
	// Delay is the time from ready to the first check.
	Delay time.Duration
	// Period is the time between two checks.
	Period time.Duration
	// Timeout bounds one check.
	Timeout time.Duration
	// Failures in a row mean that the replica is to be replaced.
	Failures int
}

// Patience is how long a replica may fail to answer before it is replaced.
func (h HealthCheck) Patience() time.Duration { return time.Duration(h.Failures) * h.Period }

// HealthCheck reads the check from the annotations. What cannot be used is an
// ErrInvalid that names it; what is returned with it are the defaults.
func (s Spec) HealthCheck() (HealthCheck, error) {
	defaults := HealthCheck{Delay: 2 * time.Second, Period: 2 * time.Second, Timeout: time.Second, Failures: 3}
	var check HealthCheck
	for _, read := range []func() error{
		func() error { return s.healthPath(AnnotationHealthPath, &check.Path) },
		func() error { return s.healthPath(AnnotationReadyPath, new(string)) },
		func() error { return s.policyDuration(AnnotationHealthDelay, &check.Delay) },
		func() error { return s.policyDuration(AnnotationHealthPeriod, &check.Period) },
		func() error { return s.policyDuration(AnnotationHealthTimeout, &check.Timeout) },
		func() error { return s.policyCount(AnnotationHealthFailures, &check.Failures) },
	} {
		if err := read(); err != nil {
			return defaults, err
		}
	}
	check.Wanted = s.wantsHealthCheck()
	if check.Period <= 0 {
		check.Period = defaults.Period
	}
	if check.Timeout <= 0 {
		check.Timeout = defaults.Timeout
	}
	if check.Failures <= 0 {
		check.Failures = defaults.Failures
	}
	if check.Delay <= 0 {
		check.Delay = check.Period
	}
	return check, nil
}

// wantsHealthCheck reports whether any of its annotations is there, be it with the
// value that means the default.
func (s Spec) wantsHealthCheck() bool {
	for _, key := range []string{AnnotationHealthPath, AnnotationHealthDelay, AnnotationHealthPeriod, AnnotationHealthTimeout, AnnotationHealthFailures} {
		if _, _, found := s.policyText(key); found {
			return true
		}
	}
	return false
}

// ReadyPath is requested to find out whether a replica is ready; empty means that
// the function names none.
func (s Spec) ReadyPath() string {
	for _, key := range []string{AnnotationReadyPath, AnnotationHealthPath} {
		if path, _, found := s.policyText(key); found {
			return path
		}
	}
	return ""
}

func (s Spec) healthPath(key string, path *string) error {
	text, field, found := s.policyText(key)
	if !found {
		return nil
	}
	if !strings.HasPrefix(text, "/") || strings.ContainsFunc(text, isSpaceOrControl) {
		return Invalid(field, "%q: want a path that begins with / and has no spaces", text)
	}
	*path = text
	return nil
}

func isSpaceOrControl(c rune) bool { return c <= ' ' || c == 0x7f }
