package eskip

import (
	"cmp"
	"fmt"
	"strconv"
	"strings"
)

// Print writes rules in the one canonical way, one below the other. Parse reads
// them back as they were. A rule that could not be read stands in a comment.
func Print(rules ...Rule) string {
	texts := make([]string, len(rules))
	for i, r := range rules {
		texts[i] = r.String()
		if r.Err == nil && (len(rules) > 1 || r.ID != "") {
			texts[i] += ";\n"
		}
	}
	return strings.Join(texts, "\n")
}

// String writes one rule without the semicolon.
func (r Rule) String() string {
	if r.Err != nil {
		return "// " + strings.ReplaceAll(r.Err.Error()+"\n"+r.Text, "\n", "\n// ") + "\n"
	}
	text := r.conditions()
	if r.ID != "" {
		text = r.ID + ": " + text
	}
	for _, f := range r.Filters {
		text += "\n  -> " + f.String()
	}
	return text + "\n  -> " + r.Backend.String()
}

func (r Rule) conditions() string {
	var parts []string
	for _, p := range r.Predicates {
		parts = append(parts, p.String())
	}
	return cmp.Or(strings.Join(parts, " && "), "*")
}

// String writes the backend with its quotes.
func (b Backend) String() string {
	switch b.Kind {
	case BackendFunction:
		return Quote(functionScheme + b.Text)
	case BackendURL:
		return Quote(b.Text)
	}
	return "<shunt>"
}

// String writes the call as it would stand in a rule.
func (c Call) String() string {
	parts := make([]string, len(c.Args))
	for i, arg := range c.Args {
		parts[i] = PrintArg(arg)
	}
	return c.Name + "(" + strings.Join(parts, ", ") + ")"
}

// PrintArg writes an argument as it would stand in a rule.
func PrintArg(arg any) string {
	switch a := arg.(type) {
	case float64:
		return strconv.FormatFloat(a, 'g', -1, 64)
	case Regexp:
		return printRegexp(a)
	case string:
		return Quote(a)
	}
	return Quote(fmt.Sprint(arg))
}

// printRegexp writes /…/, or quotes what has no such form: to takers of expressions that is the same.
func printRegexp(expression Regexp) string {
	var b strings.Builder
	b.WriteByte('/')
	escaped := false
	for _, c := range []byte(expression) {
		if c == '/' && !escaped {
			b.WriteByte('\\')
		}
		b.WriteByte(c)
		escaped = c == '\\' && !escaped
	}
	b.WriteByte('/')
	text := b.String()
	if t := newLexer(text).next(); t.kind == tokenRegexp && t.end == len(text) && t.text == string(expression) {
		return text
	}
	return Quote(string(expression))
}

// Quote writes a string between double quotes. What has no escape stands for itself.
func Quote(text string) string {
	var b strings.Builder
	b.WriteByte('"')
	for _, c := range []byte(text) {
		if letter := strings.IndexByte(escapedBytes, c); letter >= 0 {
			b.WriteByte('\\')
			c = escapeLetters[letter]
		}
		b.WriteByte(c)
	}
	b.WriteByte('"')
	return b.String()
}

// The bytes that are escaped in a string, and the letters that stand for them.
const (
	escapedBytes  = "\a\b\f\n\r\t\v\\\""
	escapeLetters = `abfnrtv\"`
)
