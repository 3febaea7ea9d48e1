package handlers

import (
	"bytes"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"testing"

	"github.com/openfaas/faas-provider/types"

	"faas-docker/function"
)

// deployment has every field that OpenFaaS knows, each with a value that a user
// might be tempted to tidy up.
const deployment = `{
	"service": "figlet", "image": "ghcr.io/openfaas/figlet:latest", "namespace": "dev",
	"envProcess": "figlet  -f slant", "envVars": {"Z": "", "a.b": "x=y"},
	"constraints": ["node.platform.os == linux"], "secrets": ["b", "a"],
	"labels": {"com.openfaas.scale.min": "01", "faas_function": "figlet"},
	"annotations": {"topic": "{\"a\": [1]}"},
	"limits": {"memory": "5Mi", "cpu": "0900m", "nvidia.com/gpu": "1", "amd.com/gpu": "2", "intel.com/gpu": "3"},
	"requests": {"memory": "1mb", "cpu": ".5"},
	"readOnlyRootFilesystem": true, "fromTheFuture": {"x": 1}
}`

func TestStatus_GivesBackWhatWasDeployed(t *testing.T) {
	t.Parallel()
	s := newScene()
	var stored function.Spec
	s.fleet.create = func(spec function.Spec) (bool, error) { stored = spec; return true, nil }
	s.fleet.list = func(string) []function.Status {
		return []function.Status{{Function: function.Function{Spec: stored}}}
	}
	if w := s.call(t, "POST /system/functions", deployment); w.Code != http.StatusAccepted {
		t.Fatalf("got %d %s", w.Code, w.Body)
	}

	var want types.FunctionDeployment
	if err := json.Unmarshal([]byte(deployment), &want); err != nil {
		t.Fatal(err)
	}
	var statuses []types.FunctionStatus
	if err := json.Unmarshal(s.call(t, "GET /system/functions?namespace=dev", "").Body.Bytes(), &statuses); err != nil {
		t.Fatal(err)
	}
	if got := asDeployment(statuses[0]); !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
}

// OpenFaaS adds a label to what it lists, which its certifier demands; faas-cli diff would
// take it for a difference.
func TestList_AddsTheLabelThatToolsSelectBy(t *testing.T) {
	t.Parallel()
	const own, none = "figlet", ""
	for _, test := range []struct {
		request, agent string
		labels         map[string]string
		want           string
	}{
		{"GET /system/functions", "openfaas-go-sdk", nil, own},
		{"GET /system/functions", "Go-http-client/1.1", nil, own},
		{"GET /system/functions", "", nil, own},
		{"GET /system/functions", "curl/8", map[string]string{"a": "b"}, own},
		{"GET /system/functions", "openfaas-ce-gateway/0.27", map[string]string{"a": "b"}, own},
		{"GET /system/functions", "x faas-cli/0.18.0", nil, own},
		{"GET /system/functions", "faas-cli/0.18.0", nil, none},
		{"GET /system/functions", "faas-cli/dev", map[string]string{"a": "b"}, none},
		{"GET /system/functions?namespace=dev", "faas-cli/0.18.0", nil, none},
		{"GET /system/functions", "faas-cli/0.18.0", map[string]string{"faas_function": "figlet"}, own},
		{"GET /system/function/figlet", "faas-cli/0.18.0", nil, own},
		{"GET /system/function/figlet?usage=1", "openfaas-go-sdk", nil, own},
	} {
		s := newScene()
		found := function.Status{Function: function.Function{Spec: function.Spec{Name: "figlet", Labels: test.labels}}}
		s.fleet.list = func(string) []function.Status { return []function.Status{found} }
		s.fleet.status = func(function.Name) (function.Status, error) { return found, nil }
		s.engine.usage = func() (function.Usage, error) { return function.Usage{}, nil }
		before := len(test.labels)
		method, target, _ := strings.Cut(test.request, " ")
		r := httptest.NewRequestWithContext(t.Context(), method, target, nil)
		r.Header.Set("User-Agent", test.agent)
		w := httptest.NewRecorder()
		s.routes().ServeHTTP(w, r)
		var answer types.FunctionStatus
		if err := json.Unmarshal(bytes.Trim(w.Body.Bytes(), "[]"), &answer); err != nil {
			t.Fatalf("%s: %v in %s", test.request, err, w.Body)
		}
		if got := (*answer.Labels)["faas_function"]; got != test.want || len(test.labels) != before {
			t.Errorf("%s as %q with %v: got %q, want %q", test.request, test.agent, test.labels, got, test.want)
		}
	}
}

