package handlers

import (
	"context"
	"net/http"
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
	// Healthy reports whether functions can be run and reached.
	Healthy func(context.Context) bool
	// DefaultNamespace is that of functions that are named without one.
	DefaultNamespace string
	// Stopping ends when the program stops to serve.
	Stopping context.Context
}

// Handler returns the handler of gRPC calls. It is called once.
func (l LocalGRPC) Handler() http.Handler {
	local := grpc.NewServer()
	healthpb.RegisterHealthServer(local, grpcHealth{local: l})
	reflection.Register(local)
	isLocal := func(r *http.Request) bool { return isLocalService(r.URL.Path) && !l.namesFunction(r) }
	return either(isLocal, local, l.Next)
}

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
func (h grpcHealth) Check(ctx context.Context, request *healthpb.HealthCheckRequest) (*healthpb.HealthCheckResponse, error) {
	state := h.state(ctx, request.GetService())
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
		if state := h.state(stream.Context(), request.GetService()); state != last {
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
func (h grpcHealth) state(ctx context.Context, service string) healthpb.HealthCheckResponse_ServingStatus {
	if service == "" {
		return serving(h.local.Healthy(ctx))
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
