// Package interop holds the proxy against the clients, servers and suites of
// others: grpc-go's interoperability tests, h2spec, and coder/websocket. It has no
// code of its own.
package interop

import (
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"os"
	"testing"
	"time"

	"google.golang.org/grpc/grpclog"

	"faas-docker/front"
	"faas-docker/function"
	"faas-docker/proxy"
	"faas-docker/resolver"
)

func TestMain(m *testing.M) {
	grpclog.SetLoggerV2(panickingLog{grpclog.NewLoggerV2(discard{}, discard{}, discard{})})
	os.Exit(m.Run())
}

// panickingLog turns what would end the process into a panic, which a test can
// report: grpc-go's cases know no other way to fail.
type panickingLog struct{ quietLog }

// quietLog hides the methods of a logger that knows depths, which would be asked
// instead.
type quietLog = grpclog.LoggerV2

func (panickingLog) Fatal(args ...any)                 { panic(fmt.Sprint(args...)) }
func (panickingLog) Fatalln(args ...any)               { panic(fmt.Sprintln(args...)) }
func (panickingLog) Fatalf(format string, args ...any) { panic(fmt.Sprintf(format, args...)) }

type discard struct{}

func (discard) Write(p []byte) (int, error) { return len(p), nil }

// newHandler returns a handler that knows no function yet.
func newHandler(t testing.TB) *proxy.Handler {
	t.Helper()
	h := &proxy.Handler{Resolver: resolver.New(), Timeouts: proxy.Timeouts{Timeout: 10 * time.Second, WakeTimeout: 5 * time.Second, RetryTimeout: 100 * time.Millisecond}}
	h.Resolver.CloseIdle = h.Drop
	return h
}

// deploy makes a function known that has one replica, at an address.
func deploy(t testing.TB, h *proxy.Handler, name, address string) {
	t.Helper()
	id := function.ParseName(name, function.DefaultNamespace)
	h.Resolver.Declare(id, function.CallPolicy{})
	h.Resolver.Add(function.Replica{ID: name, Function: id, State: function.Running, Address: netip.MustParseAddrPort(address)}, h.Resolver.Listing())
	if !h.Resolver.MarkReady(id, name) {
		t.Fatalf("%s was not admitted", name)
	}
}

// serve runs a handler on a server that is set as the provider's, and returns its
// address.
func serve(t testing.TB, h http.Handler) string {
	t.Helper()
	protocols := new(http.Protocols)
	protocols.SetHTTP1(true)
	protocols.SetUnencryptedHTTP2(true)
	listener := listen(t)
	server := &front.Server{HTTP: &http.Server{Handler: h, Protocols: protocols, MaxHeaderBytes: 64 << 10, ReadHeaderTimeout: 10 * time.Second, IdleTimeout: 2 * time.Minute}}
	go server.Serve(listener)
	t.Cleanup(func() { server.Close() })
	return listener.Addr().String()
}

func listen(t testing.TB) net.Listener {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { listener.Close() })
	return listener
}
