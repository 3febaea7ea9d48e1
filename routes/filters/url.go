package filters

import (
	"fmt"
	"regexp"
	"strings"

	"faas-docker/routes"
	"faas-docker/routes/argument"
)

func newSetPath(args []any) (routes.RequestFunc, error) {
	t, err := parseTemplate(args[0])
	return func(c *routes.Context) {
		if path, ok := t.fillPath(c); ok {
			c.Request.URL.Path, c.Request.URL.RawPath = rooted(path), ""
		}
	}, err
}

// newModPath replaces what an expression matches in the path; $1 is its first group. It
// sees the path as it was sent, not cleaned.
func newModPath(args []any) (routes.RequestFunc, error) {
	r, err := newReplacement(args)
	return func(c *routes.Context) {
		u := c.Request.URL
		path, raw := r.replaced(u.Path), r.replaced(u.RawPath)
		if !isShort(c, max(len(path), len(raw))) {
			return
		}
		if u.Path = rooted(path); u.RawPath != "" {
			// Where the two no longer say the same, the escapes are given up by EscapedPath.
			u.RawPath = rooted(raw)
		}
	}, err
}

// replacement is a text in place of what an expression matches.
type replacement struct {
	expression *regexp.Regexp
	text       string
}

// longestReplacement is the longest text that is put in, in bytes.
const longestReplacement = 2048

func newReplacement(args []any) (replacement, error) {
	re, err := argument.Regexp(args[0])
	r := replacement{expression: re, text: argument.Text(args[1])}
	if err == nil && len(r.text) > longestReplacement {
		err = fmt.Errorf("a replacement of %d bytes is too long: at most %d", len(r.text), longestReplacement)
	}
	return r, err
}

// replaced is a text with the replacements, or the beginning of one that is too long.
func (r replacement) replaced(text string) string {
	var b []byte
	end := 0
	for _, match := range r.expression.FindAllStringSubmatchIndex(text, -1) {
		b = append(b, text[end:match[0]]...)
		if b = r.expression.ExpandString(b, r.text, text, match); len(b) > longestValue {
			return string(b)
		}
		end = match[1]
	}
	return string(append(b, text[end:]...))
}

// rooted gives a path the slash that every path begins with.
func rooted(path string) string {
	if strings.HasPrefix(path, "/") {
		return path
	}
	return "/" + path
}
