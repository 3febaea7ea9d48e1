package function

import (
	"errors"
	"fmt"
	"strconv"
	"time"
)

// ErrBusy: the function has as many invocations in flight, and callers in line,
// as its policy allows.
var ErrBusy = errors.New("busy")

// The labels or annotations that shape how a function is invoked. When both
// carry a key, the annotation counts. Durations are written as in Go ("90s",
// "1m30s") or as a number of seconds.
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
	// Timeout bounds the whole of an invocation.
	Timeout time.Duration
	// HeadTimeout bounds the wait for the head of the answer.
	HeadTimeout time.Duration
	// IdleTimeout bounds how long an answer that has begun may be silent.
	IdleTimeout time.Duration
	// MaxInFlight bounds the invocations that one replica has at a time.
	MaxInFlight int
	// MaxWaiting bounds the callers who wait in line for a replica.
	MaxWaiting int
	// Protocol is ProtocolHTTP1, ProtocolH2C or empty.
	Protocol string
	// MaxRequestBody bounds the body of a request, in bytes. Zero means as for any
	// function, and a negative one that there is no bound.
	MaxRequestBody int64
	// Policies are what is done around each call; nil means nothing.
	Policies *Policies
}

// CallPolicy reads the policy from the labels and annotations. What cannot be
// understood is an ErrInvalid that names it.
func (s Spec) CallPolicy() (CallPolicy, error) {
	var p CallPolicy
	for _, read := range []func() error{
		func() error { return s.policyDuration(PolicyTimeout, &p.Timeout) },
		func() error { return s.policyDuration(PolicyHeadTimeout, &p.HeadTimeout) },
		func() error { return s.policyDuration(PolicyIdleTimeout, &p.IdleTimeout) },
		func() error { return s.policyCount(PolicyMaxInFlightShort, &p.MaxInFlight) },
		func() error { return s.policyCount(PolicyMaxInFlight, &p.MaxInFlight) },
		func() error { return s.policyCount(PolicyMaxWaiting, &p.MaxWaiting) },
		func() error { return s.policyBytes(PolicyMaxRequestBody, &p.MaxRequestBody) },
		func() error { return s.policyProtocol(&p.Protocol) },
		func() (err error) { p.Policies, err = s.policies(); return err },
	} {
		if err := read(); err != nil {
			return CallPolicy{}, err
		}
	}
	return p, nil
}

// policyText finds a key among the annotations, then among the labels, and names
// the field for those who have to correct it.
func (s Spec) policyText(key string) (text, field string, found bool) {
	if text, found = s.Annotations[key]; found {
		return text, fmt.Sprintf("annotations[%q]", key), true
	}
	text, found = s.Labels[key]
	return text, fmt.Sprintf("labels[%q]", key), found
}

func (s Spec) policyDuration(key string, d *time.Duration) error {
	text, field, found := s.policyText(key)
	if !found {
		return nil
	}
	parsed, err := time.ParseDuration(text)
	if seconds, notSeconds := strconv.ParseUint(text, 10, 31); notSeconds == nil {
		parsed, err = time.Duration(seconds)*time.Second, nil
	}
	if err != nil || parsed < 0 {
		return Invalid(field, "%q: want a duration such as 90s or 1m30s, or a number of seconds; 0 means the default", text)
	}
	*d = parsed
	return nil
}

func (s Spec) policyCount(key string, n *int) error {
	text, field, found := s.policyText(key)
	if !found {
		return nil
	}
	parsed, err := strconv.ParseUint(text, 10, 31)
	if err != nil {
		return Invalid(field, "%q: want a whole number; 0 means no limit", text)
	}
	*n = int(parsed)
	return nil
}

func (s Spec) policyBytes(key string, n *int64) error {
	text, field, found := s.policyText(key)
	if !found {
		return nil
	}
	if text == "0" {
		*n = -1
		return nil
	}
	parsed, err := ParseMemory(text)
	if err != nil {
		return Invalid(field, "%q: want an amount such as 512Ki or 10Mi; 0 means no limit", text)
	}
	*n = parsed
	return nil
}

func (s Spec) policyProtocol(protocol *string) error {
	text, field, found := s.policyText(PolicyProtocol)
	if !found || text == "" {
		return nil
	}
	if text != ProtocolHTTP1 && text != ProtocolH2C {
		return Invalid(field, "%q: want %s or %s", text, ProtocolHTTP1, ProtocolH2C)
	}
	*protocol = text
	return nil
}
