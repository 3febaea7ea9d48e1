package e2e

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	testpb "google.golang.org/grpc/interop/grpc_testing"
	reflectionpb "google.golang.org/grpc/reflection/grpc_reflection_v1"
	grpcstatus "google.golang.org/grpc/status"
)

// dialGRPC connects to the provider; every call asks for the host.
func (h *host) dialGRPC(t testing.TB, host string) *grpc.ClientConn {
	t.Helper()
	cc, err := grpc.NewClient("passthrough:///"+strings.TrimPrefix(h.url, "http://"), grpc.WithTransportCredentials(insecure.NewCredentials()), grpc.WithAuthority(host))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cc.Close() })
	return cc
}

func TestRoutesGRPC_AMethodsPathLeadsToItsFunction(t *testing.T) {
	t.Parallel()
	h := patient(t)
	first, second := h.talker(t), h.talker(t)
	host := h.route(t, first, `
		$id: $host && Path("/grpc.testing.TestService/*method") -> accessLog() -> setRequestHeader("x-routed", "yes") -> tee("function:`+second+`") -> $to;
		$id.no: $host && Path("/grpc.testing.TestService/UnimplementedCall") -> abort(1, 404) -> $to`)
	ctx, cancel := context.WithTimeout(t.Context(), soon)
	defer cancel()
	client := testpb.NewTestServiceClient(h.dialGRPC(t, host))
	if _, err := client.EmptyCall(ctx, &testpb.Empty{}); err != nil {
		t.Fatal(err)
	}
	answer, err := client.UnaryCall(ctx, &testpb.SimpleRequest{ResponseSize: 100000, Payload: &testpb.Payload{Body: make([]byte, 50000)}})
	if err != nil || len(answer.GetPayload().GetBody()) != 100000 {
		t.Errorf("got %d bytes, %v", len(answer.GetPayload().GetBody()), err)
	}
	if _, err := client.UnaryCall(ctx, &testpb.SimpleRequest{ResponseStatus: &testpb.EchoStatus{Code: 5, Message: "told so"}}); grpcstatus.Code(err) != codes.NotFound || grpcstatus.Convert(err).Message() != "told so" {
		t.Errorf("the status came back as %v", err)
	}
	if _, err := client.UnimplementedCall(ctx, &testpb.Empty{}); grpcstatus.Code(err) != codes.Unimplemented {
		t.Errorf("the route refused with %v", err)
	}
	pingPong(t, ctx, client)
	const unary = "/grpc.testing.TestService/"
	want := []string{unary + "EmptyCall", unary + "UnaryCall", unary + "UnaryCall"}
	if got := h.heard(t, first); !slices.Equal(got, want) {
		t.Errorf("the first function heard %q", got)
	}
	eventually(t, "the unary calls were copied", func() (bool, string) {
		got := h.heard(t, second)
		slices.Sort(got)
		return slices.Equal(got, want), fmt.Sprint(got)
	})
}

// pingPong needs both directions at once: each message is sent after an answer.
func pingPong(t *testing.T, ctx context.Context, client testpb.TestServiceClient) {
	t.Helper()
	stream, err := client.FullDuplexCall(ctx)
	if err != nil {
		t.Fatal(err)
	}
	for size := int32(1); size < 5; size++ {
		if err := stream.Send(&testpb.StreamingOutputCallRequest{ResponseParameters: []*testpb.ResponseParameters{{Size: size}}}); err != nil {
			t.Fatal(err)
		}
		if got, err := stream.Recv(); err != nil || len(got.GetPayload().GetBody()) != int(size) {
			t.Fatalf("got %v, %v", got, err)
		}
	}
	if err := stream.CloseSend(); err != nil {
		t.Fatal(err)
	}
	if _, err := stream.Recv(); err != io.EOF {
		t.Errorf("the stream ended with %v", err)
	}
}

