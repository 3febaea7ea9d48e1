package e2e

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/openfaas/faas-provider/types"

	"faas-docker/engine/enginetest"
)

func TestDeploy_BadFieldIsNamedAndChangesNothing(t *testing.T) {
	t.Parallel()
	h := patient(t)
	good := h.spec(t, "echo")
	before := h.deploy(t, good)
	running := h.container(t, good.Service)
	for _, tc := range []struct {
		field  string
		change func(*types.FunctionDeployment)
	}{
		{"image", func(s *types.FunctionDeployment) { s.Image = "" }},
		{"image", func(s *types.FunctionDeployment) { s.Image = "UPPER case:latest" }},
		{"image", func(s *types.FunctionDeployment) { s.Image = "echo@sha256:short" }},
		{"namespace", func(s *types.FunctionDeployment) { s.Namespace = "Not_Allowed" }},
		{"envProcess", func(s *types.FunctionDeployment) { s.EnvProcess = "a\x00b" }},
		{"envVars", func(s *types.FunctionDeployment) { s.EnvVars = map[string]string{"1st": "x"} }},
		{"envVars", func(s *types.FunctionDeployment) { s.EnvVars = map[string]string{"a=b": "x"} }},
		{"envVars", func(s *types.FunctionDeployment) { s.EnvVars = map[string]string{"nul": "\x00"} }},
		{"constraints[0]", func(s *types.FunctionDeployment) { s.Constraints = []string{"no operator"} }},
		{"constraints[1]", func(s *types.FunctionDeployment) {
			s.Constraints = []string{"node.platform.os==linux", "node.labels.disk==ssd"}
		}},
		{"constraints[0]", func(s *types.FunctionDeployment) { s.Constraints = []string{"node.platform.os==plan9"} }},
		{"secrets[0]", func(s *types.FunctionDeployment) { s.Secrets = []string{"../../etc/passwd"} }},
		{"secrets[0]", func(s *types.FunctionDeployment) { s.Secrets = []string{"never-created"} }},
		{`labels["com.openfaas.provider"]`, func(s *types.FunctionDeployment) { s.Labels = &map[string]string{"com.openfaas.provider": "x"} }},
		{`labels["com.openfaas.spec"]`, func(s *types.FunctionDeployment) { s.Labels = &map[string]string{"com.openfaas.spec": "x"} }},
		{`labels["com.openfaas.scale.min"]`, func(s *types.FunctionDeployment) { s.Labels = &map[string]string{"com.openfaas.scale.min": "one"} }},
		{`labels["com.openfaas.scale.max"]`, func(s *types.FunctionDeployment) { s.Labels = &map[string]string{"com.openfaas.scale.max": "0"} }},
		{"annotations", func(s *types.FunctionDeployment) { s.Annotations = &map[string]string{"": "x"} }},
		{"com.openfaas.capabilities", func(s *types.FunctionDeployment) {
			s.Annotations = &map[string]string{"com.openfaas.capabilities": "SYS_ADMIN"}
		}},
		{"com.openfaas.health.http.path", func(s *types.FunctionDeployment) {
			s.Annotations = &map[string]string{"com.openfaas.health.http.path": "healthy"}
		}},
		{"limits.memory", func(s *types.FunctionDeployment) { s.Limits = &types.FunctionResources{Memory: "lots"} }},
		{"limits.memory", func(s *types.FunctionDeployment) { s.Limits = &types.FunctionResources{Memory: "-1Mi"} }},
		{"limits.cpu", func(s *types.FunctionDeployment) { s.Limits = &types.FunctionResources{CPU: "two"} }},
		{"limits.nvidia.com/gpu", func(s *types.FunctionDeployment) { s.Limits = &types.FunctionResources{NvidiaGPU: "half"} }},
		{"limits.intel.com/gpu", func(s *types.FunctionDeployment) { s.Limits = &types.FunctionResources{IntelGPU: "1"} }},
		{"requests.memory", func(s *types.FunctionDeployment) { s.Requests = &types.FunctionResources{Memory: "1 MB"} }},
		{"requests.memory", func(s *types.FunctionDeployment) {
			s.Requests, s.Limits = &types.FunctionResources{Memory: "64Mi"}, &types.FunctionResources{Memory: "32Mi"}
		}},
		{"requests.cpu", func(s *types.FunctionDeployment) { s.Requests = &types.FunctionResources{CPU: "0"} }},
	} {
		bad := good
		tc.change(&bad)
		t.Run(tc.field, func(t *testing.T) {
			if bad.Namespace == good.Namespace {
				h.send(t, http.MethodPut, "/system/functions", bad).wants(t, http.StatusBadRequest, tc.field)
			}
			bad.Service = "bad-" + good.Service
			h.send(t, http.MethodPost, "/system/functions", bad).wants(t, http.StatusBadRequest, tc.field)
			h.get(t, "/system/function/"+bad.Service).wants(t, http.StatusNotFound)
		})
	}
	if after := h.status(t, good.Service); after.Image != before.Image || after.AvailableReplicas != 1 || h.container(t, good.Service) != running {
		t.Errorf("the function changed: %+v", after)
	}
}

