package e2e

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"reflect"
	"strings"
	"testing"

	"github.com/openfaas/faas-provider/types"
)

func TestFunctions_PutOfNewOneIs404SoThatTheClientPosts(t *testing.T) {
	t.Parallel()
	h := patient(t)
	spec := h.spec(t, "echo")
	h.send(t, http.MethodPut, "/system/functions", spec).wants(t, http.StatusNotFound, spec.Service)
	h.get(t, "/system/function/"+spec.Service).wants(t, http.StatusNotFound, spec.Service)
}

func TestFunctions_DeployUpdateDelete(t *testing.T) {
	t.Parallel()
	h := patient(t)
	spec := h.spec(t, "env")
	spec.EnvVars = map[string]string{"colour": "red"}
	h.deploy(t, spec)
	h.send(t, http.MethodPost, "/system/functions", spec).wants(t, http.StatusConflict, spec.Service)

	spec.EnvVars = map[string]string{"colour": "blue"}
	if code, err := h.sdk.Update(t.Context(), spec); err != nil {
		t.Fatalf("update: %d %v", code, err)
	}
	eventually(t, "the new revision serves", func() (bool, string) {
		got := h.get(t, "/function/"+spec.Service).wants(t, http.StatusOK).body
		return strings.Contains(got, "colour=blue\n"), got
	})

	if err := h.sdk.DeleteFunction(t.Context(), spec.Service, defaultNS); err != nil {
		t.Fatal(err)
	}
	h.get(t, "/system/function/"+spec.Service).wants(t, http.StatusNotFound)
	h.get(t, "/function/"+spec.Service).wants(t, http.StatusNotFound)
	eventually(t, "the containers are gone", func() (bool, string) {
		left := h.containers(t, spec.Service)
		return len(left) == 0, fmt.Sprint(left)
	})
}

func TestFunctions_DeleteRefusals(t *testing.T) {
	t.Parallel()
	h := patient(t)
	for _, tc := range []struct {
		name, body string
		status     int
		word       string
	}{
		{"unknown function", `{"functionName":"nobody-knows-it"}`, http.StatusNotFound, "nobody-knows-it"},
		{"empty name", `{"functionName":""}`, http.StatusBadRequest, "functionName"},
		{"no name", `{}`, http.StatusBadRequest, "functionName"},
		{"no body", ``, http.StatusBadRequest, "body"},
		{"not JSON", `functionName`, http.StatusBadRequest, "body"},
		{"wrong type", `{"functionName":7}`, http.StatusBadRequest, "functionName"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			h.do(t, request{method: http.MethodDelete, path: "/system/functions", body: tc.body}).wants(t, tc.status, tc.word)
		})
	}
	if err := h.sdk.DeleteFunction(t.Context(), "nobody-knows-it", defaultNS); err == nil || !strings.Contains(err.Error(), "not found") {
		t.Errorf("the SDK says %v, want that it was not found", err)
	}
}

// faas-cli deploy --replace deletes and deploys in one breath.
func TestFunctions_DeployRightAfterDelete(t *testing.T) {
	t.Parallel()
	h := patient(t)
	spec := h.spec(t, "env")
	spec.EnvVars = map[string]string{"colour": "red"}
	h.deploy(t, spec)
	old := h.container(t, spec.Service)
	if err := h.sdk.DeleteFunction(t.Context(), spec.Service, defaultNS); err != nil {
		t.Fatal(err)
	}
	spec.EnvVars = map[string]string{"colour": "blue"}
	h.deploy(t, spec)
	eventually(t, "the new container alone is left", func() (bool, string) {
		left := h.containers(t, spec.Service)
		return len(left) == 1 && left[0] != old, fmt.Sprint(left)
	})
	h.get(t, "/function/"+spec.Service).wants(t, http.StatusOK, "colour=blue\n")
}