func TestRoutesGRPC_TheEndOfACallReachesTheFunction(t *testing.T) {
	t.Parallel()
	h := patient(t)
	name := h.talker(t)
	host := h.route(t, name, `$id: $host && PathSubtree("/grpc.testing.TestService") -> $to`)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	stream, err := testpb.NewTestServiceClient(h.dialGRPC(t, host)).FullDuplexCall(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if err := stream.Send(&testpb.StreamingOutputCallRequest{ResponseParameters: []*testpb.ResponseParameters{{Size: 1}}}); err != nil {
		t.Fatal(err)
	}
	if _, err := stream.Recv(); err != nil {
		t.Fatal(err)
	}
	cancel()
	if _, err := stream.Recv(); grpcstatus.Code(err) != codes.Canceled {
		t.Errorf("the client got %v", err)
	}
	function := name + "." + defaultNS
	eventually(t, "the invocation has ended", func() (bool, string) {
		metrics := h.get(t, "/metrics").wants(t, http.StatusOK).body
		for line := range strings.Lines(metrics) {
			if strings.HasPrefix(line, "gateway_function_invocation_total") && strings.Contains(line, function) {
				return true, line
			}
		}
		return false, "no invocation of " + function + " has ended"
	})
}

func TestRoutesGRPC_HealthAndReflectionAreServedHere(t *testing.T) {
	t.Parallel()
	h := patient(t)
	name := h.talker(t)
	ctx, cancel := context.WithTimeout(t.Context(), soon)
	defer cancel()
	for _, host := range []string{"localhost", "127.0.0.1", "faas.example.org"} {
		cc := h.dialGRPC(t, host)
		for service, want := range map[string]codes.Code{"": codes.OK, name: codes.OK, name + "." + defaultNS: codes.OK, "nobody": codes.NotFound} {
			answer, err := healthpb.NewHealthClient(cc).Check(ctx, &healthpb.HealthCheckRequest{Service: service})
			if grpcstatus.Code(err) != want || err == nil && answer.Status != healthpb.HealthCheckResponse_SERVING {
				t.Errorf("%s: health of %q: %v, %v", host, service, answer, err)
			}
		}
		if got := services(t, ctx, cc); !slices.Contains(got, "grpc.health.v1.Health") {
			t.Errorf("%s: reflection lists %v", host, got)
		}
	}
	// A call that names a function gets that function's answer.
	_, err := healthpb.NewHealthClient(h.dialGRPC(t, name+"."+defaultNS)).Check(ctx, &healthpb.HealthCheckRequest{})
	if grpcstatus.Code(err) != codes.Unimplemented {
		t.Errorf("the function, which has no health service, answered %v", err)
	}
}

func services(t *testing.T, ctx context.Context, cc *grpc.ClientConn) []string {
	t.Helper()
	stream, err := reflectionpb.NewServerReflectionClient(cc).ServerReflectionInfo(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if err := stream.Send(&reflectionpb.ServerReflectionRequest{MessageRequest: &reflectionpb.ServerReflectionRequest_ListServices{}}); err != nil {
		t.Fatal(err)
	}
	answer, err := stream.Recv()
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, service := range answer.GetListServicesResponse().GetService() {
		names = append(names, service.GetName())
	}
	return names
}

func TestRoutesGRPC_HealthIsWatched(t *testing.T) {
	t.Parallel()
	h := patient(t)
	spec := h.spec(t, "talker")
	ctx, cancel := context.WithTimeout(t.Context(), soon)
	defer cancel()
	stream, err := healthpb.NewHealthClient(h.dialGRPC(t, "localhost")).Watch(ctx, &healthpb.HealthCheckRequest{Service: spec.Service})
	if err != nil {
		t.Fatal(err)
	}
	await := func(want healthpb.HealthCheckResponse_ServingStatus) {
		t.Helper()
		for {
			got, err := stream.Recv()
			if err != nil {
				t.Fatalf("waiting for %s: %v", want, err)
			}
			if got.Status == want {
				return
			}
		}
	}
	await(healthpb.HealthCheckResponse_SERVICE_UNKNOWN)
	h.deploy(t, spec)
	await(healthpb.HealthCheckResponse_SERVING)
	h.forget(t, spec.Service, defaultNS)
	await(healthpb.HealthCheckResponse_SERVICE_UNKNOWN)
}
