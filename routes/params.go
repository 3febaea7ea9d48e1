package routes

import (
	"net/url"
	"slices"
	"strings"
)

// Params are the values of a path's wildcards, in the order of the path.
type Params []Param

// Param is the value of one wildcard.
type Param struct {
	Name string
	// Value has plus signs turned into spaces, as in a query.
	Value string
	// Path is the value as it stands in the path, for making another path of it.
	Path string
}

// Get returns the value of a wildcard, empty if the path has none of that name.
func (p Params) Get(name string) string {
	param, _ := p.Find(name)
	return param.Value
}

// Find returns the wildcard of a name, if the path has it.
func (p Params) Find(name string) (Param, bool) {
	for _, param := range p {
		if param.Name == name {
			return param, true
		}
	}
	return Param{}, false
}

// params reads the values of the wildcards off a path that matches. The raw path is
// the same with its escapes, or empty; it tells a plus sign from an escaped one.
func (p pathPattern) params(path, raw string) Params {
	if p.rest == "" && !slices.ContainsFunc(p.segments, isWildcard) {
		return nil
	}
	if strings.Count(raw, "/") != strings.Count(path, "/") {
		raw = ""
	}
	params := make(Params, 0, len(p.segments)+1)
	for _, name := range p.segments {
		var segment, escaped string
		segment, path = cutSegment(path)
		escaped, raw = cutSegment(raw)
		if isWildcard(name) {
			params = append(params, Param{Name: name[1:], Path: segment, Value: unescaped(segment, escaped)})
		}
	}
	if p.rest != "" {
		if path == "" {
			path, raw = "/", "" // the root of a subtree
		}
		params = append(params, Param{Name: p.rest, Path: path, Value: unescaped(path, raw)})
	}
	return params
}

func unescaped(plain, escaped string) string {
	if value, err := url.QueryUnescape(escaped); err == nil && escaped != "" {
		return value
	}
	return strings.ReplaceAll(plain, "+", " ")
}

// cutSegment splits "/a/b" into "a" and "/b".
func cutSegment(path string) (segment, after string) {
	if path == "" {
		return "", ""
	}
	path = path[1:]
	if end := strings.IndexByte(path, '/'); end >= 0 {
		return path[:end], path[end:]
	}
	return path, ""
}
