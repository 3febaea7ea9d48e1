package proxy

import (
	"encoding/base64"
	"fmt"
	"math"
	"net/http"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"faas-docker/function"
	"faas-docker/grammar"
)

// parseGRPCTarget finds the function of a gRPC call whose path does not name it.
func parseGRPCTarget(r *http.Request, defaultNamespace string) (target, error) {
	t := target{path: requestTarget(r), name: GRPCFunction(r, defaultNamespace)}
	if t.name.IsZero() {
		return target{}, errNoFunction
	}
	if !isVisible(t.path) || !isHost(r.Host) {
		return target{}, errBadTarget
	}
	return t, nil
}

// nameInAuthority reads "figlet.openfaas-fn", with anything after a further dot
// and any port; the zero Name when the authority names no function.
func nameInAuthority(authority string) function.Name {
	host, _, _ := strings.Cut(authority, ":")
	if _, err := netip.ParseAddr(host); err == nil {
		return function.Name{}
	}
	name, rest, found := strings.Cut(host, ".")
	namespace, _, _ := strings.Cut(rest, ".")
	if !found || !isFunctionName(name) || !isFunctionName(namespace) {
		return function.Name{}
	}
	return function.Name{Name: name, Namespace: namespace}
}

// failGRPC answers with a status and nothing else, as gRPC clients understand it.
func (c *client) failGRPC(answer refusal) {
	status := answer.status
	if status == nil {
		status = &GRPCStatus{Code: uint32(grpcStatus(answer.code)), Message: function.Clip(answer.text)}
	}
	header := c.w.Header()
	header.Set("Content-Type", "application/grpc")
	header.Set("Grpc-Status", strconv.FormatUint(uint64(status.Code), 10))
	header.Set("Grpc-Message", grpcMessage(status.Message))
	if len(status.Details) > 0 {
		header.Set("Grpc-Status-Details-Bin", base64.RawStdEncoding.EncodeToString(status.Details))
	}
	header.Set("X-OpenFaaS-Internal", "proxy")
	c.begin(http.StatusOK)
}

// setGRPCTrailers ends an answer that broke off with a status: a reset, which other clients get, would
// reach gRPC's as an internal error, which they do not retry.
func (c *client) setGRPCTrailers(code int, text string) {
	header := c.w.Header()
	header.Set(http.TrailerPrefix+"Grpc-Status", strconv.Itoa(grpcStatus(code)))
	header.Set(http.TrailerPrefix+"Grpc-Message", grpcMessage(function.Clip(text)))
}

// grpcStatus maps an HTTP status to gRPC's as gRPC's own clients would (http-grpc-status-mapping.md),
// but tells a call that was too slow, and one that was too large, from the rest.
func grpcStatus(code int) int {
	const (
		invalidArgument   = 3
		deadlineExceeded  = 4
		resourceExhausted = 8
		unimplemented     = 12
		unavailable       = 14
	)
	switch code {
	case http.StatusBadRequest:
		return invalidArgument
	case http.StatusGatewayTimeout, http.StatusRequestTimeout:
		return deadlineExceeded
	case http.StatusRequestEntityTooLarge, http.StatusTooManyRequests, http.StatusRequestHeaderFieldsTooLarge:
		return resourceExhausted
	case http.StatusNotFound, http.StatusMethodNotAllowed:
		return unimplemented
	}
	return unavailable
}

// grpcMessage encodes a text as gRPC wants it in a header.
func grpcMessage(text string) string {
	var b strings.Builder
	for _, c := range []byte(text) {
		if c < ' ' || c > '~' || c == '%' {
			fmt.Fprintf(&b, "%%%02X", c)
			continue
		}
		b.WriteByte(c)
	}
	return b.String()
}

// pastGRPCDeadline reports whether the deadline that a gRPC call carries has passed. The function knows
// it, too, and ends the stream a moment later: that is not its death.
func (c *call) pastGRPCDeadline() bool {
	timeout, ok := grpcTimeout(c.r.Header.Get("Grpc-Timeout"))
	return ok && grammar.IsGRPC(c.r) && time.Since(c.began) >= timeout
}

// grpcTimeout reads the header of gRPC's HTTP/2 protocol: up to eight digits and a unit.
func grpcTimeout(text string) (time.Duration, bool) {
	if len(text) < 2 || len(text) > 9 {
		return 0, false
	}
	unit, ok := map[byte]time.Duration{
		'H': time.Hour, 'M': time.Minute, 'S': time.Second,
		'm': time.Millisecond, 'u': time.Microsecond, 'n': time.Nanosecond,
	}[text[len(text)-1]]
	count, err := strconv.ParseUint(text[:len(text)-1], 10, 32)
	if !ok || err != nil || time.Duration(count) > math.MaxInt64/unit {
		return 0, false
	}
	return time.Duration(count) * unit, true
}