func asDeployment(s types.FunctionStatus) types.FunctionDeployment {
	return types.FunctionDeployment{
		Service: s.Name, Image: s.Image, Namespace: s.Namespace, EnvProcess: s.EnvProcess, EnvVars: s.EnvVars,
		Constraints: s.Constraints, Secrets: s.Secrets, Labels: s.Labels, Annotations: s.Annotations,
		Limits: s.Limits, Requests: s.Requests, ReadOnlyRootFilesystem: s.ReadOnlyRootFilesystem,
	}
}

func TestDeploy_NamesWhatIsWrongWithTheBody(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ name, body, want string }{
		{"empty", "", "body: missing: want a JSON object"},
		{"white space", " \n", "body: missing: want a JSON object"},
		{"cut off", `{"service":"x"`, "body: not JSON at byte 14: unexpected end of JSON input"},
		{"trailing garbage", figlet + `x`, "body: not JSON at byte 40: invalid character 'x' after top-level value"},
		{"two objects", figlet + figlet, "body: not JSON at byte 40: invalid character '{' after top-level value"},
		{"YAML", "service: x", "body: not JSON at byte 1: invalid character 's' looking for beginning of value"},
		{"array", `[` + figlet + `]`, "body: found JSON array where an object is wanted"},
		{"text", `"figlet"`, "body: found JSON string where an object is wanted"},
		{"number as name", `{"service":12.5,"image":"x"}`, "service: found JSON number where a string is wanted"},
		{"number as memory", `{"service":"x","image":"x","limits":{"memory":128}}`, "limits.memory: found JSON number where a string is wanted"},
		{"number as label", `{"service":"x","image":"x","labels":{"a":1}}`, "labels: found JSON number where a string is wanted"},
		{"list as environment", `{"service":"x","image":"x","envVars":["A=1"]}`, "envVars: found JSON array where an object is wanted"},
		{"text as secrets", `{"service":"x","image":"x","secrets":"key"}`, "secrets: found JSON string where an array is wanted"},
		{"text as flag", `{"service":"x","image":"x","readOnlyRootFilesystem":"yes"}`, "readOnlyRootFilesystem: found JSON string where true or false is wanted"},
		{"not UTF-8", "{\"service\":\"\xff\"}", "body: not UTF-8: JSON must be; binary secrets go base64-encoded into rawValue"},
		{"null", "null", "service: missing: want a name such as \"figlet\""},
		{"no image", `{"service":"x"}`, "image: missing: want a reference such as \"ghcr.io/openfaas/figlet:latest\""},
		{"name with namespace", `{"service":"x.dev","image":"x"}`, "service: \"x.dev\": want lower-case letters, digits and dashes, beginning and ending with a letter or a digit"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			w := newScene().call(t, "POST /system/functions", test.body)
			if got := w.Body.String(); w.Code != http.StatusBadRequest || got != test.want+"\n" {
				t.Errorf("got %d %q, want 400 %q", w.Code, got, test.want)
			}
		})
	}
}

func TestDeploy_RefusesABodyTooLarge(t *testing.T) {
	t.Parallel()
	body := `{"service":"x","image":"` + strings.Repeat("x", maxBody) + `"}`
	w := newScene().call(t, "PUT /system/functions", body)
	if w.Code != http.StatusRequestEntityTooLarge || w.Body.String() != "body: larger than 4 MiB\n" {
		t.Errorf("got %d %q, want 413", w.Code, w.Body)
	}
}

