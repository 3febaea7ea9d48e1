package routes

import (
	"fmt"
	"net/http"
	"path"
	"strings"
)

// The conditions that the table itself has to know.
const (
	predicatePath    = "Path"
	predicateSubtree = "PathSubtree"
	predicateWeight  = "Weight"
	predicateTraffic = "Traffic"
)

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
	if !strings.HasPrefix(text, "/") {
		return pathPattern{}, fmt.Errorf("%s: a path begins with /", quote(text))
	}
	cleaned := cleanPath(text)
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
			return fmt.Errorf("%s: nothing may follow %s", quote(text), segment)
		case segment == ":":
			return fmt.Errorf("%s: a : without a name", quote(text))
		case strings.Contains(segment, "*"), isWildcard(segment) && strings.Contains(segment[1:], ":"):
			return fmt.Errorf("%s: in %s only the first character can be a : or a *", quote(text), quote(segment))
		case isWildcard(segment) && seen[segment[1:]]:
			return fmt.Errorf("%s: there are two wildcards called %s", quote(text), segment[1:])
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

// reservedPaths are the provider's own. Those that end in a slash are trees.
func reservedPaths() [4]string {
	return [...]string{"/function/", "/system/", "/healthz", "/metrics"}
}

// isReserved reports whether a cleaned path is the provider's own.
func isReserved(path string) bool {
	if len(path) < len("/system") || strings.IndexByte("fshm", path[1]) < 0 {
		return false
	}
	for _, own := range reservedPaths() {
		own = strings.TrimSuffix(own, "/")
		if strings.HasPrefix(path, own) && (len(path) == len(own) || path[len(own)] == '/') {
			return true
		}
	}
	return false
}

// reserved refuses what lies beneath the provider's own paths.
func reserved(path string) error {
	if isReserved(path) {
		own := reservedPaths()
		return fmt.Errorf("%s: %s belong to the provider and cannot be routed: choose another path", quote(path), strings.Join(own[:], ", "))
	}
	return nil
}

// cleanPath resolves //, /./ and /../ as path.Clean does, but keeps a final slash.
// A path that is clean is returned as it is.
func cleanPath(p string) string {
	if p == "" || p[0] != '/' {
		p = "/" + p
	}
	if isClean(p) {
		return p
	}
	cleaned := path.Clean(p)
	if cleaned != "/" && (strings.HasSuffix(p, "/") || strings.HasSuffix(p, "/.") || strings.HasSuffix(p, "/..")) {
		cleaned += "/"
	}
	return cleaned
}

func isClean(p string) bool {
	for at := 0; at < len(p); {
		next := strings.IndexByte(p[at+1:], '/')
		segment := p[at+1:]
		if next >= 0 {
			segment = segment[:next]
		}
		if segment == "" && next >= 0 || segment == "." || segment == ".." {
			return false
		}
		at += 1 + len(segment)
	}
	return true
}

// trimmed is a path without its final slash.
func trimmed(path string) string {
	if len(path) > 1 {
		return strings.TrimSuffix(path, "/")
	}
	return path
}

// pathSpecs make the conditions on the path that the tree does not answer.
func pathSpecs() []PredicateSpec {
	return []PredicateSpec{maker{"PathRegexp", "r", `PathRegexp(/[.]html$/)`, createPathRegexp}}
}

func createPathRegexp(args []any) (Predicate, error) {
	re, err := expression(args[0])
	if err != nil {
		return nil, err
	}
	if prefix, whole := literalPrefix(pattern(args[0])); whole || strings.Count(prefix, "/") > 1 {
		if err := reserved(prefix); err != nil {
			return nil, err
		}
	}
	return PredicateFunc(func(r *http.Request) bool { return re.MatchString(cleanPath(r.URL.Path)) }), nil
}
