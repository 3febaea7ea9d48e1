package grpcproxy_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/encoding"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	cases "google.golang.org/grpc/interop"
	testpb "google.golang.org/grpc/interop/grpc_testing"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"faas-docker/function"
	"faas-docker/proxy"
	"faas-docker/proxy/grpcproxy"
	"faas-docker/proxy/grpcproxy/mq"
)

var (
	//lint:ignore SA1019 servers of that age name it in grpc.CustomCodec
	_ grpc.Codec     = (*grpcproxy.RawCodec)(nil)
	_ encoding.Codec = (*grpcproxy.RawCodec)(nil)
)

// through is a proxy before grpc-go's interop server.
func through(t *testing.T, queue mq.MQ, options ...grpc.ServerOption) (proxy, backend served) {
	t.Helper()
	backend = serve(grpc.NewServer(), func(server *grpc.Server) { testpb.RegisterTestServiceServer(server, cases.NewTestServer()) })
	t.Cleanup(backend.Close)
	return before(t, backend, queue, options...), backend
}

func before(t *testing.T, backend served, queue mq.MQ, options ...grpc.ServerOption) served {
	t.Helper()
	director := func(ctx context.Context, _ string) (context.Context, *grpc.ClientConn, error) {
		md, _ := metadata.FromIncomingContext(ctx)
		return metadata.NewOutgoingContext(ctx, md.Copy()), backend.conn, nil
	}
	proxy := serve(grpc.NewServer(append(options, grpcproxy.CodecForServer(), grpc.UnknownServiceHandler(grpcproxy.TransparentHandler(queue, director)))...), func(*grpc.Server) {})
	t.Cleanup(proxy.Close)
	return proxy
}

// gRPC's own suite passes through the proxy.
func TestTransparentHandler_PassesTheInteropCases(t *testing.T) {
	front, _ := through(t, nil)
	client := testpb.NewTestServiceClient(front.conn)
	ctx := t.Context()
	for name, run := range map[string]func(){
		"empty unary":         func() { cases.DoEmptyUnaryCall(ctx, client) },
		"large unary":         func() { cases.DoLargeUnaryCall(ctx, client) },
		"client streaming":    func() { cases.DoClientStreaming(ctx, client) },
		"server streaming":    func() { cases.DoServerStreaming(ctx, client) },
		"ping pong":           func() { cases.DoPingPong(ctx, client) },
		"empty stream":        func() { cases.DoEmptyStream(ctx, client) },
		"timeout on sleeping": func() { cases.DoTimeoutOnSleepingServer(ctx, client) },
		"cancel after begin":  func() { cases.DoCancelAfterBegin(ctx, client) },
		"cancel after first":  func() { cases.DoCancelAfterFirstResponse(ctx, client) },
		"custom metadata":     func() { cases.DoCustomMetadata(ctx, client) },
		"status and message":  func() { cases.DoStatusCodeAndMessage(ctx, client) },
		"special status":      func() { cases.DoSpecialStatusMessage(ctx, client) },
		"unimplemented method": func() {
			cases.DoUnimplementedMethod(ctx, front.conn)
		},
		"unimplemented service": func() {
			cases.DoUnimplementedService(ctx, testpb.NewUnimplementedServiceClient(front.conn))
		},
	} {
		t.Run(name, func(*testing.T) { run() }) // a case that fails ends the program
	}
}