func TestFunctions_ListOfNothingIsAnEmptyArray(t *testing.T) {
	t.Parallel()
	h := patient(t)
	if got := strings.TrimSpace(h.get(t, "/system/functions?namespace=nobody-lives-here").wants(t, http.StatusOK).body); got != "[]" {
		t.Errorf("got %q, want []", got)
	}
}

// everything is a deployment with every field set, and values that are easily
// damaged on their way.
func everything(h *host, t *testing.T) types.FunctionDeployment {
	spec := h.spec(t, "env")
	secret := types.Secret{Name: spec.Service + "-key", Namespace: defaultNS, Value: "s3cr3t"}
	if _, err := h.sdk.CreateSecret(t.Context(), secret); err != nil {
		t.Fatal(err)
	}
	spec.EnvProcess = "cat -v 'a b'"
	spec.EnvVars = hostileValues()
	spec.Constraints = []string{"node.platform.os == linux"}
	spec.Secrets = []string{secret.Name}
	spec.Labels = &map[string]string{"com.example/team": "a b", "empty": "", "quotes": `"'$x={}`}
	spec.Annotations = &map[string]string{"topic": "x", "json": `{"a":[1,"b",{"c":null}],"d":"\n"}`}
	spec.Limits = &types.FunctionResources{Memory: "5Mi", CPU: "500m"}
	spec.Requests = &types.FunctionResources{Memory: "5Mi", CPU: "0.1"}
	spec.ReadOnlyRootFilesystem = true
	return spec
}

