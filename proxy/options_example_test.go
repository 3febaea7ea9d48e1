package proxy_test

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"

	"faas-docker/function"
	"faas-docker/proxy"
	"faas-docker/resolver"
)

// one returns a resolver that knows one function, at an address.
func one(name function.Name, address string) *resolver.Resolver {
	known := resolver.New()
	known.Declare(name, function.CallPolicy{})
	known.Add(function.Replica{ID: "1", Function: name, State: function.Running, Address: netip.MustParseAddrPort(address)}, known.Listing())
	known.MarkReady(name, "1")
	return known
}

// A hook answers some requests itself, and lets the others pass.
func ExampleHandler_intercept() {
	figlet := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "figlet") }))
	defer figlet.Close()
	handler := &proxy.Handler{
		Resolver: one(function.Name{Name: "figlet", Namespace: "openfaas-fn"}, figlet.Listener.Addr().String()),
		Hooks: proxy.Hooks{Intercept: func(w http.ResponseWriter, r *http.Request) error {
			if r.Header.Get("Authorization") != "" {
				return nil
			}
			w.WriteHeader(http.StatusUnauthorized)
			io.WriteString(w, "no")
			return proxy.ErrHandled
		}},
	}
	for _, credentials := range []string{"", "Bearer x"} {
		r := httptest.NewRequest("GET", "/function/figlet", nil)
		r.Header.Set("Authorization", credentials)
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, r)
		fmt.Println(w.Code, w.Body)
	}
	// Output:
	// 401 no
	// 200 figlet
}

// One connection to a function is handed over, for a protocol of its own.
func ExampleHandler_Connect() {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer listener.Close()
	go func() {
		conn, err := listener.Accept()
		if err != nil {
			return
		}
		defer conn.Close()
		_, _ = io.Copy(conn, conn)
	}()
	echo := function.Name{Name: "echo", Namespace: "openfaas-fn"}
	handler := &proxy.Handler{Resolver: one(echo, listener.Addr().String())}

	connected, err := handler.Connect(context.Background(), echo)
	if err != nil {
		fmt.Println(err)
		return
	}
	conn, reader := connected.Hijack()
	defer conn.Close()
	fmt.Fprintln(conn, "no HTTP at all")
	line, _ := reader.ReadString('\n')
	fmt.Print(line)
	// Output: no HTTP at all
}

// A director sends the calls of one tenant to a function of its own, and hides a
// service.
func ExampleHandler_Direct() {
	greeter := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, r.URL.Path) }))
	defer greeter.Close()
	name := function.Name{Name: "greeter", Namespace: "openfaas-fn"}
	handler := &proxy.Handler{
		Resolver: one(name, greeter.Listener.Addr().String()),
		// This function speaks HTTP/1; without being told, gRPC calls use HTTP/2.
		Rules: proxy.Rules{Policy: func(function.Name) function.CallPolicy {
			return function.CallPolicy{Protocol: function.ProtocolHTTP1}
		}},
	}
	directed := handler.Direct(func(ctx context.Context, method string, metadata http.Header) (context.Context, function.Name, error) {
		if metadata.Get("X-Tenant") == "" {
			return ctx, function.Name{}, proxy.ErrUnimplemented
		}
		return ctx, name, nil
	})
	for _, tenant := range []string{"", "a"} {
		r := httptest.NewRequest("POST", "/pkg.Greeter/Hello", nil)
		r.ProtoMajor, r.ProtoMinor = 2, 0
		r.Header.Set("Content-Type", "application/grpc")
		r.Header.Set("X-Tenant", tenant)
		w := httptest.NewRecorder()
		directed.ServeHTTP(w, r)
		fmt.Printf("status %q, body %q\n", w.Header().Get("Grpc-Status"), w.Body)
	}
	// Output:
	// status "12", body ""
	// status "", body "/pkg.Greeter/Hello"
}
