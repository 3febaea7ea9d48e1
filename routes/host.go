package routes

import (
	"fmt"
	"net/http"
	"regexp"
	"regexp/syntax"
	"slices"
	"strings"

	"faas-docker/grammar"
	"faas-docker/routes/argument"
	"faas-docker/routes/eskip"
)

// createHost compares hosts without regard to case; a port and a final dot count only where the condition has them.
func createHost(args []any) (expressionHost, error) {
	if _, err := argument.Regexp(args[0]); err != nil {
		return expressionHost{}, err
	}
	folding := "(?i:" + argument.Text(args[0]) + ")"
	if err := hostText().matching(folding); err != nil {
		return expressionHost{}, err
	}
	folded, err := argument.Regexp(eskip.Regexp(folding))
	p := expressionHost{expression: folded}
	if literal, whole := literalPrefix(argument.Text(args[0])); whole && literal != "" {
		p.names = []string{grammar.Lower(literal)}
	}
	return p, err
}

type expressionHost struct {
	expression *regexp.Regexp
	// names is the only host that can match; nil when there may be others.
	names []string
}

func (p expressionHost) Match(r *http.Request) bool {
	name := hostName(r.Host)
	return slices.Contains(p.names, name) || p.expression.MatchString(name) ||
		len(name) != len(r.Host) && p.expression.MatchString(r.Host)
}

func (p expressionHost) named() []string { return p.names }

func createHostAny(args []any) (listedHost, error) {
	p := listedHost{names: argument.Texts(args), known: map[string]bool{}}
	for i, host := range p.names {
		if !grammar.IsHost(host) {
			return p, fmt.Errorf("%s: no request has such a host: want names such as example.org (xn--… where it has other letters); Host takes an expression", eskip.Quote(eskip.Excerpt(host)))
		}
		p.names[i] = grammar.Lower(host)
		p.known[p.names[i]] = true
	}
	return p, nil
}

// listedHost compares hosts with a few names in lower case.
type listedHost struct {
	names []string
	known map[string]bool
}

func (p listedHost) Match(r *http.Request) bool {
	return p.known[hostName(r.Host)] || p.known[grammar.Lower(r.Host)]
}

func (p listedHost) named() []string { return p.names }

// hosted is a condition that only a few hosts can meet. Rules with such a condition are looked up
// by host, and not asked one by one.
type hosted interface {
	Predicate
	// named are the only hosts that meet it, perhaps with ports; nil: there are others.
	named() []string
}

// hostNames are the hosts that a condition names, without their ports, each once.
func hostNames(condition hosted) []string {
	var names []string
	for _, host := range condition.named() {
		names = append(names, hostName(host))
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// hostName is a host in lower case, without port and final dot.
func hostName(host string) string {
	if end := strings.LastIndexByte(host, ':'); end >= 0 && strings.IndexByte(host[end:], ']') < 0 {
		host = host[:end]
	}
	return grammar.Lower(strings.TrimSuffix(host, "."))
}

// literalPrefix is how every match of an expression begins, and whether that is all; zero without ^.
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
