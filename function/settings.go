package function

import (
	"cmp"
	"net"
	"net/url"
	"slices"
	"time"
)

// DefaultPort is where functions of OpenFaaS listen.
const DefaultPort = 8080

// The environment variables by which OpenFaaS's watchdogs are told what to do. Those
// of the deployment count for more than those of the image.
const (
	envProcess        = "fprocess"
	envProcessLong    = "function_process"
	envMode           = "mode"
	envPort           = "port"
	envPortOfOthers   = "PORT"
	envExecTimeout    = "exec_timeout"
	envWriteTimeout   = "write_timeout"
	envHealthInterval = "healthcheck_interval"
	envMaxInFlight    = "max_inflight"
	envSuppressLock   = "suppress_lock"
	envUpstream       = "upstream_url"
	envUpstreamLong   = "http_upstream_url"
	envBuffer         = "buffer_http"
	envBufferLong     = "http_buffer_req_body"
)

// settingNames are the variables that Settings looks at.
func settingNames() []string {
	return []string{
		envProcess, envProcessLong, envMode, envPort, envPortOfOthers, envExecTimeout, envWriteTimeout,
		envHealthInterval, envMaxInFlight, envSuppressLock, envUpstream, envUpstreamLong, envBuffer, envBufferLong,
	}
}

// Settings are what a deployment and its image say together of how a function is run
// and called. They are the only place where a function's environment is looked at.
// Make them with Spec.With, or with the method of Function or Previous.
type Settings struct {
	spec  Spec
	image *ImageConfig
}

// With returns the settings of a deployment of an image; nil means that nothing is
// known of the image yet.
func (s Spec) With(image *ImageConfig) Settings { return Settings{spec: s, image: image} }

// Settings are those of the present deployment.
func (f Function) Settings() Settings { return f.With(f.ImageConfig) }

// Settings are those of the deployment that served before.
func (p Previous) Settings() Settings { return p.Spec.With(p.ImageConfig) }

// variable is what the function's process finds in its environment; empty when the
// variable is not there.
func (s Settings) variable(name string) string {
	if name == envProcess && s.spec.EnvProcess != "" {
		return s.spec.EnvProcess
	}
	if text, found := s.spec.EnvVars[name]; found {
		return text
	}
	if s.image == nil {
		return ""
	}
	return s.image.Env[name]
}

// duration reads a time as the watchdogs do: a Go duration, or whole seconds. Zero
// means that it is not there, or not a time, or no bound.
func (s Settings) duration(name string) time.Duration {
	d, _ := ParseDuration(s.variable(name)) // zero with an error
	return max(0, d)
}

func (s Settings) isTrue(name string) bool {
	text := s.variable(name)
	return text == "true" || text == "1"
}

// hasWatchdog reports whether a watchdog of OpenFaaS is told what to run.
func (s Settings) hasWatchdog() bool {
	return s.variable(envProcess) != "" || s.variable(envProcessLong) != "" ||
		slices.Contains([]string{"static", "inproc"}, s.variable(envMode))
}

// Port is where the function listens: what the variable port says, or without a
// watchdog the variable PORT or the only port that the image EXPOSEs, or else 8080.
func (s Settings) Port() int {
	port := parsePort(s.variable(envPort))
	if s.hasWatchdog() {
		return cmp.Or(port, DefaultPort)
	}
	exposed := 0
	if s.image != nil && len(s.image.Ports) == 1 {
		exposed = s.image.Ports[0]
	}
	return cmp.Or(port, parsePort(s.variable(envPortOfOthers)), exposed, DefaultPort)
}

// namedPorts are the ports that the image or the environment speak of, sorted.
func (s Settings) namedPorts() []int {
	var ports []int
	add := func(env map[string]string) {
		for name, value := range env {
			if port := portAtEnd(name, value); port > 0 {
				ports = append(ports, port)
			}
		}
	}
	add(s.spec.EnvVars)
	if s.image != nil {
		add(s.image.Env)
		ports = append(ports, s.image.Ports...)
	}
	return slices.Compact(slices.Sorted(slices.Values(ports)))
}

// callTime is how long a watchdog lets one call take: the longer of its exec_timeout
// and its write_timeout. Zero means that neither says so.
func (s Settings) callTime() time.Duration {
	return max(s.duration(envExecTimeout), s.duration(envWriteTimeout))
}

// maxInFlight is how many calls a watchdog takes at a time; zero means any number.
func (s Settings) maxInFlight() int {
	count, err := parseCount(s.variable(envMaxInFlight))
	if err != nil {
		return 0
	}
	return count
}

// Upstream is where a watchdog in its HTTP mode has the function's own process listen.
// The zero value means that there is no such process.
type Upstream struct {
	// Port is where it listens within the container.
	Port int
	// Buffers is set when the watchdog reads the whole of a request first.
	Buffers bool
	// Unknown is set for a process of which the environment says nothing, and the
	// watchdog has answered for it.
	Unknown bool
}

// upstream is zero, too, for a process that is not in the container.
func (s Settings) upstream() Upstream {
	address, err := url.Parse(cmp.Or(s.variable(envUpstreamLong), s.variable(envUpstream)))
	if s.variable(envMode) != "http" || err != nil || !isOwnHost(address.Hostname()) {
		return Upstream{}
	}
	port := 80
	if address.Port() != "" {
		port = parsePort(address.Port())
	}
	return Upstream{Port: port, Buffers: s.isTrue(envBuffer) || s.isTrue(envBufferLong)}
}

// isOwnHost reports whether a host name means the container itself.
func isOwnHost(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip.IsLoopback() || ip.IsUnspecified()
}

const (
	// defaultGrace is what Docker itself gives a container between SIGTERM and SIGKILL.
	defaultGrace = 10 * time.Second
	// graceMargin keeps a watchdog that ends after exactly the time that it names
	// from being killed in the same moment.
	graceMargin = time.Second
	// longestGrace bounds it: no call is left by then, and a process that does not end keeps
	// its place on the machine.
	longestGrace = 15 * time.Minute
)

// DrainTimeout is how long the calls of a replica that is to be stopped may take, as long as any
// call of the function: what its call policy says (PolicyTimeout), or else the longer of its
// watchdog's exec_timeout and write_timeout, or else otherwise.
func (s Settings) DrainTimeout(otherwise time.Duration) time.Duration {
	if policy, err := s.CallPolicy(); err == nil && policy.Timeout > 0 {
		return policy.Timeout
	}
	return cmp.Or(s.callTime(), otherwise)
}

// StopGrace is how long a replica gets between SIGTERM and SIGKILL. A watchdog that is told to
// end first sleeps for its healthcheck_interval, by default its write_timeout, and then lets
// calls end for write_timeout; none is left then, so the longer of the two is enough. Without
// either it is ten seconds, as for Docker, and never more than 15 minutes.
func (s Settings) StopGrace() time.Duration {
	if stated := max(s.duration(envWriteTimeout), s.duration(envHealthInterval)); stated > 0 {
		return min(stated+graceMargin, longestGrace)
	}
	return defaultGrace
}
