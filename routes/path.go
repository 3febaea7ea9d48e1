package routes

import (
	"cmp"
	"fmt"
	"net/http"
	"net/url"
	"path"
	"slices"
	"strings"

	"faas-docker/routes/argument"
	"faas-docker/routes/eskip"
)

// The conditions that the table itself has to know.
const (
	predicatePath    = "Path"
	predicateSubtree = "PathSubtree"
	predicateWeight  = "Weight"
	predicateTraffic = "Traffic"
	predicateHost    = "Host"
	predicateHostAny = "HostAny"
)

// longestPath is the longest argument of Path, in bytes.
const longestPath = 2048

// pathPattern is the argument of Path or PathSubtree, cleaned; zero for a rule with neither.
type pathPattern struct {
	// segments stand between slashes, :name with its colon; the last may be empty, behind a slash.
	segments []string
	// rest is the name of a *rest behind the segments, without its star; it is "*"
	// where a PathSubtree or a bare * gives none, and empty where nothing follows.
	rest string
	// subtree is set for PathSubtree, present for Path, too.
	subtree, present bool
}

func parsePattern(text string, subtree, trimSlash bool) (pathPattern, error) {
	if strings.HasPrefix(text, "*") {
		text, subtree = "/"+text, true // eskip's way to say every path
	}
	if !strings.HasPrefix(text, "/") {
		return pathPattern{}, fmt.Errorf("%s: a path begins with /", eskip.Quote(eskip.Excerpt(text)))
	}
	if strings.ContainsAny(text, "?#") {
		return pathPattern{}, fmt.Errorf("%s: a path ends before ? and #: QueryParam looks at the query", eskip.Quote(eskip.Excerpt(text)))
	}
	if len(text) > longestPath {
		return pathPattern{}, fmt.Errorf("%s: a path of %d bytes is too long: at most %d", eskip.Quote(eskip.Excerpt(text)), len(text), longestPath)
	}
	cleaned := CleanPath(text)
	if err := reserved(cleaned); err != nil {
		return pathPattern{}, err
	}
	if trimSlash || subtree {
		cleaned = trimmed(cleaned)
	}
	p := pathPattern{subtree: subtree, present: true, segments: strings.Split(cleaned[1:], "/")}
	p.cutRest()
	if subtree && p.rest == "" {
		p.rest = "*"
	}
	if subtree && len(p.segments) == 1 && p.segments[0] == "" {
		p.segments = nil
	}
	return p, p.check(text)
}

// cutRest takes a final *rest off the segments.
func (p *pathPattern) cutRest() {
	last := p.segments[len(p.segments)-1]
	if name, found := strings.CutPrefix(last, "*"); found {
		p.segments = p.segments[:len(p.segments)-1]
		p.rest = cmp.Or(name, "*")
	}
}

func (p pathPattern) check(text string) error {
	seen := map[string]bool{p.rest: p.rest != ""}
	for _, segment := range p.segments {
		switch {
		case strings.HasPrefix(segment, "*"):
			return fmt.Errorf("%s: nothing may follow %s", eskip.Quote(text), segment)
		case segment == ":":
			return fmt.Errorf("%s: a : without a name", eskip.Quote(text))
		case strings.Contains(segment, "*"), isWildcard(segment) && strings.Contains(segment[1:], ":"):
			return fmt.Errorf("%s: in %s only the first character can be a : or a *", eskip.Quote(text), eskip.Quote(segment))
		case isWildcard(segment) && seen[segment[1:]]:
			return fmt.Errorf("%s: there are two wildcards called %s", eskip.Quote(text), segment[1:])
		case isWildcard(segment):
			seen[segment[1:]] = true
		}
	}
	return nil
}

func isWildcard(segment string) bool { return strings.HasPrefix(segment, ":") }

// anonymous is the pattern without wildcards' names: equal ones match the same paths.
func (p pathPattern) anonymous() string {
	if !p.present {
		return ""
	}
	var b strings.Builder
	for _, segment := range p.segments {
		if isWildcard(segment) {
			segment = ":"
		}
		b.WriteString("/" + segment)
	}
	if p.rest != "" {
		b.WriteString("/*")
	}
	return fmt.Sprint(b.String(), p.subtree)
}

// isReserved reports whether a cleaned path is the provider's own.
func isReserved(path string) bool {
	switch first, _ := cutSegment(path); first {
	case "function", "system", "healthz", "metrics":
		return true
	}
	return false
}

func reserved(path string) error {
	if isReserved(path) {
		return fmt.Errorf("%s: /function/, /system/, /healthz, /metrics belong to the provider and cannot be routed: choose another path", eskip.Quote(path))
	}
	return nil
}

// CleanPath resolves //, /./ and /../ as path.Clean does, but keeps a final slash.
// A path that is clean is returned as it is.
func CleanPath(p string) string {
	if p == "" || p[0] != '/' {
		p = "/" + p
	}
	cleaned := path.Clean(p)
	switch {
	case cleaned == "/":
		return cleaned
	case cleaned == strings.TrimSuffix(p, "/"):
		return p
	case strings.HasSuffix(p, "/"), strings.HasSuffix(p, "/."), strings.HasSuffix(p, "/.."):
		return cleaned + "/"
	}
	return cleaned
}

// withoutClimbs resolves /../ in a request's path as the lookup did: a backend that resolved it in another
// way, or not, would serve a path that the rule is not for.
func withoutClimbs(r *http.Request) *http.Request {
	if path := r.URL.Path; !strings.Contains(path, "/../") && !strings.HasSuffix(path, "/..") {
		return r
	}
	target := *r.URL
	// EscapedPath takes RawPath only where it says the same: /a%2Fb/../c is /a/c, not /c.
	target.Path, target.RawPath = CleanPath(target.Path), CleanPath(target.EscapedPath())
	clean := r.WithContext(r.Context())
	clean.URL, clean.RequestURI = &target, target.RequestURI()
	return clean
}

func trimmed(path string) string {
	if len(path) > 1 {
		return strings.TrimSuffix(path, "/")
	}
	return path
}

// createPathRegexp makes the condition on the path that the tree does not answer.
func createPathRegexp(args []any) (PredicateFunc, error) {
	re, err := matchable(args[0], pathText())
	if err != nil {
		return nil, err
	}
	if prefix, whole := literalPrefix(argument.Text(args[0])); whole || strings.Count(prefix, "/") > 1 {
		err = reserved(prefix)
	}
	return func(r *http.Request) bool { return re.MatchString(CleanPath(r.URL.Path)) }, err
}

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
	segment, _, _ = strings.Cut(path[1:], "/")
	return segment, path[1+len(segment):]
}
