package function

import (
	"encoding/json"
	"strings"
	"testing"
)

func TestSpec_Validate(t *testing.T) {
	tests := []struct {
		name   string
		change func(*Spec)
		field  string // of the error; empty means valid
	}{
		{"as it is", func(*Spec) {}, ""},
		{"no image", func(s *Spec) { s.Image = "" }, "image"},
		{"no name", func(s *Spec) { s.Name = "" }, "service"},
		{"bad namespace", func(s *Spec) { s.Namespace = "A" }, "namespace"},
		{"values with any characters", func(s *Spec) { s.EnvVars = map[string]string{"A": "x=\"y\"\n$HOME 'ä' \\"} }, ""},
		{"dotted variable", func(s *Spec) { s.EnvVars = map[string]string{"spring.profile-x": ""} }, ""},
		{"variable with =", func(s *Spec) { s.EnvVars = map[string]string{"A=B": "x"} }, `envVars["A=B"]`},
		{"variable without a name", func(s *Spec) { s.EnvVars = map[string]string{"": "x"} }, `envVars[""]`},
		{"variable that begins with a digit", func(s *Spec) { s.EnvVars = map[string]string{"1A": "x"} }, `envVars["1A"]`},
		{"NUL in a value", func(s *Spec) { s.EnvVars = map[string]string{"A": "x\x00"} }, `envVars["A"]`},
		{"NUL in envProcess", func(s *Spec) { s.EnvProcess = "\x00" }, "envProcess"},
		{"bad secret", func(s *Spec) { s.Secrets = []string{"ok", "../x"} }, "secrets[1]"},
		{"secret twice", func(s *Spec) { s.Secrets = []string{"a", "a"} }, "secrets[1]"},
		{"label of ours", func(s *Spec) { s.Labels = map[string]string{LabelProvider: "x"} }, `labels["com.openfaas.provider"]`},
		{"scaling labels", func(s *Spec) { s.Labels = map[string]string{"com.openfaas.scale.min": "1"} }, ""},
		{"label without a name", func(s *Spec) { s.Labels = map[string]string{"": "x"} }, "labels"},
		{"faas_function that repeats the name", func(s *Spec) { s.Labels = map[string]string{LabelFaaS: "figlet"} }, ""},
		{"credentials that are empty", func(s *Spec) { s.Annotations = map[string]string{KeyAuth: " "} }, `annotations["com.openfaas.auth"]`},
		{"credentials that are empty, above a label's", func(s *Spec) {
			s.Annotations, s.Labels = map[string]string{KeyAuth: ""}, map[string]string{KeyAuth: `apiKey("k")`}
		}, `annotations["com.openfaas.auth"]`},
		{"a label of credentials that is empty", func(s *Spec) { s.Labels = map[string]string{KeyAuth: ""} }, `labels["com.openfaas.auth"]`},
		{"a way in that is empty", func(s *Spec) { s.Annotations = map[string]string{KeyExpose: ""} }, `annotations["com.openfaas.expose"]`},
		{"a variable that no process can be given", func(s *Spec) { s.EnvVars = map[string]string{"A": strings.Repeat("x", 128<<10-2)} }, `envVars["A"]`},
		{"memory without its unit", func(s *Spec) { s.Limits = &Resources{Memory: "128"} }, "limits.memory"},
		{"memory in kilobytes", func(s *Spec) { s.Requests = &Resources{Memory: "512Ki"} }, "requests.memory"},
		{"a label of Compose", func(s *Spec) { s.Labels = map[string]string{"com.docker.compose.project": "faas-docker"} }, `labels["com.docker.compose.project"]`},
		{"a label of Docker Desktop", func(s *Spec) { s.Labels = map[string]string{"io.docker.x": ""} }, `labels["io.docker.x"]`},
		{"a label of Docker's project", func(s *Spec) { s.Labels = map[string]string{"org.dockerproject.x": ""} }, `labels["org.dockerproject.x"]`},
		{"faas_function of another", func(s *Spec) { s.Labels = map[string]string{LabelFaaS: "other"} }, `labels["faas_function"]`},
		{"annotation with JSON", func(s *Spec) { s.Annotations = map[string]string{"a": `{"b": [1]}`} }, ""},
		{"annotation without a name", func(s *Spec) { s.Annotations = map[string]string{"": ""} }, "annotations"},
		{"health path", func(s *Spec) { s.Annotations = map[string]string{AnnotationHealthPath: "/ok"} }, ""},
		{"bad health path", func(s *Spec) { s.Annotations = map[string]string{AnnotationHealthPath: "ok"} }, `annotations["com.openfaas.health.http.path"]`},
		{"capability", func(s *Spec) {
			s.Annotations = map[string]string{AnnotationCapabilities: "cap_chown, NET_BIND_SERVICE"}
		}, ""},
		{"capability beyond the container", func(s *Spec) { s.Annotations = map[string]string{AnnotationCapabilities: "SYS_ADMIN"} }, `annotations["com.openfaas.capabilities"]`},
		{"constraints", func(s *Spec) { s.Constraints = []string{"node.labels.disk==ssd", "a = b", "x != y"} }, ""},
		{"constraint without operator", func(s *Spec) { s.Constraints = []string{"ssd"} }, "constraints[0]"},
		{"limits", func(s *Spec) { s.Limits = &Resources{Memory: "5Mi", CPU: "100m", NvidiaGPU: "all"} }, ""},
		{"bad memory", func(s *Spec) { s.Limits = &Resources{Memory: "lots"} }, "limits.memory"},
		{"negative memory", func(s *Spec) { s.Requests = &Resources{Memory: "-5Mi"} }, "requests.memory"},
		{"bad cpu", func(s *Spec) { s.Limits = &Resources{CPU: "1Gi"} }, "limits.cpu"},
		{"bad gpu", func(s *Spec) { s.Limits = &Resources{NvidiaGPU: "0"} }, "limits.nvidia.com/gpu"},
		{"request beyond the limit", func(s *Spec) {
			s.Limits, s.Requests = &Resources{Memory: "128Mi"}, &Resources{Memory: "1Gi"}
		}, "requests.memory"},
		{"request beyond the limit in other units", func(s *Spec) {
			s.Limits, s.Requests = &Resources{Memory: "1G"}, &Resources{Memory: "1Gi"}
		}, "requests.memory"},
		{"request of cpu beyond the limit", func(s *Spec) {
			s.Limits, s.Requests = &Resources{CPU: "500m"}, &Resources{CPU: "1"}
		}, "requests.cpu"},
		{"request of cpu a little beyond the limit", func(s *Spec) {
			s.Limits, s.Requests = &Resources{CPU: "0.5"}, &Resources{CPU: "501m"}
		}, "requests.cpu"},
		{"request of GPUs beyond the limit", func(s *Spec) {
			s.Limits, s.Requests = &Resources{NvidiaGPU: "1"}, &Resources{NvidiaGPU: "2"}
		}, "requests.nvidia.com/gpu"},
		{"request of all GPUs, limited to some", func(s *Spec) {
			s.Limits, s.Requests = &Resources{AmdGPU: "8"}, &Resources{AmdGPU: "all"}
		}, "requests.amd.com/gpu"},
		{"request within limits of all GPUs", func(s *Spec) {
			s.Limits, s.Requests = &Resources{NvidiaGPU: "all"}, &Resources{NvidiaGPU: "2"}
		}, ""},
		{"requests as large as the limits", func(s *Spec) {
			s.Limits, s.Requests = &Resources{Memory: "1Gi", CPU: "1"}, &Resources{Memory: "1024Mi", CPU: "1000m"}
		}, ""},
		{"request of one, limit of the other", func(s *Spec) {
			s.Limits, s.Requests = &Resources{Memory: "64Mi"}, &Resources{CPU: "1"}
		}, ""},
		{"stop first", func(s *Spec) { s.Annotations = map[string]string{AnnotationUpdateOrder: "stop-first"} }, ""},
		{"start first, by label", func(s *Spec) { s.Labels = map[string]string{AnnotationUpdateOrder: "start-first"} }, ""},
		{"an order that there is not", func(s *Spec) { s.Annotations = map[string]string{AnnotationUpdateOrder: "Recreate"} }, `annotations["com.openfaas.update.order"]`},
		{"an empty order", func(s *Spec) { s.Labels = map[string]string{AnnotationUpdateOrder: ""} }, `labels["com.openfaas.update.order"]`},
		{"no cpu at all", func(s *Spec) { s.Limits = &Resources{CPU: "0"} }, "limits.cpu"},
		{"negative cpu", func(s *Spec) { s.Requests = &Resources{CPU: "-1"} }, "requests.cpu"},
		{"endless cpu", func(s *Spec) { s.Limits = &Resources{CPU: "Inf"} }, "limits.cpu"},
		{"no memory at all", func(s *Spec) { s.Limits = &Resources{Memory: "0Mi"} }, "limits.memory"},
		{"memory beyond counting", func(s *Spec) { s.Limits = &Resources{Memory: "9e99"} }, "limits.memory"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			spec := Spec{Name: "figlet", Namespace: DefaultNamespace, Image: "figlet:latest"}
			test.change(&spec)
			wantInvalid(t, spec.Validate(), test.field)
		})
	}
}

