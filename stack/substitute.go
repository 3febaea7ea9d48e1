package stack

import (
	"cmp"
	"errors"
	"fmt"
	"regexp"
	"strings"

	"github.com/drone/envsubst"
	"gopkg.in/yaml.v3"
)

// substitute replaces ${NAME} and its relatives, line by line where the text as a whole does not
// allow it: lines that cannot be replaced stay as they are and are returned by their number.
func substitute(text string, lookup func(string) (string, bool)) (string, map[int]error) {
	value := func(name string) string {
		found, _ := lookup(name)
		return found
	}
	if replaced, err := envsubst.Eval(text, value); err == nil {
		return replaced, nil
	}
	broken := map[int]error{}
	var out strings.Builder
	number := 0
	for line := range strings.Lines(text) {
		number++
		replaced, err := envsubst.Eval(line, value)
		if err != nil && !isComment(line) {
			broken[number] = fmt.Errorf("replace variables in %q: %w: want ${NAME} or ${NAME:-default}, and $${ for a dollar sign before a brace", clipped(strings.TrimSpace(line)), err)
		}
		if err != nil {
			replaced = line
		}
		out.WriteString(replaced)
	}
	return out.String(), broken
}

func isComment(line string) bool { return strings.HasPrefix(strings.TrimSpace(line), "#") }

// brokenWithin returns an error if a variable of the function cannot be replaced.
func (p *parser) brokenWithin(f field) error {
	first, last := f.key.Line, max(f.key.Line, lastLine(f.value))
	for line := first; line <= last; line++ {
		if err := p.broken[line]; err != nil {
			return fmt.Errorf("line %d: %w", line, err)
		}
	}
	return nil
}

// lastLine is the last line on which something of the node begins.
func lastLine(node *yaml.Node) int {
	last := node.Line
	for _, child := range node.Content {
		last = max(last, lastLine(child))
	}
	return last
}

// noteUnset names variables that are not set and have no default.
func (p *parser) noteUnset(text string) {
	plainVariable := regexp.MustCompile(`(?:^|[^$])\$\{([A-Za-z_][A-Za-z0-9_]*)\}`)
	number := 0
	for line := range strings.Lines(text) {
		number++
		if isComment(line) {
			continue
		}
		for _, found := range plainVariable.FindAllStringSubmatch(line, -1) {
			if _, set := p.lookup(found[1]); !set {
				p.note(p.path, &yaml.Node{Line: number}, "${"+found[1]+"}", "the variable is not set and counts as empty")
			}
		}
	}
}

// plain makes one line of an error of the YAML package, without Go's names of types.
func plain(err error) error {
	wrong, ok := errors.AsType[*yaml.TypeError](err)
	if !ok {
		return errors.New(strings.NewReplacer(
			"yaml: ", "",
			"found character that cannot start any token", "a tab, or a character that has to be quoted",
		).Replace(err.Error()))
	}
	mismatch := regexp.MustCompile("cannot unmarshal !!([a-z]+)(?: `(.*)`)? into (\\S+)$")
	wanted := map[string]string{
		"map[string]string": "NAME: value",
		"[]string":          "a list of texts, each after a dash",
		"string":            "a text",
		"bool":              "true or false, without quotes",
	}
	var all []string
	for _, text := range wrong.Errors {
		if found := mismatch.FindStringSubmatch(text); found != nil {
			text = strings.TrimSuffix(text, found[0]) + got(found[1], found[2]) + ": want " + cmp.Or(wanted[found[3]], "names with values")
		}
		all = append(all, text)
	}
	return errors.New(strings.Join(all, "; "))
}

func got(tag, text string) string {
	switch tag {
	case "seq":
		return "a list"
	case "map":
		return "a mapping"
	}
	return fmt.Sprintf("%q", text)
}
