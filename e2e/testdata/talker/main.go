// Command talker is a function that the tests of routes deploy: it speaks HTTP/1.1,
// HTTP/2, WebSocket and gRPC (the interoperability service), and tells what it has
// heard.
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"net/http"
	"strconv"
	"strings"
	"sync"

	"github.com/coder/websocket"
	"google.golang.org/grpc"
	"google.golang.org/grpc/interop"
	testpb "google.golang.org/grpc/interop/grpc_testing"
)

func main() {
	t := &talker{}
	t.grpc = grpc.NewServer(grpc.UnaryInterceptor(t.intercept))
	testpb.RegisterTestServiceServer(t.grpc, interop.NewTestServer())
	protocols := new(http.Protocols)
	protocols.SetHTTP1(true)
	protocols.SetUnencryptedHTTP2(true)
	log.Fatal((&http.Server{Addr: ":8080", Handler: t, Protocols: protocols}).ListenAndServe())
}

type talker struct {
	grpc *grpc.Server
	// mu protects heard: one line for each request.
	mu    sync.Mutex
	heard []string
}

func (t *talker) hear(format string, args ...any) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.heard = append(t.heard, fmt.Sprintf(format, args...))
}

func (t *talker) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	switch code, isStatus := strings.CutPrefix(r.URL.Path, "/status/"); {
	case strings.HasPrefix(r.Header.Get("Content-Type"), "application/grpc"):
		t.grpc.ServeHTTP(w, r)
	case r.URL.Path == "/_/health":
	case r.URL.Path == "/heard":
		t.mu.Lock()
		defer t.mu.Unlock()
		_ = json.NewEncoder(w).Encode(t.heard)
	case r.URL.Path == "/ws":
		talk(w, r)
	case isStatus:
		status, _ := strconv.Atoi(code)
		w.WriteHeader(status)
	default:
		body, _ := io.ReadAll(r.Body)
		t.hear("%s %s %s", r.Method, r.RequestURI, body)
		w.Header().Set("Content-Type", "text/plain")
		_, _ = fmt.Fprintf(w, "%s %s %s", r.Method, r.RequestURI, body)
	}
}

// talk sends back what it hears until the other side has had enough.
func talk(w http.ResponseWriter, r *http.Request) {
	conn, err := websocket.Accept(w, r, nil)
	if err != nil {
		return
	}
	defer func() { _ = conn.CloseNow() }()
	for {
		kind, message, err := conn.Read(r.Context())
		if err != nil || conn.Write(r.Context(), kind, message) != nil {
			return
		}
	}
}

func (t *talker) intercept(ctx context.Context, request any, info *grpc.UnaryServerInfo, handle grpc.UnaryHandler) (any, error) {
	t.hear("%s", info.FullMethod)
	return handle(ctx, request)
}
