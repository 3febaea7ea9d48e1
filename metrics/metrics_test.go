package metrics

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"

	"faas-docker/function"
)

func figlet() function.Name { return function.Name{Name: "figlet", Namespace: "openfaas-fn"} }

func TestInvocations_HaveTheGatewaysNamesAndLabels(t *testing.T) {
	t.Parallel()
	m := New(Sources{})
	m.Started(figlet())
	m.Started(figlet())
	m.Started(figlet())
	m.Finished(figlet(), 200, 40*time.Millisecond)
	m.Finished(figlet(), 502, 2*time.Second)
	expect(t, m, `
# HELP gateway_function_invocation_started Invocations begun.
# TYPE gateway_function_invocation_started counter
gateway_function_invocation_started{function_name="figlet.openfaas-fn"} 3
# HELP gateway_function_invocation_total Invocations ended, by status code.
# TYPE gateway_function_invocation_total counter
gateway_function_invocation_total{code="200",function_name="figlet.openfaas-fn"} 1
gateway_function_invocation_total{code="502",function_name="figlet.openfaas-fn"} 1
`, "gateway_function_invocation_started", "gateway_function_invocation_total")
	for _, line := range []string{
		`gateway_functions_seconds_bucket{code="200",function_name="figlet.openfaas-fn",le="0.025"} 0`,
		`gateway_functions_seconds_bucket{code="200",function_name="figlet.openfaas-fn",le="0.05"} 1`,
		`gateway_functions_seconds_sum{code="502",function_name="figlet.openfaas-fn"} 2`,
	} {
		if text := scrape(t, m); !strings.Contains(text, line+"\n") {
			t.Errorf("%s is missing in\n%s", line, text)
		}
	}
}

func TestGauges_MirrorStatusesAtTheScrape(t *testing.T) {
	t.Parallel()
	var statuses []function.Status
	m := New(Sources{Statuses: func() []function.Status { return statuses }})
	expect(t, m, "", "gateway_service_count")
	statuses = []function.Status{{
		Function: function.Function{Spec: function.Spec{Name: "figlet", Namespace: "dev"}, Replicas: 4},
		Load:     function.Load{Ready: 3, InFlight: 7, Waiting: 2},
	}}
	expect(t, m, `
# HELP faas_docker_inflight Invocations that hold a replica.
# TYPE faas_docker_inflight gauge
faas_docker_inflight{function_name="figlet.dev"} 7
# HELP faas_docker_waiting Invocations held because no replica is ready.
# TYPE faas_docker_waiting gauge
faas_docker_waiting{function_name="figlet.dev"} 2
# HELP gateway_service_count Replicas that should run.
# TYPE gateway_service_count gauge
gateway_service_count{function_name="figlet.dev"} 4
# HELP gateway_service_ready_count Replicas that answer.
# TYPE gateway_service_ready_count gauge
gateway_service_ready_count{function_name="figlet.dev"} 3
`, "faas_docker_inflight", "faas_docker_waiting", "gateway_service_count", "gateway_service_ready_count")
}

func TestForget_RemovesTheFunctionsSeriesOnly(t *testing.T) {
	t.Parallel()
	m := New(Sources{})
	other := function.Name{Name: "figlet", Namespace: "dev"}
	for _, name := range []function.Name{figlet(), other} {
		m.Started(name)
		m.Finished(name, 200, time.Millisecond)
	}
	m.Forget(figlet())
	m.Finished(figlet(), 200, time.Millisecond)
	text := scrape(t, m)
	if strings.Contains(text, `"figlet.openfaas-fn"`) {
		t.Errorf("series of a forgotten function:\n%s", text)
	}
	if !strings.Contains(text, `gateway_function_invocation_total{code="200",function_name="figlet.dev"} 1`) {
		t.Errorf("the other function's series are gone:\n%s", text)
	}
}

func TestForget_CountsFromZeroWhenDeployedAgain(t *testing.T) {
	t.Parallel()
	m := New(Sources{})
	m.Started(figlet())
	m.Forget(figlet())
	m.Started(figlet())
	if got := testutil.ToFloat64(m.started); got != 1 {
		t.Errorf("started %v, want 1", got)
	}
}

func TestMetrics_SurvivesForgetDuringInvocations(t *testing.T) {
	t.Parallel()
	m := New(Sources{})
	var callers sync.WaitGroup
	for range 8 {
		callers.Go(func() {
			for code := range 500 {
				m.Started(figlet())
				m.Finished(figlet(), code, time.Millisecond)
			}
		})
	}
	callers.Go(func() {
		for range 100 {
			m.Forget(figlet())
		}
	})
	callers.Wait()
	m.Forget(figlet())
	if left := testutil.CollectAndCount(m.finished); left != 0 {
		t.Errorf("%d series left of a forgotten function", left)
	}
}

func TestHandler_ServesRuntimeAndProcess(t *testing.T) {
	t.Parallel()
	text := scrape(t, New(Sources{}))
	for _, name := range []string{"go_goroutines ", "process_resident_memory_bytes "} {
		if !strings.Contains(text, "\n"+name) {
			t.Errorf("%s is missing in\n%s", name, text)
		}
	}
}

func TestMetrics_HasNoNamesThatLintersRefuse(t *testing.T) {
	t.Parallel()
	m := New(Sources{Statuses: func() []function.Status { return []function.Status{{}} }})
	m.Started(figlet())
	m.Finished(figlet(), 200, time.Millisecond)
	problems, err := testutil.GatherAndLint(m.registry)
	if err != nil {
		t.Fatal(err)
	}
	for _, problem := range problems {
		// The gateway's names are as they are: dashboards know them.
		if !strings.HasPrefix(problem.Metric, "gateway_") {
			t.Errorf("%s: %s", problem.Metric, problem.Text)
		}
	}
}