func TestSpec_EqualKnowsTheSpellingsOfNothing(t *testing.T) {
	bare := Spec{Name: "f", Namespace: "n", Image: "i"}
	empty := bare
	empty.Labels, empty.EnvVars, empty.Secrets, empty.Limits = map[string]string{}, map[string]string{}, []string{}, &Resources{}
	if !bare.Equal(empty) {
		t.Error("nil and empty differ")
	}
	other := bare
	other.Labels = map[string]string{"a": "b"}
	if bare.Equal(other) {
		t.Error("a label makes no difference")
	}
}

func TestFunction_SurvivesJSON(t *testing.T) {
	in := Function{
		Spec: Spec{Name: "f", Namespace: "n", Image: "i", EnvVars: map[string]string{"A": "x\n\"=$"}, Secrets: []string{"s"},
			Labels: map[string]string{"l": "1"}, Limits: &Resources{Memory: "5Mi", NvidiaGPU: "1"}, ReadOnlyRootFilesystem: true},
		Revision: 7, Replicas: 3, ImageID: "sha256:x",
	}
	raw, err := json.Marshal(in)
	if err != nil {
		t.Fatal(err)
	}
	var out Function
	if err := json.Unmarshal(raw, &out); err != nil {
		t.Fatal(err)
	}
	if !in.Spec.Equal(out.Spec) || in.Revision != out.Revision || in.Replicas != out.Replicas || in.ImageID != out.ImageID {
		t.Errorf("%+v became %+v", in, out)
	}
}

func TestConstraint_Allows(t *testing.T) {
	facts := map[string]string{"disk": "ssd"}
	for text, want := range map[string]bool{
		"disk=ssd": true, "disk == ssd": true, "disk=hdd": false, "disk!=hdd": true, "disk != ssd": false,
		"zone=a": false, "zone!=a": true,
	} {
		c, err := ParseConstraint(text)
		if err != nil {
			t.Fatal(err)
		}
		if got := c.Allows(facts); got != want {
			t.Errorf("%q allows %v: %t, want %t", text, facts, got, want)
		}
	}
}
