package e2e

import (
	"context"
	"fmt"
	"maps"
	"net/http"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/openfaas/faas-provider/types"

	"faas-docker/engine/enginetest"
	"faas-docker/function"
)

// sluggish describes a function that needs a while before it listens, whose image says
// so with these instructions.
func (h *host) sluggish(t testing.TB, changes ...string) types.FunctionDeployment {
	t.Helper()
	spec := h.spec(t, "sluggish")
	if len(changes) > 0 {
		spec.Image = enginetest.Image(t, "./e2e/testdata/sluggish", changes...)
	}
	spec.EnvVars = map[string]string{"delay": "1s"}
	return spec
}

// keepCalling calls a function, without and with a body, until it is stopped.
func (h *host) keepCalling(t testing.TB, name string) (stop func() (calls int, failed []string)) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	var mu sync.Mutex
	var calls int
	var failed []string
	var group sync.WaitGroup
	for i := range 4 {
		r := request{method: http.MethodGet, path: "/function/" + name}
		if i%2 == 0 {
			r.method, r.body = http.MethodPost, strings.Repeat("x", 50_000*i+1)
		}
		group.Go(func() {
			for ctx.Err() == nil {
				got, err := h.try(context.WithoutCancel(ctx), r)
				mu.Lock()
				calls++ // at some pace: the machine is not what is tested
				if err != nil || got.StatusCode != http.StatusOK {
					failed = append(failed, fmt.Sprintf("%s: %v %s", r.method, err, clipped(got.body)))
				}
				mu.Unlock()
				time.Sleep(20 * time.Millisecond)
			}
		})
	}
	return func() (int, []string) {
		cancel()
		group.Wait()
		return calls, failed
	}
}

// A watchdog is up before the process that it calls.
func TestReadiness_NoCallFailsThoughTheProcessStartsLate(t *testing.T) {
	t.Parallel()
	h := patient(t)
	watchdog := map[string]string{"mode": "http", "fprocess": "x", "upstream_url": "http://127.0.0.1:5000"}
	for name, test := range map[string]struct {
		env, also map[string]string
		exposed   []string
	}{
		"it listens on its loopback":             {watchdog, map[string]string{"listens": "127.0.0.1:5000"}, nil},
		"no lock file, and on a port of its own": {watchdog, map[string]string{"listens": ":5000", "suppress_lock": "true", "port": "3333"}, nil},
		"nothing is known of it":                 {map[string]string{"hidden_mode": "http", "hidden_url": "http://127.0.0.1:5000"}, map[string]string{"listens": "127.0.0.1:5000"}, nil},
		"no watchdog, and one port":              {nil, map[string]string{"listens": ":7001"}, []string{"EXPOSE 7001/tcp", "EXPOSE 53/udp"}},
	} {
		t.Run(name, func(t *testing.T) { // one after the other: starts are dear
			spec := h.sluggish(t, test.exposed...)
			maps.Copy(spec.EnvVars, test.env)
			maps.Copy(spec.EnvVars, test.also)
			spec.Labels = &map[string]string{"com.openfaas.scale.min": "0", "com.openfaas.scale.max": "3"}
			if code, err := h.sdk.Deploy(t.Context(), spec); err != nil {
				t.Fatalf("deploy: %d %v", code, err)
			}
			stop := h.keepCalling(t, spec.Service) // a cold start
			h.await(t, spec.Service, "a replica", func(s status) bool { return s.AvailableReplicas > 0 })
			spec.EnvVars["version"] = "2"
			if code, err := h.sdk.Update(t.Context(), spec); err != nil {
				t.Fatalf("update: %d %v", code, err)
			}
			eventually(t, "the update serves", func() (bool, string) {
				got := h.get(t, "/function/"+spec.Service).body
				return strings.HasPrefix(got, "version 2: 0 bytes"), got
			})
			if err := h.sdk.ScaleFunction(t.Context(), spec.Service, defaultNS, 2); err != nil {
				t.Fatal(err)
			}
			h.await(t, spec.Service, "two replicas", func(s status) bool { return s.AvailableReplicas >= 2 })
			if calls, failed := stop(); len(failed) > 0 {
				t.Errorf("%d of %d calls failed: %s", len(failed), calls, failed[0])
			}
		})
	}
}

// What always fails reaches its callers.
func TestReadiness_AFunctionThatNeverAnswersIsNotWaitedFor(t *testing.T) {
	t.Parallel()
	h := patient(t)
	spec := h.sluggish(t)
	spec.EnvVars = map[string]string{"mode": "http", "fprocess": "x", "upstream_url": "http://127.0.0.1:5000", "listens": "127.0.0.1:5000", "fails": "1"}
	h.deploy(t, spec)
	for range 3 {
		began := time.Now()
		got := h.do(t, request{method: http.MethodPost, path: "/function/" + spec.Service, body: "x"}).wants(t, http.StatusInternalServerError)
		if took := time.Since(began); got.Header.Get("X-OpenFaaS-Internal") != "of-watchdog" || took > 10*time.Second {
			t.Errorf("%v after %v, want the watchdog's own answer", got.Header, took)
		}
	}
}