func TestDeploy_BadNameOrBodyIsNamed(t *testing.T) {
	t.Parallel()
	h := patient(t)
	for _, tc := range []struct{ name, body, word string }{
		{"no name", `{"image":"i"}`, "service"},
		{"upper case", `{"service":"Echo","image":"i"}`, "service"},
		{"dot", `{"service":"echo.dev","image":"i"}`, "service"},
		{"path", `{"service":"../echo","image":"i"}`, "service"},
		{"64 characters", `{"service":"` + strings.Repeat("a", 64) + `","image":"i"}`, "service"},
		{"no body", ``, "body"},
		{"not JSON", `service: echo`, "body"},
		{"an array", `[]`, "body"},
		{"wrong type", `{"service":"echo","image":"i","envVars":["a=b"]}`, "envVars"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			h.do(t, request{method: http.MethodPost, path: "/system/functions", body: tc.body}).wants(t, http.StatusBadRequest, tc.word)
		})
	}
}

func TestDeploy_ImageThatIsNotHereIsRefusedWhenNeverPulled(t *testing.T) {
	t.Parallel()
	h := startHost(t, enginetest.Network(t), map[string]string{"pull_policy": "Never"})
	h.do(t, request{method: http.MethodPost, path: "/system/functions", body: `{"service":"absent","image":"faas-test-never-built:1"}`}).
		wants(t, http.StatusBadRequest, "image", "faas-test-never-built:1", "pull_policy")
	h.get(t, "/system/function/absent").wants(t, http.StatusNotFound)
}

func TestDeploy_UnreachableRegistryIsAcceptedAndExplained(t *testing.T) {
	t.Parallel()
	h := patient(t)
	spec := h.spec(t, "echo")
	spec.Image = "127.0.0.1:1/x"
	h.send(t, http.MethodPost, "/system/functions", spec).wants(t, http.StatusAccepted)
	s := h.await(t, spec.Service, "the reason", func(s status) bool { return strings.Contains(s.Reason, "127.0.0.1:1") })
	if s.AvailableReplicas != 0 {
		t.Errorf("%d replicas of nothing are available", s.AvailableReplicas)
	}
	h.get(t, "/system/logs?name="+spec.Service).wants(t, http.StatusOK, "127.0.0.1:1")
	h.get(t, "/function/"+spec.Service).wants(t, http.StatusServiceUnavailable, spec.Service)
}

func TestDeploy_CrashOnStartShowsItsLastLines(t *testing.T) {
	t.Parallel()
	h := patient(t)
	spec := h.spec(t, "crash")
	spec.EnvVars = map[string]string{"crash_on_start": "1"}
	h.send(t, http.MethodPost, "/system/functions", spec)
	h.await(t, spec.Service, "exit code and last line as its reason", func(s status) bool {
		return strings.Contains(s.Reason, "code 7") && strings.Contains(s.Reason, "this is the end")
	})
	h.get(t, "/system/logs?name="+spec.Service).wants(t, http.StatusOK, "this is the end", "code 7")
	got := h.get(t, "/function/"+spec.Service).wants(t, http.StatusServiceUnavailable, spec.Service)
	if got.Header.Get("X-OpenFaaS-Internal") == "" {
		t.Error("X-OpenFaaS-Internal is missing")
	}
}

