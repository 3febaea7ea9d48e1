package function

import (
	"cmp"
	"time"
)

const (
	// defaultGrace is what Docker itself gives a container between SIGTERM and
	// SIGKILL.
	defaultGrace = 10 * time.Second
	// graceMargin keeps a watchdog that ends after exactly the time that it names
	// from being killed in the same moment.
	graceMargin = time.Second
	// longestGrace bounds it: no call is left by then, and a process that does not end keeps
	// its place on the machine.
	longestGrace = 15 * time.Minute
)

// DrainTimeout is how long the calls of a replica that is to be stopped may take:
// as long as one call of the function may at all. That is what its call policy
// says (PolicyTimeout), or else the longer of its watchdog's exec_timeout and
// write_timeout, or else otherwise.
func (s Settings) DrainTimeout(otherwise time.Duration) time.Duration {
	if policy, err := s.CallPolicy(); err == nil && policy.Timeout > 0 {
		return policy.Timeout
	}
	return cmp.Or(s.callTime(), otherwise)
}

// StopGrace is how long a replica gets between SIGTERM and SIGKILL. A watchdog
// that is told to end first sleeps for its healthcheck_interval, which is its
// write_timeout unless it is set, and then lets calls end for write_timeout; none
// is left then, so the longer of the two is enough, and 15 minutes always are. Without
// either it is ten seconds, as for Docker.
func (s Settings) StopGrace() time.Duration {
	if stated := max(s.duration(envWriteTimeout), s.duration(envHealthInterval)); stated > 0 {
		return min(stated+graceMargin, longestGrace)
	}
	return defaultGrace
}