func TestReadiness_CallersAreToldWhatIsWaitedFor(t *testing.T) {
	t.Parallel()
	h := sharedHost(t, "eager", map[string]string{"wake_timeout": "100ms", "start_timeout": "2m"})
	for name, test := range map[string]struct {
		env   map[string]string
		words []string
	}{
		"a process behind a watchdog": {
			map[string]string{"mode": "http", "fprocess": "x", "upstream_url": "http://127.0.0.1:5000", "delay": "1h"},
			[]string{"the process behind its watchdog does not listen on port 5000 since "},
		},
		"another port":       {map[string]string{"listens": ":3000"}, []string{"nothing listens on port 8080 since ", "it listens on 3000", "port=3000"}},
		"a rare one":         {map[string]string{"listens": ":29417", "ADMIN_PORT": "29417"}, []string{"nothing listens on port 8080 since ", "it listens on 29417"}},
		"a missing lock":     {map[string]string{"mode": "http", "upstream_url": "http://127.0.0.1:1", "unlocked": "1", "delay": "1h"}, []string{"answers 503 on /_/health since "}},
		"its loopback alone": {map[string]string{"listens": "127.0.0.1:8080"}, []string{"nothing listens on port 8080 since ", "127.0.0.1 only"}},
	} {
		t.Run(name, func(t *testing.T) {
			spec := h.sluggish(t)
			spec.EnvVars = test.env
			if code, err := h.sdk.Deploy(t.Context(), spec); err != nil {
				t.Fatalf("deploy: %d %v", code, err)
			}
			saysAll := func(text string) bool {
				return !slices.ContainsFunc(test.words, func(word string) bool { return !strings.Contains(text, word) })
			}
			h.await(t, spec.Service, "a reason", func(s status) bool {
				return strings.HasPrefix(s.Reason, "starting: replica "+spec.Service) && saysAll(s.Reason)
			})
			h.get(t, "/function/"+spec.Service).wants(t, http.StatusServiceUnavailable, test.words...)
			h.forget(t, spec.Service, defaultNS)
		})
	}
}

func TestReadiness_TheImagesOwnHealthCheckIsOff(t *testing.T) {
	t.Parallel()
	h := patient(t)
	spec := h.sluggish(t, `HEALTHCHECK --interval=1s --retries=1 CMD ["/function", "--version"]`)
	spec.EnvVars["delay"] = "0"
	h.deploy(t, spec)
	id := h.container(t, spec.Service)
	out, err := exec.CommandContext(t.Context(), "docker", "inspect", "-f", `{{json .Config.Healthcheck.Test}} {{json .State.Health}}`, id).Output()
	if err != nil || strings.TrimSpace(string(out)) != `["NONE"] null` {
		t.Errorf("the replica's health check is %s (%v), want none", out, err)
	}
	image, err := exec.CommandContext(t.Context(), "docker", "image", "inspect", "-f", `{{json .Config.Healthcheck.Test}}`, spec.Image).Output()
	if err != nil || !strings.Contains(string(image), "CMD") {
		t.Errorf("the image has none: %s (%v): this test proves nothing", image, err)
	}
}

func TestReadiness_TheHostIsLocalhostOrWhatIsSaid(t *testing.T) {
	t.Parallel()
	h := patient(t)
	spec := h.sluggish(t)
	spec.EnvVars = map[string]string{"host": "shop.example.org", "version": "1"}
	spec.Annotations = &map[string]string{function.AnnotationReadyPath: "/hosted", function.ReadyPrefix + function.ProbeHost: "shop.example.org"}
	h.deploy(t, spec)
	spec.Annotations = &map[string]string{function.AnnotationReadyPath: "/hosted"}
	spec.EnvVars = map[string]string{"host": "localhost", "version": "2"}
	if code, err := h.sdk.Update(t.Context(), spec); err != nil {
		t.Fatalf("update: %d %v", code, err)
	}
	eventually(t, "the update serves", func() (bool, string) {
		got := h.get(t, "/function/"+spec.Service).body
		return strings.HasPrefix(got, "version 2"), got
	})
}

func TestReadiness_ABadValueIsRefusedAndAnUnknownKeyIsNamed(t *testing.T) {
	t.Parallel()
	h := patient(t)
	for key, text := range map[string]string{
		"com.openfaas.ready.http.initialDelaySeconds": "soon", "com.openfaas.ready.http.successThreshold": "-1", "com.openfaas.health.http.initialDelay": "30 s",
		"com.openfaas.ready.http.path": "ready", "com.openfaas.health.http.host": "a b",
	} {
		spec := h.spec(t, "env")
		spec.Annotations = &map[string]string{key: text}
		h.send(t, http.MethodPost, "/system/functions", spec).wants(t, http.StatusBadRequest, key, text)
		spec.Annotations, spec.Labels = nil, &map[string]string{key: text}
		h.send(t, http.MethodPost, "/system/functions", spec).wants(t, http.StatusBadRequest, "labels", key, text)
	}
	spec := h.spec(t, "env")
	spec.Annotations = &map[string]string{"com.openfaas.health.http.timeout": "5s"}
	h.deploy(t, spec)
	h.get(t, "/system/logs?name="+spec.Service).wants(t, http.StatusOK, "com.openfaas.health.http.timeout is not known")
}
