package stack

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"path/filepath"
	"strings"

	"gopkg.in/yaml.v3"

	"faas-docker/function"
)

// definition is a function as far as the file says what to run. What it says about
// building is passed over, but for the template's name.
type definition struct {
	Language        string `yaml:"lang"`
	function.Spec   `yaml:",inline"`
	EnvironmentFile []string `yaml:"environment_file"`
}

// function reads one function. The spec has a name and a namespace in any case.
func (p *parser) function(f field) (function.Spec, error) {
	nameless := function.Spec{Name: f.name, Namespace: p.Namespace}
	if err := p.brokenWithin(f); err != nil {
		return nameless, err
	}
	keys, err := fields(f.value)
	if err != nil {
		return nameless, err
	}
	p.noteUnknown(p.path, keys, functionKeys())
	for _, name := range []string{"limits", "requests"} {
		if amounts, err := fields(keys.value(name)); err == nil {
			p.noteUnknown(p.path, amounts, resourceKeys())
		}
	}
	var d definition
	if err := f.value.Decode(&d); err != nil {
		return nameless, plain(err)
	}
	return p.spec(f.name, d)
}

func (p *parser) spec(name string, d definition) (function.Spec, error) {
	spec := d.Spec
	spec.Name, spec.Namespace = name, cmp.Or(spec.Namespace, p.Namespace)
	var err error
	if spec.EnvVars, err = p.environment(d); err != nil {
		return spec, err
	}
	if spec.EnvProcess == "" {
		spec.EnvProcess, err = p.processOf(d.Language)
	}
	return spec, err
}

// environment returns the variables given directly, and over them those of each file.
func (p *parser) environment(d definition) (map[string]string, error) {
	env := maps.Clone(d.EnvVars)
	for _, file := range d.EnvironmentFile {
		more, err := p.environmentFile(file)
		if err != nil {
			return nil, fmt.Errorf("environment_file: %w", err)
		}
		if env == nil {
			env = map[string]string{}
		}
		maps.Copy(env, more)
	}
	return env, nil
}

func (p *parser) environmentFile(name string) (map[string]string, error) {
	path := name
	if !filepath.IsAbs(path) {
		path = filepath.Join(p.folder(), name)
	}
	raw, err := readFile(path)
	if errors.Is(err, fs.ErrNotExist) && p.isOutside(path) {
		return nil, fmt.Errorf("%w: it is outside %q, the folder of the stack file, which is all that make up mounts", err, p.folder())
	}
	if err != nil {
		return nil, err
	}
	var document yaml.Node
	if err := yaml.Unmarshal(raw, &document); err != nil {
		return nil, fmt.Errorf("%q: %w", path, plain(err))
	}
	top, err := fields(&document)
	if err != nil {
		return nil, fmt.Errorf("%q: %w: want the key environment, and below it NAME: value", path, err)
	}
	p.noteUnknown(path, top, []string{"environment"})
	var file struct {
		Environment map[string]string `yaml:"environment"`
	}
	if err := document.Decode(&file); err != nil {
		return nil, fmt.Errorf("%q: %w", path, plain(err))
	}
	return file.Environment, nil
}

// isOutside reports whether a path leads out of the folder of the stack file.
func (p *parser) isOutside(path string) bool {
	within, err := filepath.Rel(p.folder(), path)
	return err == nil && !filepath.IsLocal(within)
}

// processOf returns what faas-cli takes as fprocess of a function that has none: that of
// its template. Where there is no such template the image knows by itself.
func (p *parser) processOf(language string) (string, error) {
	if language == "" || strings.EqualFold(language, "dockerfile") || !filepath.IsLocal(language) {
		return "", nil
	}
	path := filepath.Join(p.folder(), "template", language, "template.yml")
	raw, err := readFile(path)
	if err != nil {
		return "", nil
	}
	var template struct {
		FProcess string `yaml:"fprocess"`
	}
	if err := yaml.Unmarshal(raw, &template); err != nil {
		return "", fmt.Errorf("template %q: %w", path, plain(err))
	}
	return template.FProcess, nil
}
