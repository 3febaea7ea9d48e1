package interop

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/health"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	cases "google.golang.org/grpc/interop"
	testpb "google.golang.org/grpc/interop/grpc_testing"
	"google.golang.org/grpc/keepalive"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/reflection"
	"google.golang.org/grpc/stats"
	"google.golang.org/grpc/status"
)

const maxMessage = 64 << 20

// serveGRPC runs grpc-go's interop server, with health and reflection, as a
// function would.
func serveGRPC(t testing.TB, options ...grpc.ServerOption) (*grpc.Server, string) {
	t.Helper()
	server := grpc.NewServer(append(options, grpc.MaxRecvMsgSize(maxMessage))...)
	testpb.RegisterTestServiceServer(server, cases.NewTestServer())
	checks := health.NewServer()
	checks.SetServingStatus("ready", healthpb.HealthCheckResponse_SERVING)
	checks.SetServingStatus("starting", healthpb.HealthCheckResponse_NOT_SERVING)
	healthpb.RegisterHealthServer(server, checks)
	reflection.Register(server)
	listener := listen(t)
	go server.Serve(listener)
	t.Cleanup(server.Stop)
	return server, listener.Addr().String()
}

// proxied runs the interop server as function "interop" behind a handler.
func proxied(t testing.TB, options ...grpc.ServerOption) (server *grpc.Server, direct, through string) {
	t.Helper()
	server, direct = serveGRPC(t, options...)
	h := newHandler(t)
	deploy(t, h, "interop", direct)
	return server, direct, serve(t, h)
}

func dial(t testing.TB, address string, options ...grpc.DialOption) *grpc.ClientConn {
	t.Helper()
	options = append(options, grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(maxMessage)))
	conn, err := grpc.NewClient("passthrough:///"+address, options...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return conn
}

// rewriting changes the context and the method of every call.
func rewriting(change func(context.Context, string) (context.Context, string)) []grpc.DialOption {
	return []grpc.DialOption{
		grpc.WithUnaryInterceptor(func(ctx context.Context, method string, in, out any, cc *grpc.ClientConn, invoke grpc.UnaryInvoker, options ...grpc.CallOption) error {
			ctx, method = change(ctx, method)
			return invoke(ctx, method, in, out, cc, options...)
		}),
		grpc.WithStreamInterceptor(func(ctx context.Context, desc *grpc.StreamDesc, cc *grpc.ClientConn, method string, stream grpc.Streamer, options ...grpc.CallOption) (grpc.ClientStream, error) {
			ctx, method = change(ctx, method)
			return stream(ctx, desc, cc, method, options...)
		}),
	}
}

func byMetadata() []grpc.DialOption {
	return rewriting(func(ctx context.Context, method string) (context.Context, string) {
		return metadata.AppendToOutgoingContext(ctx, "x-function", "interop"), method
	})
}

func byPath() []grpc.DialOption {
	return rewriting(func(ctx context.Context, method string) (context.Context, string) {
		return ctx, "/function/interop" + method
	})
}

func byAuthority() []grpc.DialOption {
	return []grpc.DialOption{grpc.WithAuthority("interop.openfaas-fn.example.com")}
}

type interopCase struct {
	name string
	run  func(context.Context, *grpc.ClientConn)
}

func interopCases() []interopCase {
	plain := func(do func(context.Context, testpb.TestServiceClient, ...grpc.CallOption)) func(context.Context, *grpc.ClientConn) {
		return func(ctx context.Context, cc *grpc.ClientConn) { do(ctx, testpb.NewTestServiceClient(cc)) }
	}
	return []interopCase{
		{"empty_unary", plain(cases.DoEmptyUnaryCall)},
		{"large_unary", plain(cases.DoLargeUnaryCall)},
		{"client_streaming", plain(cases.DoClientStreaming)},
		{"server_streaming", plain(cases.DoServerStreaming)},
		{"ping_pong", plain(cases.DoPingPong)},
		{"empty_stream", plain(cases.DoEmptyStream)},
		{"timeout_on_sleeping_server", plain(cases.DoTimeoutOnSleepingServer)},
		{"cancel_after_begin", plain(cases.DoCancelAfterBegin)},
		{"cancel_after_first_response", plain(cases.DoCancelAfterFirstResponse)},
		{"status_code_and_message", plain(cases.DoStatusCodeAndMessage)},
		{"special_status_message", plain(cases.DoSpecialStatusMessage)},
		{"custom_metadata", plain(cases.DoCustomMetadata)},
		{"unimplemented_method", cases.DoUnimplementedMethod},
		{"unimplemented_service", func(ctx context.Context, cc *grpc.ClientConn) {
			cases.DoUnimplementedService(ctx, testpb.NewUnimplementedServiceClient(cc))
		}},
	}
}