func TestHotPath_AllocatesNothing(t *testing.T) {
	m := New(Sources{})
	name := figlet()
	invoke := func() {
		m.Started(name)
		m.Finished(name, 200, time.Millisecond)
	}
	invoke()
	if got := testing.AllocsPerRun(1000, invoke); got != 0 {
		t.Errorf("%v allocations per invocation, want none", got)
	}
}

func BenchmarkInvocation(b *testing.B) {
	m := New(Sources{})
	name := figlet()
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			m.Started(name)
			m.Finished(name, 200, time.Millisecond)
		}
	})
}

func expect(t *testing.T, m *Metrics, want string, names ...string) {
	t.Helper()
	if err := testutil.GatherAndCompare(m.registry, strings.NewReader(want), names...); err != nil {
		t.Error(err)
	}
}

func scrape(t *testing.T, m *Metrics) string {
	t.Helper()
	answer := httptest.NewRecorder()
	m.Handler().ServeHTTP(answer, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/metrics", nil))
	return answer.Body.String()
}

// Series begin at zero as soon as a function is deployed, and those of a code that was counted
// before go on.
func TestInvocations_BeginAtZero(t *testing.T) {
	t.Parallel()
	var statuses []function.Status
	m := New(Sources{Statuses: func() []function.Status { return statuses }})
	zero := func(code string) string {
		return `gateway_function_invocation_total{code="` + code + `",function_name="figlet.openfaas-fn"} 0` + "\n"
	}
	if text := scrape(t, m); strings.Contains(text, "figlet") {
		t.Errorf("series of a function that is not there:\n%s", text)
	}
	statuses = []function.Status{{Function: function.Function{Spec: function.Spec{Name: "figlet", Namespace: "openfaas-fn"}}}}
	text := scrape(t, m)
	for _, code := range []string{"200", "400", "404", "429", "499", "500", "502", "503", "504"} {
		if !strings.Contains(text, zero(code)) {
			t.Errorf("%s is missing", zero(code))
		}
	}
	if !strings.Contains(text, `gateway_function_invocation_started{function_name="figlet.openfaas-fn"} 0`+"\n") {
		t.Error("no calls are said to have begun")
	}
	m.Started(figlet())
	m.Finished(figlet(), 500, time.Second)
	text = scrape(t, m)
	if !strings.Contains(text, strings.Replace(zero("500"), "} 0", "} 1", 1)) || !strings.Contains(text, zero("502")) {
		t.Errorf("after an error:\n%s", text)
	}
	m.Forget(figlet())
	statuses = nil
	if text := scrape(t, m); strings.Contains(text, "figlet") {
		t.Errorf("series of a function that is gone:\n%s", text)
	}
}

func TestGauges_TellWhatScalingAimsAtAndWhatIsConsumed(t *testing.T) {
	t.Parallel()
	status := func(name string, ready, asleep int) function.Status {
		return function.Status{Function: function.Function{Spec: function.Spec{Name: name, Namespace: "dev"}}, Load: function.Load{Ready: ready, Asleep: asleep}}
	}
	statuses := []function.Status{status("busy", 2, 0), status("frozen", 0, 1), status("zero", 0, 0), status("dark", 1, 0)}
	m := New(Sources{
		Statuses: func() []function.Status { return statuses },
		Scaling: func(f function.Function) (int, float64) {
			if f.Name == "busy" {
				return 2, 50
			}
			return 1, 0
		},
		Usages: func(names []function.Name) map[function.Name]function.Usage {
			known := map[function.Name]function.Usage{}
			for _, name := range names {
				if name.Name != "dark" {
					known[name] = function.Usage{CPUSeconds: 1.5, MemoryBytes: 4096}
				}
			}
			return known
		},
	})
	expect(t, m, `
# HELP gateway_service_min Replicas that the function has at least when it is called.
# TYPE gateway_service_min gauge
gateway_service_min{function_name="busy.dev"} 2
gateway_service_min{function_name="dark.dev"} 1
gateway_service_min{function_name="frozen.dev"} 1
gateway_service_min{function_name="zero.dev"} 1
# HELP gateway_service_target Load of one replica that scaling aims at, in the unit of its rule.
# TYPE gateway_service_target gauge
gateway_service_target{function_name="busy.dev"} 50
# HELP pod_cpu_usage_seconds_total Processor time that all replicas have used.
# TYPE pod_cpu_usage_seconds_total counter
pod_cpu_usage_seconds_total{function_name="busy.dev",namespace="dev"} 1.5
pod_cpu_usage_seconds_total{function_name="frozen.dev",namespace="dev"} 1.5
# HELP pod_memory_working_set_bytes Memory of all replicas, without the cache that can be dropped.
# TYPE pod_memory_working_set_bytes gauge
pod_memory_working_set_bytes{function_name="busy.dev",namespace="dev"} 4096
pod_memory_working_set_bytes{function_name="frozen.dev",namespace="dev"} 4096
`, "gateway_service_min", "gateway_service_target", "pod_cpu_usage_seconds_total", "pod_memory_working_set_bytes")
}

func TestCalls_AreCountedOnAcrossRuns(t *testing.T) {
	t.Parallel()
	first := New(Sources{})
	for range 3 {
		first.Started(figlet())
	}
	second := New(Sources{})
	second.Resume(first.AllCalls())
	second.Started(figlet())
	if got := second.Calls(figlet()); got != 4 {
		t.Errorf("%d calls, want 4", got)
	}
	second.Forget(figlet())
	if got := second.Calls(figlet()); got != 0 || len(second.AllCalls()) != 0 {
		t.Errorf("%d calls of a function that is gone", got)
	}
}
