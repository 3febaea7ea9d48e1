package routes

import (
	"regexp"
	"strings"
)

// pathFilters change the path of the request.
func pathFilters() []FilterSpec {
	return []FilterSpec{
		filterMaker{"setPath", "s", `setPath("/${item}")`, newSetPath},
		filterMaker{"modPath", "rs", `modPath(/^\/shop/, "")`, newModPath},
	}
}

// setPath replaces the path.
type setPath struct {
	RequestOnly
	path template
}

func newSetPath(args []any) (Filter, error) {
	t, err := parseTemplate(pattern(args[0]))
	return setPath{path: t}, err
}

func (f setPath) Request(c *Context) {
	c.Request.URL.Path, c.Request.URL.RawPath = rooted(f.path.fillPath(c)), ""
}

// modPath replaces what an expression matches in the path; $1 is its first group. It
// sees the path as it was sent, not cleaned.
type modPath struct {
	RequestOnly
	expression  *regexp.Regexp
	replacement string
}

func newModPath(args []any) (Filter, error) {
	re, err := expression(args[0])
	return modPath{expression: re, replacement: pattern(args[1])}, err
}

func (f modPath) Request(c *Context) {
	u := c.Request.URL
	u.Path = rooted(f.expression.ReplaceAllString(u.Path, f.replacement))
	if u.RawPath != "" {
		// Where the two no longer say the same, the escapes are given up by EscapedPath.
		u.RawPath = rooted(f.expression.ReplaceAllString(u.RawPath, f.replacement))
	}
}

// rooted gives a path the slash that every path begins with.
func rooted(path string) string {
	if strings.HasPrefix(path, "/") {
		return path
	}
	return "/" + path
}
