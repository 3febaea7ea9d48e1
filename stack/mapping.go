package stack

import (
	"fmt"
	"reflect"
	"slices"
	"strings"

	"gopkg.in/yaml.v3"

	"faas-docker/function"
)

// field is one key of a mapping with its value.
type field struct {
	name       string
	key, value *yaml.Node
}

// mapping is all fields of a mapping in the order of the file, those that were merged in last.
type mapping []field

// value returns a field's value; nil if there is no such field.
func (m mapping) value(name string) *yaml.Node {
	i := slices.IndexFunc(m, func(f field) bool { return f.name == name })
	if i < 0 {
		return nil
	}
	return m[i].value
}

// fields returns the fields of a mapping. Nothing at all is a mapping without fields.
func fields(node *yaml.Node) (mapping, error) { return collect(node, map[*yaml.Node]bool{}) }

// collect leaves out the mappings that were visited: their fields are there already. The
// value in visited is whether one is being visited.
func collect(node *yaml.Node, visited map[*yaml.Node]bool) (mapping, error) {
	node = resolve(node)
	if isNull(node) {
		return nil, nil
	}
	if node.Kind != yaml.MappingNode {
		return nil, fmt.Errorf("line %d: %s: want names with values", node.Line, kindOf(node))
	}
	if visiting, known := visited[node]; known {
		if visiting {
			return nil, fmt.Errorf("line %d: the mapping is merged into itself", node.Line)
		}
		return nil, nil
	}
	visited[node] = true
	defer func() { visited[node] = false }()
	var own, merged mapping
	for i := 0; i+1 < len(node.Content); i += 2 {
		key, value := node.Content[i], resolve(node.Content[i+1])
		if key.ShortTag() == "!!merge" {
			more, err := merge(value, visited)
			if err != nil {
				return nil, err
			}
			merged = append(merged, more...)
			continue
		}
		own = append(own, field{name: resolve(key).Value, key: key, value: value})
	}
	for _, f := range merged {
		if own.value(f.name) == nil {
			own = append(own, f)
		}
	}
	return own, nil
}

// merge returns what "<<" brings: the fields of a mapping, or of several.
func merge(value *yaml.Node, visited map[*yaml.Node]bool) (mapping, error) {
	if value.Kind != yaml.SequenceNode {
		return collect(value, visited)
	}
	var all mapping
	for _, part := range value.Content {
		more, err := collect(part, visited)
		if err != nil {
			return nil, err
		}
		all = append(all, more...)
	}
	return all, nil
}

// resolve follows a document to its content and an alias to its target.
func resolve(node *yaml.Node) *yaml.Node {
	for node != nil {
		switch {
		case node.Kind == yaml.DocumentNode && len(node.Content) == 1:
			node = node.Content[0]
		case node.Kind == yaml.AliasNode:
			node = node.Alias
		default:
			return node
		}
	}
	return nil
}

func isNull(node *yaml.Node) bool {
	node = resolve(node)
	return node == nil || node.Kind == 0 || node.ShortTag() == "!!null"
}

func kindOf(node *yaml.Node) string {
	switch node.Kind {
	case yaml.SequenceNode:
		return "a list"
	case yaml.MappingNode:
		return "a mapping"
	}
	return fmt.Sprintf("the text %q", clipped(node.Value))
}

func clipped(text string) string {
	if len(text) > 40 {
		return text[:40] + "…"
	}
	return text
}

// noteUnknown names the keys that mean nothing, but for x-…, which is for their writers' anchors.
func (p *parser) noteUnknown(file string, m mapping, known []string) {
	for _, f := range m {
		if !slices.Contains(known, f.name) && !strings.HasPrefix(f.name, "x-") {
			text := "unknown key, it has no effect"
			if meant := function.Nearest(f.name, known); meant != "" {
				text += ": do you mean " + meant + "?"
			}
			p.note(file, f.key, f.name, text)
		}
	}
}

func topKeys() []string { return []string{"version", "provider", "functions", "configuration"} }

func providerKeys() []string { return []string{"name", "gateway"} }

// functionKeys are those that say what to run, then those for building.
func functionKeys() []string {
	return append(keysOf[definition](), "handler", "skip_build", "build_options", "build_args", "platforms", "build_secrets")
}

func resourceKeys() []string { return keysOf[function.Resources]() }

// keysOf returns the keys that the tags of a struct name.
func keysOf[T any]() []string {
	var keys []string
	for _, f := range reflect.VisibleFields(reflect.TypeFor[T]()) {
		if key := f.Tag.Get("yaml"); key != "-" && !f.Anonymous {
			keys = append(keys, key)
		}
	}
	return keys
}