// attempt runs a case and returns why it failed.
func attempt(ctx context.Context, c interopCase, cc *grpc.ClientConn) (failure any) {
	ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	defer func() { failure = recover() }()
	c.run(ctx, cc)
	return nil
}

// Some cases race with themselves: a client that cancels a call and then ends it may have the answer
// first, without a proxy too. So a case may fail once in twenty times more than it does directly, and
// directly hardly ever.
func TestGRPC_InteropCasesPassAsTheyDoDirectly(t *testing.T) {
	_, direct, through := proxied(t)
	const chance = repeats / 20
	reference := failures(t, dial(t, direct))
	for name, failed := range reference {
		t.Logf("%s failed directly: %v", name, failed)
		if len(failed) > 1+chance {
			t.Errorf("%s failed %d of %d times directly: this test compares with nothing", name, len(failed), repeats)
		}
	}
	for name, cc := range map[string]*grpc.ClientConn{
		"by x-function":  dial(t, through, byMetadata()...),
		"by authority":   dial(t, through, byAuthority()...),
		"by path prefix": dial(t, through, byPath()...),
	} {
		t.Run(name, func(t *testing.T) {
			for name, failed := range failures(t, cc) {
				if len(failed) > len(reference[name])+chance {
					t.Errorf("%s failed %d of %d times, and %d times directly: %v", name, len(failed), repeats, len(reference[name]), failed)
				}
			}
		})
	}
}

// failures runs each case several times, and returns by name why runs failed.
func failures(t *testing.T, cc *grpc.ClientConn) map[string][]any {
	failed := map[string][]any{}
	for _, c := range interopCases() {
		for range repeats {
			if failure := attempt(t.Context(), c, cc); failure != nil {
				failed[c.name] = append(failed[c.name], failure)
			}
		}
	}
	return failed
}

// An answer without a body must not be flushed before its trailers: that was seen
// to fail one call in ten.
func TestGRPC_TwoThousandUnimplementedCallsHaveTheDirectStatus(t *testing.T) {
	_, direct, through := proxied(t)
	call := func(cc *grpc.ClientConn) string {
		err := cc.Invoke(t.Context(), "/grpc.testing.TestService/UnimplementedCall", &testpb.Empty{}, &testpb.Empty{})
		return fmt.Sprintf("%v: %s", status.Code(err), status.Convert(err).Message())
	}
	want := call(dial(t, direct))
	cc := dial(t, through, byMetadata()...)
	var callers sync.WaitGroup
	for range 4 {
		callers.Go(func() {
			for range 500 {
				if got := call(cc); got != want {
					t.Errorf("got %q, want %q", got, want)
				}
			}
		})
	}
	callers.Wait()
}

