package main

import (
	"bytes"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"

	"github.com/drone/envsubst"
	"gopkg.in/yaml.v3"

	"faas-docker/function"
)

// stackFile is faas-cli's stack.yml as far as it says what to run; what it says
// about building is passed over.
type stackFile struct {
	Provider struct {
		Name string `yaml:"name"`
	} `yaml:"provider"`
	Functions map[string]stackFunction `yaml:"functions"`
}

type stackFunction struct {
	Image           string            `yaml:"image"`
	Namespace       string            `yaml:"namespace"`
	FProcess        string            `yaml:"fprocess"`
	Environment     map[string]string `yaml:"environment"`
	EnvironmentFile []string          `yaml:"environment_file"`
	Secrets         []string          `yaml:"secrets"`
	Constraints     []string          `yaml:"constraints"`
	Labels          map[string]string `yaml:"labels"`
	Annotations     map[string]string `yaml:"annotations"`
	Limits          *stackResources   `yaml:"limits"`
	Requests        *stackResources   `yaml:"requests"`
	ReadOnlyRoot    bool              `yaml:"readonly_root_filesystem"`
}

type stackResources struct {
	Memory string `yaml:"memory"`
	CPU    string `yaml:"cpu"`
}

// readStack reads a stack file as faas-cli does: ${NAME:-default} is replaced
// from the environment first, files of variables override the variables given
// directly. Their paths are relative to the stack file. Functions come sorted by
// name.
func readStack(path, defaultNamespace string) ([]function.Spec, error) {
	raw, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("stack_file: %w", err)
	}
	text, err := envsubst.EvalEnv(string(raw))
	if err != nil {
		return nil, fmt.Errorf("stack_file %q: replace variables: %w", path, err)
	}
	var stack stackFile
	if err := yaml.NewDecoder(bytes.NewBufferString(text)).Decode(&stack); err != nil {
		return nil, fmt.Errorf("stack_file %q: %w", path, err)
	}
	if name := stack.Provider.Name; name != "openfaas" {
		return nil, fmt.Errorf("stack_file %q: provider.name is %q: want openfaas", path, name)
	}
	var specs []function.Spec
	for _, name := range slices.Sorted(maps.Keys(stack.Functions)) {
		spec, err := stack.Functions[name].spec(name, defaultNamespace, filepath.Dir(path))
		if err != nil {
			return nil, fmt.Errorf("stack_file %q: function %q: %w", path, name, err)
		}
		specs = append(specs, spec)
	}
	return specs, nil
}

func (f stackFunction) spec(name, defaultNamespace, folder string) (function.Spec, error) {
	env := maps.Clone(f.Environment)
	for _, file := range f.EnvironmentFile {
		more, err := readEnvironment(filepath.Join(folder, file))
		if err != nil {
			return function.Spec{}, err
		}
		if env == nil {
			env = map[string]string{}
		}
		maps.Copy(env, more)
	}
	namespace := f.Namespace
	if namespace == "" {
		namespace = defaultNamespace
	}
	return function.Spec{
		Name: name, Namespace: namespace, Image: f.Image, EnvProcess: f.FProcess, EnvVars: env,
		Constraints: f.Constraints, Secrets: f.Secrets, Labels: f.Labels, Annotations: f.Annotations,
		Limits: f.Limits.resources(), Requests: f.Requests.resources(), ReadOnlyRootFilesystem: f.ReadOnlyRoot,
	}, nil
}

func (r *stackResources) resources() *function.Resources {
	if r == nil {
		return nil
	}
	return &function.Resources{Memory: r.Memory, CPU: r.CPU}
}

func readEnvironment(path string) (map[string]string, error) {
	raw, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("environment_file: %w", err)
	}
	var file struct {
		Environment map[string]string `yaml:"environment"`
	}
	if err := yaml.Unmarshal(raw, &file); err != nil {
		return nil, fmt.Errorf("environment_file %q: %w", path, err)
	}
	return file.Environment, nil
}