// Whatever status a director, or a backend, gives reaches the caller whole.
func TestStatus_ReachesTheCallerWithItsDetails(t *testing.T) {
	t.Parallel()
	detailed := func(code codes.Code, message string) error {
		with, err := status.New(code, message).WithDetails(
			&testpb.Payload{Type: testpb.PayloadType_COMPRESSABLE, Body: []byte("QUOTA")}, &testpb.Empty{})
		if err != nil {
			t.Fatal(err)
		}
		return with.Err()
	}
	type test struct {
		name    string
		err     error
		code    codes.Code
		message string
		details int
	}
	var tests []test
	for code := codes.Canceled; code <= codes.Unauthenticated; code++ {
		tests = append(tests, test{code.String(), detailed(code, "because of "+code.String()), code, "because of " + code.String(), 2})
	}
	tests = append(tests,
		test{"no details", status.Error(codes.FailedPrecondition, "not now"), codes.FailedPrecondition, "not now", 0},
		test{"wrapped", fmt.Errorf("choose a backend: %w", detailed(codes.ResourceExhausted, "full")), codes.ResourceExhausted, "choose a backend: rpc error: code = ResourceExhausted desc = full", 2},
		test{"unknown code", detailed(codes.Code(77), "odd"), codes.Code(77), "odd", 2},
		test{"another alphabet", detailed(codes.NotFound, "größe % \n 世界"), codes.NotFound, "größe % \n 世界", 2},
		test{"long", detailed(codes.Aborted, strings.Repeat("x", 2000)), codes.Aborted, strings.Repeat("x", 2000), 2},
		test{"plain error", errors.New("broken"), codes.Unknown, "broken", 0},
		test{"deadline", context.DeadlineExceeded, codes.DeadlineExceeded, context.DeadlineExceeded.Error(), 0},
	)
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			director := func(context.Context, string) (context.Context, *grpc.ClientConn, error) { return nil, nil, test.err }
			refusing := serve(grpc.NewServer(grpcproxy.CodecForServer(), grpc.UnknownServiceHandler(grpcproxy.TransparentHandler(nil, director))), func(*grpc.Server) {})
			t.Cleanup(refusing.Close)
			failing := serve(grpc.NewServer(grpc.UnknownServiceHandler(func(any, grpc.ServerStream) error { return test.err })), func(*grpc.Server) {})
			t.Cleanup(failing.Close)
			functions := serveDirected(t, func(ctx context.Context, _ string, _ http.Header) (context.Context, function.Name, error) {
				return ctx, function.Name{}, grpcproxy.StatusOf(test.err)
			})
			for who, asked := range map[string]served{"director": refusing, "backend": before(t, failing, nil), "director of functions": functions} {
				if _, isStatus := status.FromError(test.err); !isStatus && who == "director of functions" {
					continue // whose text is for the log only
				}
				_, err := healthpb.NewHealthClient(asked.conn).Check(t.Context(), &healthpb.HealthCheckRequest{})
				got := status.Convert(err)
				if got.Code() != test.code || got.Message() != test.message || len(got.Details()) != test.details {
					t.Errorf("%s: got %v %q with %d details, want %v %q with %d", who, got.Code(), got.Message(), len(got.Details()), test.code, test.message, test.details)
				}
				if test.details > 0 && !proto.Equal(got.Details()[0].(proto.Message), status.Convert(test.err).Details()[0].(proto.Message)) {
					t.Errorf("%s: got the details %v", who, got.Details())
				}
			}
		})
	}
}

// serveDirected is a proxy of functions whose director refuses.
func serveDirected(t *testing.T, director proxy.Director) served {
	t.Helper()
	protocols := new(http.Protocols)
	protocols.SetUnencryptedHTTP2(true)
	server := httptest.NewUnstartedServer((&proxy.Handler{}).Direct(director))
	server.Config.Protocols = protocols
	server.Start()
	t.Cleanup(server.Close)
	conn := connect(server.Listener.Addr().String())
	t.Cleanup(func() { _ = conn.Close() })
	return served{conn: conn}
}

func TestTransparentHandler_WithoutABackendIsUnimplemented(t *testing.T) {
	t.Parallel()
	director := func(ctx context.Context, _ string) (context.Context, *grpc.ClientConn, error) { return ctx, nil, nil }
	proxy := serve(grpc.NewServer(grpcproxy.CodecForServer(), grpc.UnknownServiceHandler(grpcproxy.TransparentHandler(nil, director))), func(*grpc.Server) {})
	t.Cleanup(proxy.Close)
	_, err := healthpb.NewHealthClient(proxy.conn).Check(t.Context(), &healthpb.HealthCheckRequest{})
	if status.Code(err) != codes.Unimplemented {
		t.Errorf("got %v", err)
	}
}

// A director may forget to derive its context from the call's.
func TestTransparentHandler_TheCallEndsWithItsCaller(t *testing.T) {
	t.Parallel()
	begun, ended := make(chan struct{}), make(chan struct{})
	backend := serve(grpc.NewServer(grpc.UnknownServiceHandler(func(_ any, stream grpc.ServerStream) error {
		close(begun)
		<-stream.Context().Done()
		close(ended)
		return stream.Context().Err()
	})), func(*grpc.Server) {})
	t.Cleanup(backend.Close)
	director := func(context.Context, string) (context.Context, *grpc.ClientConn, error) {
		return context.Background(), backend.conn, nil
	}
	proxy := serve(grpc.NewServer(grpcproxy.CodecForServer(), grpc.UnknownServiceHandler(grpcproxy.TransparentHandler(nil, director))), func(*grpc.Server) {})
	t.Cleanup(proxy.Close)
	ctx, cancel := context.WithCancel(t.Context())
	stream, err := testpb.NewTestServiceClient(proxy.conn).FullDuplexCall(ctx)
	if err != nil {
		t.Fatal(err)
	}
	<-begun
	cancel()
	select {
	case <-ended:
	case <-time.After(20 * time.Second):
		t.Fatal("the backend was not told that the caller left")
	}
	if _, err := stream.Recv(); status.Code(err) != codes.Canceled {
		t.Errorf("the caller got %v", err)
	}
}