func hostileValues() map[string]string {
	return map[string]string{
		"newlines": "one\ntwo\r\n\tthree\n", "quotes": `"double" 'single' ` + "`back`", "dollar": "$HOME ${PATH} $$ %PATH%",
		"equals": "a=b==c", "unicode": "žluťoučký 🐎 \u202e", "empty": "", "spaces": "  both ends  ",
		"backslash": `\n \\ \`, "json": `{"a": [1, "b"]}`, "html": "<a&b>", "control": "\x01\x1b[0m\x7f", "with.dot-dash": "x",
	}
}

func TestStatus_EchoesTheSpecVerbatim(t *testing.T) {
	t.Parallel()
	h := patient(t)
	spec := everything(h, t)
	h.deploy(t, spec)
	// OpenFaaS adds this label to what was deployed.
	labels := maps.Clone(*spec.Labels)
	labels["faas_function"] = spec.Service
	spec.Labels = &labels
	listed, err := h.sdk.GetFunctions(t.Context(), defaultNS)
	if err != nil {
		t.Fatal(err)
	}
	one, err := h.sdk.GetFunction(t.Context(), spec.Service, defaultNS)
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]types.FunctionStatus{"status": one}
	for _, s := range listed {
		if s.Name == spec.Service {
			seen["list"] = s
		}
	}
	for _, place := range []string{"status", "list"} {
		s := seen[place]
		got := types.FunctionDeployment{
			Service: s.Name, Image: s.Image, Namespace: s.Namespace, EnvProcess: s.EnvProcess, EnvVars: s.EnvVars,
			Constraints: s.Constraints, Secrets: s.Secrets, Labels: s.Labels, Annotations: s.Annotations,
			Limits: s.Limits, Requests: s.Requests, ReadOnlyRootFilesystem: s.ReadOnlyRootFilesystem,
		}
		if !reflect.DeepEqual(got, spec) {
			t.Errorf("%s: got\n%+v, want\n%+v", place, got, spec)
		}
		if s.CreatedAt.IsZero() || s.Replicas != 1 {
			t.Errorf("%s: created at %s, %d replicas", place, s.CreatedAt, s.Replicas)
		}
	}
}

func TestStatus_LabelsAndAnnotationsAreNeverNull(t *testing.T) {
	t.Parallel()
	h := patient(t)
	spec := h.spec(t, "echo")
	h.deploy(t, spec)
	h.get(t, "/system/function/"+spec.Service).wants(t, http.StatusOK, `"labels":{"faas_function":"`+spec.Service+`"}`, `"annotations":{}`)
	h.get(t, "/system/function/nobody-knows-it").wants(t, http.StatusNotFound, "nobody-knows-it")
}

func TestStatus_MeasuresUsageOnlyWhenAsked(t *testing.T) {
	t.Parallel()
	h := patient(t)
	spec := h.spec(t, "echo")
	h.deploy(t, spec)
	for _, tc := range []struct {
		query string
		want  bool
	}{{"", false}, {"?usage=false", false}, {"?usage=1", true}, {"?usage=true", true}} {
		var s status
		body := h.get(t, "/system/function/"+spec.Service+tc.query).wants(t, http.StatusOK).body
		if err := json.Unmarshal([]byte(body), &s); err != nil {
			t.Fatal(err)
		}
		if (s.Usage != nil) != tc.want {
			t.Errorf("%q: usage %+v, want some: %v", tc.query, s.Usage, tc.want)
		}
		if s.Usage != nil && (s.Usage.TotalMemoryBytes < 1<<19 || s.Usage.TotalMemoryBytes > 1<<28 || s.Usage.CPU < 0) {
			t.Errorf("%q: unlikely usage %+v", tc.query, s.Usage)
		}
	}
}

func TestStatus_CountsInvocations(t *testing.T) {
	t.Parallel()
	h := patient(t)
	spec := h.spec(t, "echo")
	h.deploy(t, spec)
	for range 7 {
		h.get(t, "/function/"+spec.Service).wants(t, http.StatusOK)
	}
	if got := h.status(t, spec.Service).InvocationCount; got != 7 {
		t.Errorf("%v invocations counted, want 7", got)
	}
}

func TestScale_UpDownToZeroAndBackByACall(t *testing.T) {
	t.Parallel()
	h := patient(t)
	spec := h.spec(t, "echo")
	h.deploy(t, spec)
	for _, count := range []uint64{3, 1, 0} {
		if err := h.sdk.ScaleFunction(t.Context(), spec.Service, defaultNS, count); err != nil {
			t.Fatal(err)
		}
		h.awaitReplicas(t, spec.Service, count)
		eventually(t, fmt.Sprintf("%d containers", count), func() (bool, string) {
			found := h.containers(t, spec.Service)
			return len(found) == int(count), fmt.Sprint(found)
		})
	}
	if body := h.get(t, "/system/function/"+spec.Service).body; strings.Contains(body, `"availableReplicas"`) || strings.Contains(body, `"replicas"`) {
		t.Errorf("zero replicas are on the wire: %s", body)
	}
	h.do(t, request{method: http.MethodPost, path: "/function/" + spec.Service, body: "awake"}).wants(t, http.StatusOK, "awake")
	h.awaitReplicas(t, spec.Service, 1)
}

func TestScale_Refusals(t *testing.T) {
	t.Parallel()
	h := patient(t)
	spec := h.spec(t, "echo")
	h.deploy(t, spec)
	for _, tc := range []struct {
		name, function, body string
		status               int
		word                 string
	}{
		{"unknown function", "nobody-knows-it", `{"serviceName":"nobody-knows-it","replicas":1}`, http.StatusNotFound, "nobody-knows-it"},
		{"no replicas", spec.Service, `{"serviceName":"` + spec.Service + `"}`, http.StatusBadRequest, "replicas"},
		{"negative", spec.Service, `{"replicas":-1}`, http.StatusBadRequest, "replicas"},
		{"too many", spec.Service, `{"replicas":1001}`, http.StatusBadRequest, "replicas"},
		{"no number", spec.Service, `{"replicas":"two"}`, http.StatusBadRequest, "replicas"},
		{"no body", spec.Service, ``, http.StatusBadRequest, "body"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			h.do(t, request{method: http.MethodPost, path: "/system/scale-function/" + tc.function, body: tc.body}).wants(t, tc.status, tc.word)
		})
	}
	h.awaitReplicas(t, spec.Service, 1)
}

func TestInfo_HasTheShapeOfTheCaller(t *testing.T) {
	t.Parallel()
	h := patient(t)
	info, err := h.sdk.GetInfo(t.Context())
	if err != nil || info.Provider.Provider != "faas-docker" || info.Provider.Orchestration != "docker" {
		t.Errorf("for a client: %+v, %v", info, err)
	}
	var raw types.ProviderInfo
	body := h.do(t, request{method: http.MethodGet, path: "/system/info", header: map[string]string{"X-Forwarded-Host": "gateway:8080", "X-Forwarded-For": "10.62.0.9:41234"}}).wants(t, http.StatusOK).body
	if err := json.Unmarshal([]byte(body), &raw); err != nil || raw.Name != "faas-docker" || raw.Orchestration != "docker" || raw.Version == nil {
		t.Errorf("for a gateway: %s, %v", body, err)
	}
}

func TestHealthz_IsExactly200(t *testing.T) {
	t.Parallel()
	h := patient(t)
	for _, method := range []string{http.MethodGet, http.MethodHead} {
		h.do(t, request{method: method, path: "/healthz"}).wants(t, http.StatusOK)
	}
}

func TestRoutes_WhatAProviderDoesNotHave(t *testing.T) {
	t.Parallel()
	h := patient(t)
	for _, tc := range []struct {
		method, path string
		status       int
	}{
		{http.MethodPost, "/async-function/echo", http.StatusNotFound},
		{http.MethodGet, "/system/alert", http.StatusMethodNotAllowed},
		{http.MethodGet, "/ui/", http.StatusNotFound},
		{http.MethodGet, "/function/", http.StatusNotFound},
		{http.MethodPatch, "/system/functions", http.StatusMethodNotAllowed},
		{http.MethodPost, "/system/function/echo", http.StatusMethodNotAllowed},
		{http.MethodGet, "/system/scale-function/echo", http.StatusMethodNotAllowed},
		{http.MethodPost, "/system/logs", http.StatusMethodNotAllowed},
		{http.MethodPost, "/system/namespaces", http.StatusMethodNotAllowed},
		{http.MethodPost, "/healthz", http.StatusMethodNotAllowed},
	} {
		t.Run(tc.method+tc.path, func(t *testing.T) {
			h.do(t, request{method: tc.method, path: tc.path}).wants(t, tc.status)
		})
	}
}

func TestMetrics_HaveTheGatewaysNamesAndLabels(t *testing.T) {
	t.Parallel()
	h := patient(t)
	spec := h.spec(t, "echo")
	h.deploy(t, spec)
	h.get(t, "/function/"+spec.Service).wants(t, http.StatusOK)
	id := spec.Service + "." + defaultNS
	series := []string{
		fmt.Sprintf(`gateway_function_invocation_total{code="200",function_name="%s"} 1`, id),
		fmt.Sprintf(`gateway_function_invocation_started{function_name="%s"} 1`, id),
		fmt.Sprintf(`gateway_functions_seconds_count{code="200",function_name="%s"} 1`, id),
		fmt.Sprintf(`gateway_service_count{function_name="%s"} 1`, id),
		`provider_http_requests_total{`, `go_goroutines `, `process_resident_memory_bytes `,
	}
	// The observer is told after the last byte was sent.
	eventually(t, "every series is there", func() (bool, string) {
		body := h.get(t, "/metrics").wants(t, http.StatusOK).body
		for _, want := range series {
			if !strings.Contains(body, want) {
				return false, "no " + want
			}
		}
		return true, ""
	})
	if err := h.sdk.DeleteFunction(t.Context(), spec.Service, defaultNS); err != nil {
		t.Fatal(err)
	}
	eventually(t, "no series of the deleted function is left", func() (bool, string) {
		body := h.get(t, "/metrics").body
		return !strings.Contains(body, id), id
	})
}
