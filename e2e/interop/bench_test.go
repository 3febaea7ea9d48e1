package interop

import (
	"sync"
	"testing"

	testpb "google.golang.org/grpc/interop/grpc_testing"
)

// BenchmarkUnary is a small gRPC call through the handler, 32 at a time on one
// connection, as the benchmark of the whole program has it. Client and function
// count, too: compare with what BenchmarkUnaryDirect says.
func BenchmarkUnary(b *testing.B) {
	_, _, through := proxied(b)
	benchUnary(b, testpb.NewTestServiceClient(dial(b, through, byMetadata()...)))
}

// BenchmarkUnaryDirect is the same without the handler.
func BenchmarkUnaryDirect(b *testing.B) {
	_, direct := serveGRPC(b)
	benchUnary(b, testpb.NewTestServiceClient(dial(b, direct)))
}

func benchUnary(b *testing.B, client testpb.TestServiceClient) {
	const callers = 32
	b.ReportAllocs()
	calls := make(chan struct{}, callers)
	var done sync.WaitGroup
	for range callers {
		done.Go(func() {
			for range calls {
				if _, err := client.EmptyCall(b.Context(), &testpb.Empty{}); err != nil {
					b.Error(err)
				}
			}
		})
	}
	for b.Loop() {
		calls <- struct{}{}
	}
	close(calls)
	done.Wait()
}