// jsonCodec is for services whose messages are not protobuf.
type jsonCodec struct{}

func (jsonCodec) Marshal(v any) ([]byte, error)      { return json.Marshal(v) }
func (jsonCodec) Unmarshal(data []byte, v any) error { return json.Unmarshal(data, v) }
func (jsonCodec) Name() string                       { return "json" }

func TestCodec_LeavesOtherMessagesToItsParent(t *testing.T) {
	t.Parallel()
	message := &healthpb.HealthCheckRequest{Service: "figlet"}
	want, err := proto.Marshal(message)
	if err != nil {
		t.Fatal(err)
	}
	codec := grpcproxy.Codec()
	got, err := codec.Marshal(message)
	if err != nil || !slices.Equal(got, want) {
		t.Errorf("got %q, %v, want %q", got, err, want)
	}
	back := &healthpb.HealthCheckRequest{}
	if err := codec.Unmarshal(got, back); err != nil || back.GetService() != "figlet" {
		t.Errorf("got %v, %v back", back, err)
	}
	if _, err := codec.Marshal(make(chan int)); err == nil {
		t.Error("what protobuf cannot encode was encoded")
	}
	if err := codec.Unmarshal([]byte{0xff}, back); err == nil {
		t.Error("what is no message was decoded")
	}
	other := grpcproxy.CodecWithParent(jsonCodec{})
	if got, err := other.Marshal(map[string]int{"a": 1}); err != nil || string(got) != `{"a":1}` {
		t.Errorf("got %q, %v", got, err)
	}
	if codec.String() != "proxy>proto" || other.String() != "proxy>json" || codec.Name() != "proto" {
		t.Errorf("got the names %s, %s, %s", codec, other, codec.Name())
	}
}

// A server has services of its own beside those that it proxies, and messages keep the
// content-subtype of their call.
func TestCodec_ServesOthersBesideTheProxy(t *testing.T) {
	t.Parallel()
	var seen []string
	backend := serve(grpc.NewServer(grpcproxy.CodecForServer(), grpc.UnknownServiceHandler(func(_ any, stream grpc.ServerStream) error {
		md, _ := metadata.FromIncomingContext(stream.Context())
		seen = append(seen, strings.Join(md.Get("content-type"), ","))
		return status.Error(codes.NotFound, "nothing here")
	})), func(*grpc.Server) {})
	t.Cleanup(backend.Close)
	director := func(ctx context.Context, _ string) (context.Context, *grpc.ClientConn, error) {
		return ctx, backend.conn, nil
	}
	proxy := serve(grpc.NewServer(grpc.ForceServerCodec(grpcproxy.CodecWithParent(grpcproxy.Codec())), grpc.UnknownServiceHandler(grpcproxy.TransparentHandler(nil, director))),
		func(server *grpc.Server) { registerHealth(server, healthpb.HealthCheckResponse_SERVING) })
	t.Cleanup(proxy.Close)
	if answer, err := healthpb.NewHealthClient(proxy.conn).Check(t.Context(), &healthpb.HealthCheckRequest{}); err != nil || answer.GetStatus() != healthpb.HealthCheckResponse_SERVING {
		t.Errorf("the server's own: got %v, %v", answer, err)
	}
	for _, option := range []grpc.CallOption{grpc.CallContentSubtype("proto"), grpc.ForceCodec(jsonCodec{})} {
		err := proxy.conn.Invoke(t.Context(), "/pkg.Other/Method", &healthpb.HealthCheckRequest{}, &healthpb.HealthCheckResponse{}, option)
		if status.Code(err) != codes.NotFound {
			t.Errorf("proxied: got %v", err)
		}
	}
	if want := []string{"application/grpc+proto", "application/grpc+json"}; !slices.Equal(seen, want) {
		t.Errorf("the backend saw %q, want %q", seen, want)
	}
}

// keeper keeps what is published.
type keeper struct {
	mu   sync.Mutex
	kept []mq.Message
	// hold is waited for before each message; fail is what Publish returns.
	hold chan struct{}
	fail error
}