func TestDeploy_DeafFunctionIsExplained(t *testing.T) {
	t.Parallel()
	h := hasty(t)
	spec := h.spec(t, "crash")
	spec.EnvVars = map[string]string{"deaf": "1"}
	h.send(t, http.MethodPost, "/system/functions", spec)
	h.await(t, spec.Service, "the reason", func(s status) bool {
		return strings.Contains(s.Reason, "without answering on port 8080")
	})
	h.get(t, "/system/logs?name="+spec.Service).wants(t, http.StatusOK, "without answering on port 8080", "signals are not heard")
}

func TestDeploy_FailingUpdateLeavesTheOldRevisionServing(t *testing.T) {
	t.Parallel()
	h := patient(t)
	spec := h.spec(t, "crash")
	h.deploy(t, spec)
	old := h.container(t, spec.Service)
	spec.EnvVars = map[string]string{"crash_on_start": "1"}
	if code, err := h.sdk.Update(t.Context(), spec); err != nil {
		t.Fatal(code, err)
	}
	s := h.await(t, spec.Service, "the reason", func(s status) bool { return strings.Contains(s.Reason, "this is the end") })
	if s.AvailableReplicas != 1 {
		t.Errorf("%d replicas are available, want the old one", s.AvailableReplicas)
	}
	for range 20 {
		h.get(t, "/function/"+spec.Service).wants(t, http.StatusOK, "still alive")
	}
	if all := strings.Join(h.containers(t, spec.Service), " "); !strings.Contains(all, old) {
		t.Error("the old container is gone")
	}
}

func TestDeploy_UpdateRepairsAFunctionThatCrashes(t *testing.T) {
	t.Parallel()
	h := patient(t)
	spec := h.spec(t, "crash")
	spec.EnvVars = map[string]string{"crash_on_start": "1"}
	h.send(t, http.MethodPost, "/system/functions", spec)
	h.await(t, spec.Service, "the reason", func(s status) bool { return strings.Contains(s.Reason, "this is the end") })
	spec.EnvVars = nil
	if code, err := h.sdk.Update(t.Context(), spec); err != nil {
		t.Fatal(code, err)
	}
	if s := h.awaitReplicas(t, spec.Service, 1); s.Reason != "" {
		t.Errorf("all is well, but the reason is %q", s.Reason)
	}
	h.get(t, "/function/"+spec.Service).wants(t, http.StatusOK, "still alive")
}

func TestDeploy_TagThatMeansAnotherImageTakesEffect(t *testing.T) {
	t.Parallel()
	h := patient(t)
	spec := h.spec(t, "echo")
	tag := "faas-test-retag:" + spec.Service
	docker(t, "tag", image(t, "echo"), tag)
	t.Cleanup(func() { _, _ = runDocker(context.WithoutCancel(t.Context()), "rmi", "-f", tag) })
	spec.Image = tag
	h.deploy(t, spec)
	docker(t, "tag", image(t, "env"), tag)
	if code, err := h.sdk.Update(t.Context(), spec); err != nil {
		t.Fatal(code, err)
	}
	eventually(t, "the new image serves", func() (bool, string) {
		got := h.get(t, "/function/"+spec.Service).wants(t, http.StatusOK).body
		return strings.Contains(got, "OPENFAAS_NAME="+spec.Service), got
	})
}

func TestDeploy_ImageByItsID(t *testing.T) {
	t.Parallel()
	h := patient(t)
	spec := h.spec(t, "echo")
	named := spec.Image
	spec.Image = docker(t, "inspect", "--format", "{{.Id}}", named)
	got := h.send(t, http.MethodPost, "/system/functions", spec)
	if got.StatusCode != http.StatusBadRequest {
		got.wants(t, http.StatusAccepted)
		h.awaitReplicas(t, spec.Service, 1)
	} else if !strings.Contains(got.body, "image") {
		t.Errorf("%q does not name the field", got.body)
	}
}

