// Package stack reads faas-cli's stack.yml, and keeps deploying its functions until all are.
//
// A file is read as faas-cli reads it, but a fault of a function costs that function only, and
// unknown keys are named.
package stack

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"gopkg.in/yaml.v3"

	"faas-docker/function"
)

// maxFile bounds the stack file and each file that it names, in bytes.
const maxFile = 4 << 20

// Reader reads stack files. It is safe for concurrent use if Lookup is.
type Reader struct {
	// Namespace is where functions are deployed that name none.
	Namespace string
	// Lookup returns the value of a variable, and whether it is set; nil means that none is.
	Lookup func(name string) (value string, set bool)
}

func (r Reader) lookup(name string) (value string, set bool) {
	if r.Lookup == nil {
		return "", false
	}
	return r.Lookup(name)
}

// File is what a stack file says.
type File struct {
	// Functions are sorted by name.
	Functions []Function
	// Notes name the entries that were ignored, in the order of the lines.
	Notes []Note
}

// Function is one function of a stack file.
type Function struct {
	// Spec is to be deployed; only its name and namespace count if Err is set.
	Spec function.Spec
	// Line is where the function begins.
	Line int
	// Err says why the function cannot be deployed as it is written.
	Err error
}

// Note is something in a file that has no effect, and was probably meant to have one.
type Note struct {
	File string
	Line int
	Key  string
	Text string
}

// String returns the note as one line that begins with its place.
func (n Note) String() string { return fmt.Sprintf("%s:%d: %s: %s", n.File, n.Line, n.Key, n.Text) }

// Read reads one file. ${NAME:-default} is replaced from the variables first, and paths
// in the file are relative to its folder. It returns an error if nothing of the file can
// be used; the fault of a function is that function's Err.
func (r Reader) Read(path string) (File, error) {
	raw, err := readFile(path)
	if err != nil {
		return File{}, fmt.Errorf("stack_file: %w", err)
	}
	p := parser{Reader: r, path: path}
	if err := p.parse(string(raw)); err != nil {
		return File{}, fmt.Errorf("stack_file %q: %w", path, err)
	}
	slices.SortStableFunc(p.file.Functions, func(a, b Function) int { return strings.Compare(a.Spec.Name, b.Spec.Name) })
	slices.SortStableFunc(p.file.Notes, func(a, b Note) int { return a.Line - b.Line })
	return p.file, nil
}

// readFile reads a whole regular file.
func readFile(path string) ([]byte, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("read %q: it is not a regular file", path)
	}
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	raw, err := io.ReadAll(io.LimitReader(file, maxFile+1))
	if err == nil && len(raw) > maxFile {
		err = fmt.Errorf("read %q: it is larger than %d MiB", path, maxFile>>20)
	}
	return raw, err
}

// parser is one reading of one file.
type parser struct {
	Reader
	path string
	// broken are the lines whose variables could not be replaced, by their number.
	broken map[int]error
	file   File
}

func (p *parser) parse(text string) error {
	p.noteUnset(text)
	text, p.broken = substitute(text, p.lookup)
	document, err := p.document(text)
	if err != nil {
		return err
	}
	top, err := fields(document)
	if err != nil {
		return err
	}
	p.noteUnknown(p.path, top, topKeys())
	if err := p.checkHead(document, top); err != nil {
		return err
	}
	return p.functions(top.value("functions"))
}

// document returns the first document of the text, which is the only one that counts.
func (p *parser) document(text string) (*yaml.Node, error) {
	decoder := yaml.NewDecoder(strings.NewReader(text))
	var first, second yaml.Node
	if err := decoder.Decode(&first); err != nil {
		if errors.Is(err, io.EOF) {
			return nil, errors.New("it is empty")
		}
		return nil, p.explain(err)
	}
	if err := decoder.Decode(&second); err == nil && !isNull(&second) {
		p.note(p.path, &second, "---", "only the first document of the file counts: move this one to a file of its own")
	}
	return &first, nil
}

// explain prefers a broken variable to what the parser makes of it.
func (p *parser) explain(err error) error {
	for _, line := range slices.Sorted(maps.Keys(p.broken)) {
		return fmt.Errorf("line %d: %w", line, p.broken[line])
	}
	return plain(err)
}

// checkHead refuses what faas-cli refuses.
func (p *parser) checkHead(document *yaml.Node, top mapping) error {
	var head struct {
		Version  string `yaml:"version"`
		Provider struct {
			Name string `yaml:"name"`
		} `yaml:"provider"`
	}
	if err := document.Decode(&head); err != nil {
		return p.explain(err)
	}
	if head.Version != "" && head.Version != "1.0" {
		return fmt.Errorf("version is %q: want 1.0", head.Version)
	}
	if head.Provider.Name != "openfaas" {
		return fmt.Errorf("provider.name is %q: want openfaas", head.Provider.Name)
	}
	provider, err := fields(top.value("provider"))
	if err != nil {
		return err
	}
	p.noteUnknown(p.path, provider, providerKeys())
	return nil
}

func (p *parser) functions(node *yaml.Node) error {
	named, err := fields(node)
	if err != nil {
		return fmt.Errorf("functions: %w", err)
	}
	lines := map[string][]int{}
	for _, f := range named {
		lines[f.name] = append(lines[f.name], f.key.Line)
	}
	seen := map[string]bool{}
	for _, f := range named {
		if seen[f.name] {
			continue
		}
		seen[f.name] = true
		spec, err := p.function(f)
		if twice := lines[f.name]; len(twice) > 1 {
			err = fmt.Errorf("line %d: the function is defined at line %d already: give one of them another name", twice[1], twice[0])
		}
		if err == nil {
			err = spec.Validate()
		}
		p.file.Functions = append(p.file.Functions, Function{Spec: spec, Line: f.key.Line, Err: err})
	}
	return nil
}

// folder is what paths in the file are relative to.
func (p *parser) folder() string { return filepath.Dir(p.path) }

func (p *parser) note(file string, at *yaml.Node, key, text string) {
	p.file.Notes = append(p.file.Notes, Note{File: file, Line: at.Line, Key: key, Text: text})
}