func (k *keeper) Publish(ctx context.Context, message mq.Message) error {
	if k.hold != nil {
		<-k.hold
	}
	if _, ok := metadata.FromIncomingContext(ctx); !ok {
		return errors.New("the metadata of the call is missing")
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	k.kept = append(k.kept, message)
	return k.fail
}

func (k *keeper) messages(side mq.Side) []mq.Message {
	k.mu.Lock()
	defer k.mu.Unlock()
	return slices.DeleteFunc(slices.Clone(k.kept), func(m mq.Message) bool { return m.From != side })
}

func (k *keeper) awaitCount(t *testing.T, side mq.Side, want int) []mq.Message {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(time.Millisecond) {
		got := k.messages(side)
		if len(got) == want {
			return got
		}
		if len(got) > want || time.Now().After(deadline) {
			t.Fatalf("the queue has %d messages of the %s, want %d", len(got), side, want)
		}
	}
}

// pingPong exchanges so many messages over one stream.
func pingPong(t *testing.T, client testpb.TestServiceClient, count int) {
	t.Helper()
	stream, err := client.FullDuplexCall(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for i := range count {
		request := &testpb.StreamingOutputCallRequest{
			ResponseParameters: []*testpb.ResponseParameters{{Size: int32(i)}},
			Payload:            &testpb.Payload{Body: []byte(fmt.Sprint("message ", i))},
		}
		if err := stream.Send(request); err != nil {
			t.Fatal(err)
		}
		answer, err := stream.Recv()
		if err != nil || len(answer.GetPayload().GetBody()) != i {
			t.Fatalf("message %d: got %v, %v", i, answer, err)
		}
	}
	if err := stream.CloseSend(); err != nil {
		t.Fatal(err)
	}
	if _, err := stream.Recv(); !errors.Is(err, io.EOF) {
		t.Fatalf("the stream ended with %v", err)
	}
}

func TestQueue_GetsACopyOfEveryMessageInOrder(t *testing.T) {
	t.Parallel()
	queue := &keeper{}
	proxy, _ := through(t, queue)
	client := testpb.NewTestServiceClient(proxy.conn)
	pingPong(t, client, 100)
	asked, answered := queue.awaitCount(t, mq.Client, 100), queue.awaitCount(t, mq.Backend, 100)
	for i := range 100 {
		request, answer := &testpb.StreamingOutputCallRequest{}, &testpb.StreamingOutputCallResponse{}
		if err := errors.Join(proto.Unmarshal(asked[i].Payload, request), proto.Unmarshal(answered[i].Payload, answer)); err != nil {
			t.Fatal(err)
		}
		if string(request.GetPayload().GetBody()) != fmt.Sprint("message ", i) || len(answer.GetPayload().GetBody()) != i {
			t.Fatalf("message %d: got %v and %v", i, request, answer)
		}
		for _, m := range []mq.Message{asked[i], answered[i]} {
			if m.Sequence != uint64(i+1) || m.Call != asked[0].Call || m.Method != "/grpc.testing.TestService/FullDuplexCall" {
				t.Fatalf("message %d: got %+v", i, m)
			}
		}
	}
	if _, err := client.EmptyCall(t.Context(), &testpb.Empty{}); err != nil {
		t.Fatal(err)
	}
	if next := queue.awaitCount(t, mq.Client, 101)[100]; next.Call == asked[0].Call || next.Sequence != 1 || next.Method != "/grpc.testing.TestService/EmptyCall" {
		t.Errorf("another call: got %+v", next)
	}
}

// A queue that blocks, or fails, costs a call nothing.
func TestQueue_InTroubleDoesNotDisturbTheCall(t *testing.T) {
	t.Parallel()
	const many = 3000
	blocked := &keeper{hold: make(chan struct{})}
	proxy, _ := through(t, blocked)
	pingPong(t, testpb.NewTestServiceClient(proxy.conn), many)
	close(blocked.hold)
	// What fits are 512 of each side, and perhaps the one that it held.
	for len(blocked.messages(mq.Backend)) < 511 {
		if t.Context().Err() != nil {
			t.Fatal("the queue did not get what waited for it")
		}
	}
	kept := blocked.messages(mq.Client)
	if last := kept[len(kept)-1]; last.Sequence > 600 {
		t.Errorf("got the sequence to %d of %d, want what fits", last.Sequence, many)
	}

	failing := &keeper{fail: errors.New("queue is full")}
	proxy, _ = through(t, failing)
	pingPong(t, testpb.NewTestServiceClient(proxy.conn), 10)
	failing.awaitCount(t, mq.Client, 1)
}