func TestNamespace_MayStandInPathQueryOrBody(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ name, request, body, want string }{
		{"nowhere", "POST /system/scale-function/f", `{"replicas":1}`, "f.openfaas-fn"},
		{"path", "POST /system/scale-function/f.dev", `{"replicas":1}`, "f.dev"},
		{"query, as the gateway sends it", "POST /system/scale-function/f?namespace=dev", `{"replicas":1}`, "f.dev"},
		{"body, as faas-cli sends it", "POST /system/scale-function/f", `{"replicas":1,"namespace":"dev"}`, "f.dev"},
		{"all the same", "POST /system/scale-function/f.dev?namespace=dev", `{"replicas":1,"namespace":"dev"}`, "f.dev"},
		{"empty query", "POST /system/scale-function/f.dev?namespace=", `{"replicas":1}`, "f.dev"},
		{"path against query", "POST /system/scale-function/f.dev?namespace=prod", `{"replicas":1}`, "400 namespace: both \"dev\" and \"prod\" are given: name one\n"},
		{"query against body", "POST /system/scale-function/f?namespace=dev", `{"replicas":1,"namespace":"prod"}`, "400 namespace: both \"dev\" and \"prod\" are given: name one\n"},
		{"last dot splits", "POST /system/scale-function/a.b.dev", `{"replicas":1}`, "a.b.dev"},
		{"delete, body", "DELETE /system/functions", `{"functionName":"f","namespace":"dev"}`, "f.dev"},
		{"delete, suffix", "DELETE /system/functions", `{"functionName":"f.dev"}`, "f.dev"},
		{"delete, query", "DELETE /system/functions?namespace=dev", `{"functionName":"f"}`, "f.dev"},
		{"deploy, body", "POST /system/functions", `{"service":"f","image":"x","namespace":"dev"}`, "f.dev"},
		{"deploy, query", "POST /system/functions?namespace=dev", `{"service":"f","image":"x"}`, "f.dev"},
		{"deploy, nowhere", "POST /system/functions", `{"service":"f","image":"x"}`, "f.openfaas-fn"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			s, asked := newScene(), ""
			s.fleet.scale = func(name function.Name, _ int) error { asked = name.String(); return nil }
			s.fleet.delete = func(name function.Name) error { asked = name.String(); return nil }
			s.fleet.create = func(spec function.Spec) (bool, error) { asked = spec.ID().String(); return true, nil }
			w := s.call(t, test.request, test.body)
			if w.Code >= 400 {
				asked = "400 " + w.Body.String()
			}
			if asked != test.want {
				t.Errorf("got %q, want %q", asked, test.want)
			}
		})
	}
}

func TestNamespace_DefaultCanBeChosen(t *testing.T) {
	t.Parallel()
	s, asked := newScene(), ""
	s.DefaultNamespace = "edge"
	s.fleet.list = func(namespace string) []function.Status { asked = namespace; return nil }
	s.call(t, "GET /system/functions", "")
	if asked != "edge" {
		t.Errorf("got %q, want edge", asked)
	}
	if w := s.call(t, "DELETE /system/namespace/edge", ""); w.Code != http.StatusConflict {
		t.Errorf("got %d for deleting the default namespace, want 409", w.Code)
	}
}

// FuzzDecodeDeployment: no body may crash the decoder, and one that is accepted
// must come back from the status as it was sent.
func FuzzDecodeDeployment(f *testing.F) {
	f.Add([]byte(deployment))
	f.Add([]byte(figlet))
	f.Add([]byte(`{"service":"x","labels":null,"limits":{},"envVars":{"":""}}`))
	f.Add([]byte(`{"service":{"a":[1,2,{}]}}`))
	f.Add([]byte("\xff{}"))
	f.Fuzz(func(t *testing.T, body []byte) {
		var spec function.Spec
		if err := decode(body, &spec); err != nil {
			if status := explain(err).status; status != http.StatusBadRequest {
				t.Fatalf("got %d for %q: %v", status, body, err)
			}
			return
		}
		sent, err := json.Marshal(encodeStatus(function.Status{Function: function.Function{Spec: spec}}))
		if err != nil {
			t.Fatalf("encode: %v", err)
		}
		var back types.FunctionStatus
		if err := json.Unmarshal(sent, &back); err != nil {
			t.Fatalf("decode %s: %v", sent, err)
		}
		if _, sent := spec.Labels[function.LabelFaaS]; !sent {
			delete(*back.Labels, function.LabelFaaS)
		}
		again, err := json.Marshal(asDeployment(back))
		if err != nil {
			t.Fatalf("encode again: %v", err)
		}
		var respec function.Spec
		if err := decode(again, &respec); err != nil || !respec.Equal(spec) {
			t.Fatalf("sent %q\ngot  %+v (%v)\nwant %+v", body, respec, err, spec)
		}
		if !bytes.Contains(sent, []byte(`"labels":{`)) || !bytes.Contains(sent, []byte(`"annotations":{`)) {
			t.Fatalf("labels or annotations missing in %s", sent)
		}
	})
}