func TestGRPC_AFunctionThatDiesIsUnavailable(t *testing.T) {
	server, _, through := proxied(t)
	cc := dial(t, through, byMetadata()...)
	stream, err := testpb.NewTestServiceClient(cc).FullDuplexCall(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := stream.Send(&testpb.StreamingOutputCallRequest{ResponseParameters: []*testpb.ResponseParameters{{Size: 10}}}); err != nil {
		t.Fatal(err)
	}
	if _, err := stream.Recv(); err != nil {
		t.Fatal(err)
	}
	server.Stop()
	if _, err := stream.Recv(); status.Code(err) != codes.Unavailable {
		t.Errorf("a stream under way: got %v, want Unavailable", err)
	}
	if _, err := testpb.NewTestServiceClient(cc).EmptyCall(t.Context(), &testpb.Empty{}); status.Code(err) != codes.Unavailable {
		t.Errorf("a call afterwards: got %v, want Unavailable", err)
	}
}

// The function closes its connections again and again, as it does to spread its
// callers: no call may notice.
func TestGRPC_NoCallFailsWhenTheFunctionGoesAway(t *testing.T) {
	var connections atomic.Int32
	_, _, through := proxied(t, grpc.KeepaliveParams(keepalive.ServerParameters{MaxConnectionAge: 20 * time.Millisecond}),
		grpc.StatsHandler(connectionCounter{&connections}))
	cc := dial(t, through, byMetadata()...)
	const enough = 10
	var callers sync.WaitGroup
	for range 4 {
		callers.Go(func() {
			for connections.Load() < enough {
				answer, err := testpb.NewTestServiceClient(cc).UnaryCall(t.Context(), &testpb.SimpleRequest{ResponseSize: 1000})
				if err != nil || len(answer.GetPayload().GetBody()) != 1000 {
					t.Errorf("got %d bytes, %v", len(answer.GetPayload().GetBody()), err)
					return
				}
			}
		})
	}
	callers.Wait()
}

// connectionCounter counts the connections that a server has accepted.
type connectionCounter struct{ begun *atomic.Int32 }

func (c connectionCounter) TagConn(ctx context.Context, _ *stats.ConnTagInfo) context.Context {
	c.begun.Add(1)
	return ctx
}
func (connectionCounter) HandleConn(context.Context, stats.ConnStats)                     {}
func (connectionCounter) TagRPC(ctx context.Context, _ *stats.RPCTagInfo) context.Context { return ctx }
func (connectionCounter) HandleRPC(context.Context, stats.RPCStats)                       {}

func TestGRPC_MessagesOfSixMebibytesPassBothWays(t *testing.T) {
	const size = 6 << 20
	_, _, through := proxied(t)
	answer, err := testpb.NewTestServiceClient(dial(t, through, byMetadata()...)).UnaryCall(t.Context(), &testpb.SimpleRequest{
		ResponseSize: size, Payload: cases.ClientNewPayload(testpb.PayloadType_COMPRESSABLE, size)})
	if err != nil || len(answer.GetPayload().GetBody()) != size {
		t.Errorf("got %d bytes, %v", len(answer.GetPayload().GetBody()), err)
	}
}

func TestGRPC_DeadlineAndCancellationReachTheFunction(t *testing.T) {
	type seen struct {
		left  time.Duration
		ended <-chan struct{}
	}
	calls := make(chan seen, 1)
	_, _, through := proxied(t, grpc.UnknownServiceHandler(func(_ any, stream grpc.ServerStream) error {
		deadline, _ := stream.Context().Deadline()
		calls <- seen{time.Until(deadline), stream.Context().Done()}
		<-stream.Context().Done()
		return stream.Context().Err()
	}))
	cc := dial(t, through, byMetadata()...)
	ctx, cancel := context.WithTimeout(t.Context(), 8*time.Second)
	defer cancel()
	finished := make(chan error, 1)
	go func() { finished <- cc.Invoke(ctx, "/pkg.Other/Wait", &testpb.Empty{}, &testpb.Empty{}) }()
	call := <-calls
	if call.left <= 0 || call.left > 8*time.Second {
		t.Errorf("the function has %s left", call.left)
	}
	cancel()
	select {
	case <-call.ended:
	case <-time.After(2 * time.Second):
		t.Error("the function was not told that the call was cancelled")
	}
	if err := <-finished; status.Code(err) != codes.Canceled {
		t.Errorf("the client got %v", err)
	}
	short, cancelShort := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancelShort()
	if err := cc.Invoke(short, "/pkg.Other/Wait", &testpb.Empty{}, &testpb.Empty{}); status.Code(err) != codes.DeadlineExceeded {
		t.Errorf("past its deadline the client got %v", err)
	}
	select {
	case <-(<-calls).ended:
	case <-time.After(2 * time.Second):
		t.Error("the function outlived the deadline")
	}
}

func TestGRPC_HealthAndReflectionPassThrough(t *testing.T) {
	_, _, through := proxied(t)
	cc := dial(t, through, byMetadata()...)
	for service, want := range map[string]healthpb.HealthCheckResponse_ServingStatus{
		"ready": healthpb.HealthCheckResponse_SERVING, "starting": healthpb.HealthCheckResponse_NOT_SERVING,
	} {
		if answer, err := healthpb.NewHealthClient(cc).Check(t.Context(), &healthpb.HealthCheckRequest{Service: service}); err != nil || answer.Status != want {
			t.Errorf("%s: got %v, %v, want %v", service, answer, err, want)
		}
	}
	if got := listServices(t, cc); !got["grpc.testing.TestService"] || !got["grpc.health.v1.Health"] {
		t.Errorf("reflection lists %v", got)
	}
}
