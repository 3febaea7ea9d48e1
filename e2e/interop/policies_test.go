package interop

import (
	"strings"
	"testing"

	"faas-docker/function"
	"faas-docker/policy"
)

// everyPolicy lets a well-behaved function be, but keeps and watches all that passes.
const everyPolicy = "retry: attempts=3 backoff=1ms methods=any; tryTimeout: 1m; hedge: after=1m methods=any; breaker: failures=100; fault: delay=1ms; logCalls: level=debug; progress: every=1ms from=1"

func TestGRPC_InteropCasesPassEveryPolicy(t *testing.T) {
	var policies function.Policies
	for part := range strings.SplitSeq(everyPolicy, "; ") {
		name, text, _ := strings.Cut(part, ": ")
		if err := policies.Set(name, text); err != nil {
			t.Fatal(err)
		}
	}
	_, address := serveGRPC(t)
	h := newHandler(t)
	h.Chains, h.SpoolDir = &policy.Chains{}, t.TempDir()
	h.Policy = func(function.Name) function.CallPolicy { return function.CallPolicy{Policies: &policies} }
	deploy(t, h, "interop", address)
	cc := dial(t, serve(t, h), byMetadata()...)
	for _, c := range interopCases() {
		t.Run(c.name, func(t *testing.T) {
			if failure := attempt(t.Context(), c, cc); failure != nil {
				t.Error(failure)
			}
		})
	}
}
