package function

import (
	"cmp"
	"fmt"
	"strings"
	"time"
)

// The prefixes of the annotations, or labels, that say how replicas are asked whether
// they are ready for calls, and whether those that run still answer. Times are seconds,
// or Go durations; 0 means the default.
const (
	HealthPrefix = "com.openfaas.health.http."
	ReadyPrefix  = "com.openfaas.ready.http."
)

// What follows a prefix. Any of them switches that check on.
const (
	// ProbePath is requested, and must answer with 2xx or 3xx; without it /_/health, with
	// anything but 503. The one for health counts for readiness too, unless that has its own.
	ProbePath = "path"
	// ProbeHost is the Host that is sent, in place of localhost.
	ProbeHost = "host"
	// ProbeDelay, or ProbeDelaySeconds, is how long a replica is not asked: whether it is
	// ready since its start, and for its health since it was first ready. By default that
	// is no time, and one period.
	ProbeDelay        = "initialDelay"
	ProbeDelaySeconds = "initialDelaySeconds"
	// ProbePeriod is the time between two checks: by default 2 s.
	ProbePeriod = "periodSeconds"
	// ProbeTimeout is how long the answer may take: by default 1 s.
	ProbeTimeout = "timeoutSeconds"
	// ProbeFailures is how many checks in a row have to fail before the replica is
	// replaced, or takes no calls until it is ready again: by default 3.
	ProbeFailures = "failureThreshold"
	// ProbeSuccesses is how many checks in a row have to succeed until it is ready: by default 1.
	ProbeSuccesses = "successThreshold"
)

// The annotations that are used most.
const (
	AnnotationHealthPath     = HealthPrefix + ProbePath
	AnnotationHealthPeriod   = HealthPrefix + ProbePeriod
	AnnotationHealthFailures = HealthPrefix + ProbeFailures
	AnnotationReadyPath      = ReadyPrefix + ProbePath
)

// Probe is how a replica is asked one thing.
type Probe struct {
	// Wanted is set when the function asks for the check while a replica runs.
	Wanted bool
	// Path is the one that must answer with 2xx or 3xx; empty means that the watchdogs' own,
	// /_/health, may answer with anything but 503. Host is the Host that is sent.
	Path, Host string
	// PortSuffices is set when a watchdog's own paths may answer with 503 too: without its
	// lock file it says nothing else.
	PortSuffices bool
	// Delay is the time before the first check, Period that between two, and Timeout bounds one.
	Delay, Period, Timeout time.Duration
	// Paced is set when the function names the Period.
	Paced bool
	// Failures and Successes in a row change whether the replica counts as well.
	Failures, Successes int
}

// Patience is how long a replica may fail to answer before it is replaced.
func (p Probe) Patience() time.Duration { return time.Duration(p.Failures) * p.Period }

// Readiness is how a replica is asked whether it is ready for calls.
type Readiness struct {
	Probe
	// Upstream is the process that a watchdog waits for.
	Upstream Upstream
	// Ports are those that the image or the environment speak of, sorted.
	Ports []int
}

// HealthCheck reads how a running replica is asked whether it still answers. What
// cannot be used is an ErrInvalid that names it, and comes with the defaults.
func (s Settings) HealthCheck() (Probe, error) {
	check := s.defaultProbe()
	read, err := readProbe(s.spec.Metadata(), HealthPrefix, check)
	if err != nil {
		return check, err
	}
	if read.Successes != 1 {
		_, field, _ := s.spec.Metadata().Find(HealthPrefix + ProbeSuccesses)
		return check, Invalid(field, "%q: want 1: a replica that runs is healthy when it answers once", fmt.Sprint(read.Successes))
	}
	read.Delay = cmp.Or(read.Delay, read.Period)
	return read, nil
}

// Readiness reads how a replica is asked whether it is ready for calls, like
// HealthCheck.
func (s Settings) Readiness() (Readiness, error) {
	ready := Readiness{Probe: s.defaultProbe(), Upstream: s.upstream(), Ports: s.namedPorts()}
	health, err := readProbe(s.spec.Metadata(), HealthPrefix, ready.Probe)
	if err != nil {
		return ready, err
	}
	inherited := ready.Probe
	inherited.Path, inherited.Host = health.Path, health.Host
	read, err := readProbe(s.spec.Metadata(), ReadyPrefix, inherited)
	if err == nil {
		ready.Probe = read
	}
	return ready, err
}

func (s Settings) defaultProbe() Probe {
	return Probe{
		Host: "localhost", PortSuffices: s.isTrue(envSuppressLock),
		Period: 2 * time.Second, Timeout: time.Second, Failures: 3, Successes: 1,
	}
}

// shortestPeriod is the pause between two probes at least: they take processor time from calls.
const shortestPeriod = 100 * time.Millisecond

// readProbe reads the settings with a prefix, over the defaults.
func readProbe(m Metadata, prefix string, defaults Probe) (Probe, error) {
	p := defaults
	err := cmp.Or(
		m.text(prefix+ProbePath, &p.Path, isPath, "a path that begins with / and has no spaces"),
		m.text(prefix+ProbeHost, &p.Host, isHost, "a host such as localhost or shop.example.org"),
		m.duration(prefix+ProbeDelay, &p.Delay),
		m.duration(prefix+ProbeDelaySeconds, &p.Delay),
		m.duration(prefix+ProbePeriod, &p.Period),
		m.duration(prefix+ProbeTimeout, &p.Timeout),
		m.count(prefix+ProbeFailures, &p.Failures),
		m.count(prefix+ProbeSuccesses, &p.Successes),
	)
	if err != nil {
		return defaults, err
	}
	p.Wanted = m.Has(probeKeys(prefix)...)
	p.Paced = m.Has(prefix+ProbePeriod) && p.Period > 0
	p.Period, p.Timeout = max(cmp.Or(p.Period, defaults.Period), shortestPeriod), cmp.Or(p.Timeout, defaults.Timeout)
	p.Failures, p.Successes = cmp.Or(p.Failures, defaults.Failures), cmp.Or(p.Successes, defaults.Successes)
	return p, nil
}

// probeKeys are the known keys with a prefix.
func probeKeys(prefix string) []string {
	keys := []string{ProbePath, ProbeHost, ProbeDelay, ProbeDelaySeconds, ProbePeriod, ProbeTimeout, ProbeFailures, ProbeSuccesses}
	for i := range keys {
		keys[i] = prefix + keys[i]
	}
	return keys
}

// validateProbes refuses probes that cannot be used.
func (s Spec) validateProbes() error {
	return cmp.Or(errorOf(s.With(nil).HealthCheck()), errorOf(s.With(nil).Readiness()))
}

func isPath(text string) bool {
	return strings.HasPrefix(text, "/") && !strings.ContainsFunc(text, isSpaceOrControl)
}

func isHost(text string) bool {
	return text != "" && !strings.ContainsFunc(text, isSpaceOrControl) && !strings.ContainsAny(text, "/@?#\\,")
}

func isSpaceOrControl(c rune) bool { return c <= ' ' || c == 0x7f }
