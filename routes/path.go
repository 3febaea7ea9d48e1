package routes

import (
	"fmt"
	"net/http"
	"path"
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

// pathPattern is the argument of Path or PathSubtree, cleaned. The zero value is
// that of a rule with neither.
type pathPattern struct {
	// segments are the pieces between slashes. A :name keeps its colon; the last may
	// be empty, behind a final slash.
	segments []string
	// rest is the name of a *rest behind the segments, without its star; it is "*"
	// where a PathSubtree or a bare * gives none, and empty where nothing follows.
	rest string
	// subtree is set for PathSubtree, present for Path, too.
	subtree, present bool
}

// parsePattern reads the argument of Path, or of PathSubtree.
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
		p.rest = name
		if name == "" || name == "*" {
			p.rest = "*"
		}
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

// anonymous is the pattern without the names of its wildcards: two that are equal
// match the same paths.
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

// reserved refuses what lies beneath the provider's own paths.
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

// withoutClimbs is a request as its rule has seen it where its path has /../: resolved. A backend
// that did not resolve it, or did so in another way, would serve another path than the one that
// the rule is for.
func withoutClimbs(r *http.Request) *http.Request {
	if !strings.Contains(r.URL.Path+"/", "/../") {
		return r
	}
	target := *r.URL
	target.Path, target.RawPath = CleanPath(target.Path), ""
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
	re, err := argument.Regexp(args[0])
	if err != nil {
		return nil, err
	}
	if err := pathText().matching(argument.Text(args[0])); err != nil {
		return nil, err
	}
	if prefix, whole := literalPrefix(argument.Text(args[0])); whole || strings.Count(prefix, "/") > 1 {
		if err := reserved(prefix); err != nil {
			return nil, err
		}
	}
	return func(r *http.Request) bool { return re.MatchString(CleanPath(r.URL.Path)) }, nil
}
