package e2e

import (
	"net/http"
	"testing"

	"faas-docker/engine/enginetest"
)

// TestCalls_AreCountedOnceAndKept calls functions whose calls take several tries, or none, and
// restarts the provider.
func TestCalls_AreCountedOnceAndKept(t *testing.T) {
	parallelUnlessAlone(t)
	network, dataDir := enginetest.Network(t), t.TempDir()
	c := spawn(t, network, dataDir)
	spec := c.spec(t, "moody")
	spec.Annotations = &map[string]string{"com.openfaas.policy.retry": "attempts=3 on=connect,503 backoff=1ms"}
	c.deploy(t, spec)
	path, calls := "/function/"+spec.Service, 0
	for _, query := range []string{"?id=a", "?id=b&fails=1&how=503", "?id=c&fails=2&how=503", "?id=d&fails=9&how=503", "?id=e&fails=1&how=500", "?id=f&fails=1&how=half"} {
		_, _ = c.try(t.Context(), request{method: http.MethodGet, path: path + query})
		calls++
	}
	wants := func(c *child, want int) {
		t.Helper()
		if got := c.status(t, spec.Service).InvocationCount; got != float64(want) {
			t.Errorf("%v invocations counted, want %d", got, want)
		}
	}
	wants(c, calls)
	if err := c.terminate(); err != nil {
		t.Fatal(err)
	}
	c = spawn(t, network, dataDir)
	c.awaitReplicas(t, spec.Service, 1)
	wants(c, calls)
	c.get(t, path+"?id=g").wants(t, http.StatusOK)
	calls++
	wants(c, calls)
	if err := c.sdk.DeleteFunction(t.Context(), spec.Service, defaultNS); err != nil {
		t.Fatal(err)
	}
	c.deploy(t, spec)
	wants(c, 0)
}
