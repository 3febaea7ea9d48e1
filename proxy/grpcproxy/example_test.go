package grpcproxy_test

import (
	"context"
	"fmt"
	"log"
	"net"
	"strings"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/health"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"faas-docker/proxy/grpcproxy"
)

// A server that knows none of the services passes their calls on to a backend that the
// director chooses by the call's metadata.
func Example() {
	staging := serve(grpc.NewServer(), func(server *grpc.Server) { registerHealth(server, healthpb.HealthCheckResponse_NOT_SERVING) })
	defer staging.Close()
	production := serve(grpc.NewServer(), func(server *grpc.Server) { registerHealth(server, healthpb.HealthCheckResponse_SERVING) })
	defer production.Close()

	director := func(ctx context.Context, fullMethodName string) (context.Context, *grpc.ClientConn, error) {
		// Make sure we never forward internal services.
		if strings.HasPrefix(fullMethodName, "/com.example.internal.") {
			return nil, nil, status.Errorf(codes.Unimplemented, "Unknown method")
		}
		md, _ := metadata.FromIncomingContext(ctx)
		// Copy the inbound metadata explicitly.
		outgoing := metadata.NewOutgoingContext(ctx, md.Copy())
		// Decide on which backend to dial.
		switch authority := md.Get(":authority"); {
		case len(authority) > 0 && authority[0] == "staging.api.example.com":
			return outgoing, staging.conn, nil
		case len(authority) > 0 && authority[0] == "api.example.com":
			return outgoing, production.conn, nil
		}
		return nil, nil, status.Errorf(codes.Unimplemented, "Unknown method")
	}
	proxy := serve(grpc.NewServer(
		grpcproxy.CodecForServer(),
		grpc.UnknownServiceHandler(grpcproxy.TransparentHandler(nil, director)),
	), func(*grpc.Server) {})
	defer proxy.Close()

	for _, authority := range []string{"staging.api.example.com", "api.example.com", "example.org"} {
		client := connect(proxy.address, grpc.WithAuthority(authority))
		answer, err := healthpb.NewHealthClient(client).Check(context.Background(), &healthpb.HealthCheckRequest{})
		fmt.Println(authority, answer.GetStatus(), status.Code(err))
		_ = client.Close()
	}
	client := connect(proxy.address, grpc.WithAuthority("api.example.com"))
	defer client.Close()
	err := client.Invoke(context.Background(), "/com.example.internal.Admin/Stop", &healthpb.HealthCheckRequest{}, &healthpb.HealthCheckResponse{})
	fmt.Println(err)
	// Output:
	// staging.api.example.com NOT_SERVING OK
	// api.example.com SERVING OK
	// example.org UNKNOWN Unimplemented
	// rpc error: code = Unimplemented desc = Unknown method
}

// Some methods of a service are proxied, and the server has services of its own.
func ExampleRegisterService() {
	backend := serve(grpc.NewServer(), func(server *grpc.Server) { registerHealth(server, healthpb.HealthCheckResponse_SERVING) })
	defer backend.Close()
	director := func(ctx context.Context, _ string) (context.Context, *grpc.ClientConn, error) {
		return ctx, backend.conn, nil
	}
	proxy := serve(grpc.NewServer(grpcproxy.CodecForServer()), func(server *grpc.Server) {
		grpcproxy.RegisterService(server, director, "grpc.health.v1.Health", "Check")
	})
	defer proxy.Close()
	client := healthpb.NewHealthClient(proxy.conn)
	answer, err := client.Check(context.Background(), &healthpb.HealthCheckRequest{})
	fmt.Println(answer.GetStatus(), err)
	_, err = client.List(context.Background(), &healthpb.HealthListRequest{})
	fmt.Println(status.Code(err))
	// Output:
	// SERVING <nil>
	// Unimplemented
}

func registerHealth(server *grpc.Server, state healthpb.HealthCheckResponse_ServingStatus) {
	checks := health.NewServer()
	checks.SetServingStatus("", state)
	healthpb.RegisterHealthServer(server, checks)
}

// served is a server on a loopback address, with a connection to it.
type served struct {
	server  *grpc.Server
	address string
	conn    *grpc.ClientConn
}

func serve(server *grpc.Server, register func(*grpc.Server)) served {
	register(server)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	go func() { _ = server.Serve(listener) }()
	address := listener.Addr().String()
	return served{server: server, address: address, conn: connect(address)}
}

// Close ends the server and the connection.
func (s served) Close() {
	_ = s.conn.Close()
	s.server.Stop()
}

func connect(address string, options ...grpc.DialOption) *grpc.ClientConn {
	conn, err := grpc.NewClient("passthrough:///"+address, append(options, grpc.WithTransportCredentials(insecure.NewCredentials()))...)
	if err != nil {
		log.Fatal(err)
	}
	return conn
}