func TestDeploy_EnvironmentArrivesVerbatim(t *testing.T) {
	t.Parallel()
	h := patient(t)
	spec := h.spec(t, "env")
	spec.EnvVars, spec.EnvProcess = hostileValues(), "cat -v 'a b'"
	h.deploy(t, spec)
	body := "\n" + h.get(t, "/function/"+spec.Service).wants(t, http.StatusOK).body
	for name, value := range spec.EnvVars {
		if !strings.Contains(body, "\n"+name+"="+value+"\n") {
			t.Errorf("%s=%q did not arrive", name, value)
		}
	}
	for _, want := range []string{"fprocess=cat -v 'a b'", "OPENFAAS_NAME=" + spec.Service, "OPENFAAS_NAMESPACE=" + defaultNS} {
		if !strings.Contains(body, "\n"+want+"\n") {
			t.Errorf("%s is missing", want)
		}
	}
}

// silentRegistry answers no request before its connection is closed, and counts
// them.
func silentRegistry(t *testing.T) (address string, asked <-chan struct{}) {
	t.Helper()
	signal := make(chan struct{}, 100)
	end := make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		signal <- struct{}{}
		select {
		case <-r.Context().Done():
		case <-end:
		}
	}))
	t.Cleanup(func() { close(end); server.Close() })
	return server.Listener.Addr().(*net.TCPAddr).String(), signal
}

// A deployment may wait for a pull for longer than a client may take to send the
// request.
func TestDeploy_SlowPullOutlivesTheReadTimeout(t *testing.T) {
	t.Parallel()
	h := startHost(t, enginetest.Network(t), map[string]string{"read_timeout": "1s"})
	spec := h.spec(t, "echo")
	registry, asked := silentRegistry(t)
	spec.Image = registry + "/slow:1"
	began := time.Now()
	got := h.send(t, http.MethodPost, "/system/functions", spec)
	select {
	case <-asked:
	default:
		t.Fatal("the registry was not asked: this test no longer tests anything")
	}
	if got.StatusCode != http.StatusAccepted {
		t.Fatalf("after %s: status %d, want 202: %q", time.Since(began).Round(time.Millisecond), got.StatusCode, got.body)
	}
	h.get(t, "/system/function/"+spec.Service).wants(t, http.StatusOK, "being fetched")
}

func TestContainer_IsConfinedAndCarriesTheUsersLabels(t *testing.T) {
	t.Parallel()
	h := patient(t)
	spec := everything(h, t)
	h.deploy(t, spec)
	id := h.container(t, spec.Service)
	inspect := func(format string) string { return docker(t, "inspect", "--format", format, id) }
	for format, want := range map[string]string{
		"{{json .HostConfig.SecurityOpt}}":                 `["no-new-privileges"]`,
		"{{json .HostConfig.CapDrop}}":                     `["ALL"]`,
		"{{json .HostConfig.CapAdd}}":                      "null",
		"{{.HostConfig.PidsLimit}}":                        "1024",
		"{{.HostConfig.Memory}}":                           fmt.Sprint(6 << 20),
		"{{.HostConfig.NanoCpus}}":                         "500000000",
		"{{.HostConfig.ReadonlyRootfs}}":                   "true",
		"{{.HostConfig.Privileged}}":                       "false",
		"{{json .HostConfig.PortBindings}}":                "{}",
		"{{len .Mounts}}":                                  "1",
		"{{(index .Mounts 0).Destination}}":                "/var/openfaas/secrets",
		"{{(index .Mounts 0).RW}}":                         "false",
		`{{index .Config.Labels "faas_function"}}`:         spec.Service,
		`{{index .Config.Labels "com.openfaas.function"}}`: spec.Service,
	} {
		if got := inspect(format); got != want && !(want == "null" && got == "[]") && !(want == "{}" && got == "null") {
			t.Errorf("%s is %s, want %s", format, got, want)
		}
	}
	for key, value := range *spec.Labels {
		if got := inspect(fmt.Sprintf("{{index .Config.Labels %q}}", key)); got != strings.TrimSpace(value) {
			t.Errorf("label %s is %q, want %q", key, got, value)
		}
	}
}

