package handlers

import (
	"context"
	"encoding/binary"
	"errors"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/reflection"
	grpcstatus "google.golang.org/grpc/status"

	"faas-docker/function"
)

// healthPoll is how often a health that is watched is looked at.
const healthPoll = time.Second

// LocalGRPC serves health and reflection to the gRPC calls that neither a route nor the call
// itself sends to a function. All fields are required.
type LocalGRPC struct {
	// Next serves all other calls.
	Next http.Handler
	// Named returns the function that a call names beside its path; zero when it names none.
	Named func(*http.Request) function.Name
	// Status answers from memory. It returns an ErrNotFound for an unknown function.
	Status func(function.Name) (function.Status, error)
	// Closed reports whether a function cannot be called by its name from outside: it stays unknown.
	Closed func(function.Name) bool
	// Healthy returns nil while functions can be run and reached.
	Healthy func() error
	// DefaultNamespace is that of functions that are named without one.
	DefaultNamespace string
	// Stopping ends when the program stops to serve.
	Stopping context.Context
}

// Handler returns the handler of gRPC calls. It is called once.
func (l LocalGRPC) Handler() http.Handler {
	local := grpc.NewServer(grpc.MaxRecvMsgSize(longestAsk))
	healthpb.RegisterHealthServer(local, grpcHealth{local: l})
	reflection.Register(local)
	isLocal := func(r *http.Request) bool { return isLocalService(r.URL.Path) && !l.namesFunction(r) }
	return either(isLocal, boundAsks(local), l.Next)
}

const (
	// mostAsks is how many calls of health and reflection are under way at a time: a watch is one.
	mostAsks = 256
	// mostMessages is how many messages one of them may send, each of at most longestAsk bytes.
	mostMessages = 64
	longestAsk   = 4 << 10
	// askTimeout bounds the time in which a client sends them.
	askTimeout = time.Minute
)

// boundAsks keeps clients, who need no credentials, from taking the memory: grpc-go holds 16 KiB
// for each piece of a body that it reads, without a limit.
func boundAsks(next http.Handler) http.Handler {
	places := make(chan struct{}, mostAsks)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		select {
		case places <- struct{}{}:
			defer func() { <-places }()
		default:
			w.Header().Set("Content-Type", "application/grpc")
			w.Header().Set("Grpc-Status", strconv.Itoa(int(codes.ResourceExhausted)))
			w.Header().Set("Grpc-Message", "too many calls of health and reflection are under way: try again")
			return
		}
		if r.ProtoMajor == 2 { // else it would outlive the request
			_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(askTimeout))
		}
		r.Body = &wholeMessages{body: r.Body}
		next.ServeHTTP(w, r)
	})
}

var errTooMuchAsked = errors.New("a call of health or reflection sends at most 64 messages of 4 KiB")

// wholeMessages gives the messages of a gRPC call one by one, each in as few pieces as it can.
type wholeMessages struct {
	body  io.ReadCloser
	rest  []byte
	given int
}

func (m *wholeMessages) Read(p []byte) (int, error) {
	if len(m.rest) == 0 {
		if err := m.next(); err != nil {
			return 0, err
		}
	}
	n := copy(p, m.rest)
	m.rest = m.rest[n:]
	return n, nil
}

// next waits for a whole message: a byte that says how it is packed, four of its length, and it.
func (m *wholeMessages) next() error {
	var head [5]byte
	if _, err := io.ReadFull(m.body, head[:]); err != nil {
		return err
	}
	length := binary.BigEndian.Uint32(head[1:])
	if m.given++; m.given > mostMessages || length > longestAsk {
		return errTooMuchAsked
	}
	m.rest = append(head[:], make([]byte, length)...)
	_, err := io.ReadFull(m.body, m.rest[len(head):])
	return err
}

func (m *wholeMessages) Close() error { return m.body.Close() }

func isLocalService(path string) bool {
	return strings.HasPrefix(path, "/grpc.health.v1.Health/") || strings.HasPrefix(path, "/grpc.reflection.")
}

// namesFunction reports whether a call asks for a function. Any host name with a dot
// looks like one, so it must be deployed, too.
func (l LocalGRPC) namesFunction(r *http.Request) bool {
	if r.Header.Get("X-Function") != "" {
		return true
	}
	_, err := l.Status(l.Named(r))
	return err == nil
}

// grpcHealth tells how the provider is, for the empty service, and functions by their names.
type grpcHealth struct {
	healthpb.UnimplementedHealthServer
	local LocalGRPC
}

// Check answers for one moment.
func (h grpcHealth) Check(_ context.Context, request *healthpb.HealthCheckRequest) (*healthpb.HealthCheckResponse, error) {
	state := h.state(request.GetService())
	if state == healthpb.HealthCheckResponse_SERVICE_UNKNOWN {
		return nil, grpcstatus.Errorf(codes.NotFound, "function %q is not deployed", request.GetService())
	}
	return &healthpb.HealthCheckResponse{Status: state}, nil
}

// Watch answers now and whenever the answer changes.
func (h grpcHealth) Watch(request *healthpb.HealthCheckRequest, stream grpc.ServerStreamingServer[healthpb.HealthCheckResponse]) error {
	ticker := time.NewTicker(healthPoll)
	defer ticker.Stop()
	last := healthpb.HealthCheckResponse_UNKNOWN
	for {
		if state := h.state(request.GetService()); state != last {
			if err := stream.Send(&healthpb.HealthCheckResponse{Status: state}); err != nil {
				return err
			}
			last = state
		}
		select {
		case <-ticker.C:
		case <-stream.Context().Done():
			return grpcstatus.FromContextError(stream.Context().Err()).Err()
		case <-h.local.Stopping.Done():
			return grpcstatus.Error(codes.Unavailable, "faas-docker is stopping")
		}
	}
}

// state is that of the provider, or of a function. One that sleeps serves: it wakes
// when it is called.
func (h grpcHealth) state(service string) healthpb.HealthCheckResponse_ServingStatus {
	if service == "" {
		return serving(h.local.Healthy() == nil)
	}
	name := function.ParseName(service, h.local.DefaultNamespace)
	s, err := h.local.Status(name)
	if err != nil || h.local.Closed(name) {
		return healthpb.HealthCheckResponse_SERVICE_UNKNOWN
	}
	return serving(s.Available() > 0 || s.Replicas == 0)
}

func serving(yes bool) healthpb.HealthCheckResponse_ServingStatus {
	if yes {
		return healthpb.HealthCheckResponse_SERVING
	}
	return healthpb.HealthCheckResponse_NOT_SERVING
}
