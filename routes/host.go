package routes

import (
	"net/http"
	"regexp"
	"regexp/syntax"
	"strings"
)

// hostSpecs make the conditions on the host that the client asked for. Case does not
// matter; a port and a final dot matter only where the condition has them.
func hostSpecs() []PredicateSpec {
	return []PredicateSpec{
		maker{"Host", "r", `Host(/^www[.]example[.]org$/)`, createHost},
		maker{"HostAny", "s+", `HostAny("example.org", "www.example.org")`, createHostAny},
	}
}

func createHost(args []any) (Predicate, error) {
	if _, err := expression(args[0]); err != nil {
		return nil, err
	}
	folded, err := expression(Regexp("(?i:" + pattern(args[0]) + ")"))
	p := expressionHost{expression: folded}
	if literal, whole := literalPrefix(pattern(args[0])); whole {
		p.literal = strings.ToLower(literal)
	}
	return p, err
}

// expressionHost compares hosts with an expression.
type expressionHost struct {
	expression *regexp.Regexp
	// literal is the only host that can match; empty when there may be others.
	literal string
}

func (p expressionHost) Match(r *http.Request) bool {
	name := hostName(r.Host)
	if p.literal != "" && p.literal == name {
		return true
	}
	return p.expression.MatchString(name) || len(name) != len(r.Host) && p.expression.MatchString(r.Host)
}

func (p expressionHost) hosts() []string {
	if p.literal == "" {
		return nil
	}
	return []string{hostName(p.literal)}
}

func createHostAny(args []any) (Predicate, error) {
	p := listedHost(texts(args))
	for i, host := range p {
		p[i] = strings.ToLower(host)
	}
	return p, nil
}

// listedHost compares hosts with a few names in lower case.
type listedHost []string

func (p listedHost) Match(r *http.Request) bool {
	name := hostName(r.Host)
	for _, host := range p {
		if host == name || strings.EqualFold(host, r.Host) {
			return true
		}
	}
	return false
}

func (p listedHost) hosts() []string {
	names := make([]string, len(p))
	for i, host := range p {
		names[i] = hostName(host)
	}
	return names
}

// hosted is a condition that only a few hosts can meet. The table looks rules with
// such a condition up by host instead of asking them all.
type hosted interface {
	// hosts are the names in the form that hostName gives them; nil means any.
	hosts() []string
}

// hostName is a host in lower case, without port and final dot.
func hostName(host string) string {
	if end := strings.LastIndexByte(host, ':'); end >= 0 && strings.IndexByte(host[end:], ']') < 0 {
		host = host[:end]
	}
	return strings.ToLower(strings.TrimSuffix(host, "."))
}

// literalPrefix is the text that everything an expression matches begins with;
// whole says that it is all of it. Both are zero for an expression without ^.
func literalPrefix(pattern string) (prefix string, whole bool) {
	re, err := syntax.Parse(pattern, syntax.Perl)
	if err != nil || re.Op != syntax.OpConcat || re.Sub[0].Op != syntax.OpBeginText {
		return "", false
	}
	for _, sub := range re.Sub[1:] {
		switch {
		case sub.Op == syntax.OpLiteral && sub.Flags&syntax.FoldCase == 0:
			prefix += string(sub.Rune)
		case sub.Op == syntax.OpEndText && sub == re.Sub[len(re.Sub)-1]:
			return prefix, true
		default:
			return prefix, false
		}
	}
	return prefix, false
}