func TestContainer_GetsBackTheCapabilitiesItNames(t *testing.T) {
	t.Parallel()
	h := patient(t)
	spec := h.spec(t, "echo")
	spec.Annotations = &map[string]string{"com.openfaas.capabilities": "net_bind_service, CHOWN"}
	h.deploy(t, spec)
	got := docker(t, "inspect", "--format", "{{json .HostConfig.CapAdd}}{{json .HostConfig.CapDrop}}", h.container(t, spec.Service))
	if !strings.Contains(got, "NET_BIND_SERVICE") || !strings.Contains(got, "CHOWN") || !strings.Contains(got, `["ALL"]`) {
		t.Errorf("capabilities are %s", got)
	}
}

func TestContainer_ReadOnlyRootHasAWritableTmp(t *testing.T) {
	t.Parallel()
	h := patient(t)
	spec := h.spec(t, "probe")
	h.deploy(t, spec)
	h.get(t, "/function/"+spec.Service+"/write?path=/other").wants(t, http.StatusOK)
	spec.ReadOnlyRootFilesystem = true
	if code, err := h.sdk.Update(t.Context(), spec); err != nil {
		t.Fatal(code, err)
	}
	eventually(t, "the root is read-only", func() (bool, string) {
		got := h.get(t, "/function/"+spec.Service+"/write?path=/other")
		return got.StatusCode == http.StatusInternalServerError && strings.Contains(got.body, "read-only"), got.body
	})
	h.get(t, "/function/"+spec.Service+"/write?path=/tmp/.lock").wants(t, http.StatusOK)
}

// Every function has a worker of its own: what one waits for delays no other. Cold
// starts of one function are measured by themselves and while others are in trouble,
// in turns, because the machine is not always as fast. No trouble ends before the cold
// start beside it does: one that waited for it would never come. A function that crashes
// keeps the engine busy, and all that it does takes longer: a start of the engine's own,
// beside the same trouble, says how much.
func TestDeploy_TroubleOfOneFunctionDelaysNoOther(t *testing.T) {
	parallelUnlessAlone(t)
	h := startHost(t, enginetest.Network(t), map[string]string{"netns_pool": "1"})
	cold := h.spec(t, "echo")
	cold.Labels = &map[string]string{"com.openfaas.scale.min": "0"}
	h.send(t, http.MethodPost, "/system/functions", cold).wants(t, http.StatusAccepted)
	troubles := []struct {
		name  string
		begin func(*testing.T) (end func())
	}{
		{"nothing", func(*testing.T) func() { return func() {} }},
		{"a drain", h.drainSomething},
		{"a pull", h.pullSomething},
		{"a failure", h.failSomething},
	}
	took, engine := map[string][]time.Duration{}, map[string][]time.Duration{}
	for round := range coldRounds {
		for _, trouble := range troubles {
			measures := []func(){
				func() { took[trouble.name] = append(took[trouble.name], h.startFromZero(t, cold.Service)) },
				func() {
					engine[trouble.name] = append(engine[trouble.name], engineStarts(t, h.network, cold.Image, 1).Round(100*time.Microsecond))
				},
			}
			end := trouble.begin(t)
			measures[round%2]() // a trouble may ebb
			measures[1-round%2]()
			end()
		}
	}
	undisturbed := float64(middle(took["nothing"])) / float64(middle(engine["nothing"]))
	for _, trouble := range troubles {
		ratio := float64(middle(took[trouble.name])) / float64(middle(engine[trouble.name]))
		t.Logf("cold starts beside %s: %s; the engine's own: %s; medians ÷ %.2f", trouble.name, took[trouble.name], engine[trouble.name], ratio)
		if limit := coldLimit * undisturbed; alone && ratio > limit {
			t.Errorf("cold starts beside %s take %.2f times what the engine needs for one, want at most %.2f, %g times those beside nothing", trouble.name, ratio, limit, coldLimit)
		}
	}
}

