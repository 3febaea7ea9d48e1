package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"faas-docker/function"
)

func writeFile(t *testing.T, folder, name, text string) string {
	t.Helper()
	path := filepath.Join(folder, name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestReadStack_ReadsWhatFaasCLIWrites(t *testing.T) {
	folder := t.TempDir()
	writeFile(t, folder, "env.yml", "environment:\n  from_file: yes please\n  direct: overridden\n")
	t.Setenv("STACK_TAG", "1.2")
	path := writeFile(t, folder, "stack.yml", `
version: 1.0
provider:
  name: openfaas
  gateway: http://127.0.0.1:8080
functions:
  zeta:
    lang: dockerfile
    handler: ./zeta
    image: zeta:${STACK_TAG}
  alpha:
    image: alpha:${MISSING:-latest}
    namespace: dev
    fprocess: ./run
    environment: {direct: "1", count: 12}
    environment_file: [env.yml]
    secrets: [token]
    constraints: ["disk=ssd"]
    labels: {a: b}
    annotations: {topic: x}
    limits: {memory: 128Mi, cpu: 100m}
    requests: {memory: 64Mi}
    readonly_root_filesystem: true
`)
	specs, err := readStack(path, "openfaas-fn")
	if err != nil {
		t.Fatal(err)
	}
	want := []function.Spec{{
		Name: "alpha", Namespace: "dev", Image: "alpha:latest", EnvProcess: "./run",
		EnvVars: map[string]string{"direct": "overridden", "count": "12", "from_file": "yes please"},
		Secrets: []string{"token"}, Constraints: []string{"disk=ssd"},
		Labels: map[string]string{"a": "b"}, Annotations: map[string]string{"topic": "x"},
		Limits: &function.Resources{Memory: "128Mi", CPU: "100m"}, Requests: &function.Resources{Memory: "64Mi"},
		ReadOnlyRootFilesystem: true,
	}, {Name: "zeta", Namespace: "openfaas-fn", Image: "zeta:1.2"}}
	if len(specs) != 2 || !specs[0].Equal(want[0]) || !specs[1].Equal(want[1]) {
		t.Errorf("got %+v\nwant %+v", specs, want)
	}
}

func TestReadStack_OursCanBeDeployed(t *testing.T) {
	specs, err := readStack("stack.yml", function.DefaultNamespace)
	if err != nil || len(specs) < 5 {
		t.Fatalf("%d functions, %v", len(specs), err)
	}
	for _, spec := range specs {
		if err := spec.Validate(); err != nil {
			t.Errorf("%s: %v", spec.Name, err)
		}
	}
}

func TestReadStack_SaysWhatIsWrong(t *testing.T) {
	for text, want := range map[string]string{
		"functions: [":                 "stack.yml",
		"provider: {name: kubernetes}": "provider.name",
		"provider: {name: openfaas}\nfunctions: {f: {image: i, environment_file: [none.yml]}}": "none.yml",
		"image: ${UNCLOSED": "replace variables",
	} {
		path := writeFile(t, t.TempDir(), "stack.yml", text)
		if _, err := readStack(path, "openfaas-fn"); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: got %v, want an error naming %s", text, err, want)
		}
	}
	if _, err := readStack("none.yml", "x"); err == nil {
		t.Error("a missing file is no error")
	}
}
