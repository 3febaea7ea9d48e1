package function

import (
	"cmp"
	"errors"
	"time"
)

// ErrBusy: the function has as many calls in flight, and callers in line, as its policy allows.
var ErrBusy = errors.New("busy")

// The annotations, or labels, that shape how a function is invoked. Durations are written as
// in Go ("90s", "1m30s") or as a number of seconds.
const (
	// PolicyTimeout bounds the whole of an invocation, the wait for a replica
	// included; streams and upgraded connections, too.
	PolicyTimeout = "com.openfaas.call.timeout"
	// PolicyHeadTimeout bounds the wait for the head of the answer.
	PolicyHeadTimeout = "com.openfaas.call.head_timeout"
	// PolicyIdleTimeout bounds how long an answer that has begun, or an upgraded
	// connection, may be silent.
	PolicyIdleTimeout = "com.openfaas.call.idle_timeout"
	// PolicyMaxInFlight bounds the invocations that one replica has at a time.
	PolicyMaxInFlight = "com.openfaas.call.max_inflight"
	// PolicyMaxInFlightShort is what of-watchdog calls the same.
	PolicyMaxInFlightShort = "max_inflight"
	// PolicyMaxWaiting bounds the callers who wait in line for a replica.
	PolicyMaxWaiting = "com.openfaas.call.max_waiting"
	// PolicyMaxRequestBody bounds the body of a request: an amount such as "10Mi".
	PolicyMaxRequestBody = "com.openfaas.call.max_request_body"
	// PolicyProtocol names what the function speaks: "http1" or "h2c".
	PolicyProtocol = "com.openfaas.protocol"
)

// The protocols a function can speak.
const (
	ProtocolHTTP1 = "http1"
	// ProtocolH2C is HTTP/2 without TLS. Without being told, only gRPC calls use it.
	ProtocolH2C = "h2c"
)

// CallPolicy is how a function wants to be invoked. The zero value of each field
// means the provider's default, which for the limits is none.
type CallPolicy struct {
	// Timeout bounds the whole of an invocation, HeadTimeout the wait for the head of the
	// answer, and IdleTimeout how long an answer that has begun may be silent.
	Timeout, HeadTimeout, IdleTimeout time.Duration
	// MaxInFlight bounds the invocations that one replica has at a time, and MaxWaiting the
	// callers who wait in line for a replica.
	MaxInFlight, MaxWaiting int
	// Protocol is ProtocolHTTP1, ProtocolH2C or empty.
	Protocol string
	// MaxRequestBody bounds the body of a request, in bytes. Zero means as for any
	// function, and a negative one that there is no bound.
	MaxRequestBody int64
	// Policies wrap each call; nil means none.
	Policies *Policies
	// WatchdogTime is how long the function's own watchdog lets a call take, by its
	// environment; zero means that it does not say so.
	WatchdogTime time.Duration
	// HasWatchdog is set when a watchdog of OpenFaaS stands before the function's process.
	HasWatchdog bool
}

// CallPolicy reads the policy from the labels and annotations, and from the
// environment of a watchdog. What cannot be understood is an ErrInvalid that names it.
func (s Settings) CallPolicy() (CallPolicy, error) {
	m := s.spec.Metadata()
	p, err := callPolicy(m)
	if err != nil {
		return CallPolicy{}, err
	}
	if !m.Has(PolicyMaxInFlight, PolicyMaxInFlightShort) {
		p.MaxInFlight = s.maxInFlight()
	}
	p.WatchdogTime, p.HasWatchdog = s.callTime(), s.hasWatchdog()
	return p, nil
}

func callPolicy(m Metadata) (CallPolicy, error) {
	var p CallPolicy
	err := cmp.Or(
		m.duration(PolicyTimeout, &p.Timeout),
		m.duration(PolicyHeadTimeout, &p.HeadTimeout),
		m.duration(PolicyIdleTimeout, &p.IdleTimeout),
		m.count(PolicyMaxInFlightShort, &p.MaxInFlight),
		m.count(PolicyMaxInFlight, &p.MaxInFlight),
		m.count(PolicyMaxWaiting, &p.MaxWaiting),
		m.bytes(PolicyMaxRequestBody, &p.MaxRequestBody),
		m.text(PolicyProtocol, &p.Protocol, func(text string) bool {
			return text == "" || text == ProtocolHTTP1 || text == ProtocolH2C
		}, ProtocolHTTP1+" or "+ProtocolH2C),
	)
	if err == nil {
		p.Policies, err = readPolicies(m)
	}
	return p, err
}