// startFromZero measures a call of a function that has no replica, and takes the
// replica away again.
func (h *host) startFromZero(t *testing.T, name string) time.Duration {
	t.Helper()
	h.awaitNamespace(t)
	began := time.Now()
	h.do(t, request{method: http.MethodPost, path: "/function/" + name, body: "awake"}).wants(t, http.StatusOK, "awake")
	took := time.Since(began)
	h.send(t, http.MethodPost, "/system/scale-function/"+name, map[string]any{"replicas": 0}).wants(t, http.StatusAccepted)
	eventually(t, "it is at zero again", func() (bool, string) { return len(h.containers(t, name)) == 0, "" })
	return took.Round(100 * time.Microsecond)
}

// middle is the median of several times.
func middle(times []time.Duration) time.Duration {
	sorted := slices.Sorted(slices.Values(times))
	return sorted[len(sorted)/2]
}

// drainSomething updates a function whose old replica has a call until end.
func (h *host) drainSomething(t *testing.T) (end func()) {
	t.Helper()
	spec := h.spec(t, "echo")
	h.deploy(t, spec)
	finish := h.callUntilTold(t, "/function/"+spec.Service+"?stream=1")
	spec.EnvVars = map[string]string{"round": "2"}
	h.send(t, http.MethodPut, "/system/functions", spec).wants(t, http.StatusOK)
	h.awaitLeaving(t, spec.Service, 1)
	return func() {
		if now := len(h.containers(t, spec.Service)); now != 2 {
			t.Errorf("%d containers of the function that is drained, want both revisions' for as long as the call lasts", now)
		}
		if got, err := finish(); err != nil || got != "begun, ended" {
			t.Errorf("the call that was drained got %q, %v", got, err)
		}
		h.end(t, spec.Service)
	}
}

// pullSomething deploys a function whose image is being fetched until end.
func (h *host) pullSomething(t *testing.T) (end func()) {
	t.Helper()
	spec := h.spec(t, "echo")
	registry, asked := silentRegistry(t)
	spec.Image = registry + "/slow:1"
	ctx, cancel := context.WithCancel(t.Context())
	deployed := make(chan struct{})
	go func() {
		defer close(deployed)
		_, _ = h.sdk.Deploy(ctx, spec) // it is given up below
	}()
	select {
	case <-asked:
	case <-time.After(soon):
		t.Fatal("the registry was not asked: this test no longer tests anything")
	}
	return func() { cancel(); <-deployed }
}

// failSomething deploys a function that crashes whenever it is started.
func (h *host) failSomething(t *testing.T) (end func()) {
	t.Helper()
	spec := h.spec(t, "crash")
	spec.EnvVars = map[string]string{"crash_on_start": "1"}
	h.send(t, http.MethodPost, "/system/functions", spec)
	h.await(t, spec.Service, "the reason", func(s status) bool { return strings.Contains(s.Reason, "code 7") })
	return func() { h.end(t, spec.Service) }
}

// end deletes a function and waits until nothing of it is left.
func (h *host) end(t *testing.T, name string) {
	t.Helper()
	h.forget(t, name, defaultNS)
	eventually(t, "nothing of "+name+" is left", func() (bool, string) { return len(h.containers(t, name)) == 0, "" })
}

// callUntilTold begins a call of an echo that streams. It lasts until end is called,
// which returns the answer.
func (h *host) callUntilTold(t *testing.T, path string) (end func() (string, error)) {
	t.Helper()
	body, send := io.Pipe()
	sent, err := http.NewRequestWithContext(t.Context(), http.MethodPost, h.url+path, body)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = send.Close() })
	go func() { _, _ = send.Write([]byte("begun, ")) }()
	response, err := h.client.Do(sent) // the echo answers its head at once
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = response.Body.Close() })
	return func() (string, error) {
		go func() {
			_, _ = send.Write([]byte("ended"))
			_ = send.Close()
		}()
		got, err := io.ReadAll(response.Body)
		return string(got), err
	}
}
