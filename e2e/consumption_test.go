package e2e

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
)

// TestConsumption_IsToldByTheStatusAndTheMetrics asks a real engine.
func TestConsumption_IsToldByTheStatusAndTheMetrics(t *testing.T) {
	t.Parallel()
	h := patient(t)
	spec := h.spec(t, "sleep")
	spec.Labels = &map[string]string{"com.openfaas.scale.min": "1", "com.openfaas.scale.max": "3", "com.openfaas.scale.type": "capacity", "com.openfaas.scale.target": "7"}
	h.deploy(t, spec)
	h.awaitReplicas(t, spec.Service, 1)
	for range 3 {
		h.get(t, "/system/function/"+spec.Service+"?usage=1").wants(t, http.StatusOK, `"usage":{"cpu":`, `"totalMemoryBytes":`)
	}
	name := spec.Service + "." + defaultNS
	lines := []string{
		`gateway_function_invocation_started{function_name="` + name + `"} 0`,
		`gateway_service_min{function_name="` + name + `"} 1`,
		`gateway_service_target{function_name="` + name + `"} 7`,
		`pod_cpu_usage_seconds_total{function_name="` + name + `",namespace="` + defaultNS + `"} `,
		`pod_memory_working_set_bytes{function_name="` + name + `",namespace="` + defaultNS + `"} `,
	}
	for _, code := range []string{"200", "500", "502", "503", "504"} {
		lines = append(lines, `gateway_function_invocation_total{code="`+code+`",function_name="`+name+`"} 0`)
	}
	// A scrape does not wait for long when the engine is busy.
	eventually(t, "the metrics tell it", func() (bool, string) {
		text := h.get(t, "/metrics").body
		for _, line := range lines {
			if !strings.Contains(text, "\n"+line) {
				return false, fmt.Sprintf("%s is missing", line)
			}
		}
		return true, ""
	})
}
