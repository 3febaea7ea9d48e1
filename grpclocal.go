package main

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
	"faas-docker/proxy"
)

// healthPoll is how often a health that is watched is looked at.
const healthPoll = time.Second

// localGRPC serves health and reflection to the gRPC calls that neither a route nor the
// call itself sends to a function; next serves all others.
func (p *provider) localGRPC(next http.Handler) http.Handler {
	local := grpc.NewServer()
	healthpb.RegisterHealthServer(local, grpcHealth{provider: p})
	reflection.Register(local)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if isLocalService(r.URL.Path) && !p.namesFunction(r) {
			local.ServeHTTP(w, r)
			return
		}
		next.ServeHTTP(w, r)
	})
}

func isLocalService(path string) bool {
	return strings.HasPrefix(path, "/grpc.health.v1.Health/") || strings.HasPrefix(path, "/grpc.reflection.")
}

// namesFunction reports whether a call asks for a function. Any host name with a dot
// looks like one, so it must be deployed, too.
func (p *provider) namesFunction(r *http.Request) bool {
	if r.Header.Get("X-Function") != "" {
		return true
	}
	_, err := p.store.Function(proxy.GRPCFunction(r, p.config.functionNamespace))
	return err == nil
}

// grpcHealth tells how the provider is, for the empty service, and how functions are,
// each by its name.
type grpcHealth struct {
	healthpb.UnimplementedHealthServer
	provider *provider
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
		case <-h.provider.stopping.Done():
			return grpcstatus.Error(codes.Unavailable, "faas-docker is stopping")
		}
	}
}

// state is that of the provider, or of a function. One that sleeps serves: it wakes
// when it is called.
func (h grpcHealth) state(ctx context.Context, service string) healthpb.HealthCheckResponse_ServingStatus {
	if service == "" {
		return serving(h.provider.engine.Ping(ctx) == nil)
	}
	s, err := h.provider.fleet.Status(function.ParseName(service, h.provider.config.functionNamespace))
	if err != nil {
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
