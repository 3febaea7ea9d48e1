package routes

import (
	"fmt"
	"net/netip"
	"regexp/syntax"
	"slices"
	"strings"
	"time"

	"faas-docker/grammar"
	"faas-docker/routes/argument"
	"faas-docker/routes/eskip"
)

// checkPossible refuses a rule whose conditions no request can meet. False() and Traffic(0),
// which switch a rule off, and times that are over are left alone.
func (b *builder) checkPossible(r *Route) error {
	calls := map[string][]eskip.Call{}
	for _, call := range r.Rule.Predicates {
		calls[call.Name] = append(calls[call.Name], call)
	}
	for _, check := range []func(*Route, map[string][]eskip.Call) error{possibleMethods, possibleHosts, possibleClients, possibleTimes, possiblePaths} {
		if err := check(r, calls); err != nil {
			return fmt.Errorf("no request can meet these conditions: %w", err)
		}
	}
	return nil
}

func possibleMethods(_ *Route, calls map[string][]eskip.Call) error {
	var left map[string]bool
	for i, call := range append(calls["Method"], calls["Methods"]...) {
		both := map[string]bool{}
		for _, m := range argument.Texts(call.Args) {
			if m = grammar.Upper(m); i == 0 || left[m] {
				both[m] = true
			}
		}
		if left = both; len(left) == 0 {
			return fmt.Errorf("a request has one method: name them in one Methods")
		}
	}
	return nil
}

// possibleHosts looks for a host that all conditions admit, where one names the only ones.
func possibleHosts(r *Route, _ map[string][]eskip.Call) error {
	naming := slices.IndexFunc(r.hostConditions, func(c hosted) bool { return c.named() != nil })
	if naming < 0 || slices.ContainsFunc(r.hostConditions[naming].named(), r.admitsHost) {
		return nil
	}
	return fmt.Errorf("a request has one host, and %s is not what all of them want", eskip.Excerpt(strings.Join(r.hostConditions[naming].named(), " or ")))
}

func possibleClients(_ *Route, calls map[string][]eskip.Call) error {
	all := slices.Concat(calls["ClientIP"], calls["Source"], calls["SourceFromLast"])
	var sets [][]netip.Prefix
	for i, call := range all {
		set, _ := parsePrefixes(call.Args)
		if len(set) > mostCompared || i == mostCompared {
			return nil
		}
		for j, other := range sets {
			if !slices.ContainsFunc(set, func(a netip.Prefix) bool { return slices.ContainsFunc(other, a.Overlaps) }) {
				return fmt.Errorf("%s and %s have no address in common: name them in one ClientIP", eskip.Excerpt(call.String()), eskip.Excerpt(all[j].String()))
			}
		}
		sets = append(sets, set)
	}
	return nil
}

// mostCompared is how many networks are compared with how many; longer lists are not.
const mostCompared = 50

func possibleTimes(_ *Route, calls map[string][]eskip.Call) error {
	var begin, end time.Time
	for _, call := range append(calls["After"], calls["Between"]...) {
		if t, _ := argument.Time(call.Args[0]); begin.IsZero() || t.After(begin) {
			begin = t
		}
	}
	for _, call := range append(calls["Before"], calls["Between"]...) {
		if t, _ := argument.Time(call.Args[len(call.Args)-1]); end.IsZero() || t.Before(end) {
			end = t
		}
	}
	if !begin.IsZero() && !end.IsZero() && !begin.Before(end) {
		return fmt.Errorf("one time ends at %s, and another begins at %s", end.Format(time.RFC3339), begin.Format(time.RFC3339))
	}
	return nil
}

// possiblePaths compares the path with expressions for it, where both say how it begins.
func possiblePaths(r *Route, calls map[string][]eskip.Call) error {
	for _, call := range calls["PathRegexp"] {
		begins, whole := literalPrefix(argument.Text(call.Args[0]))
		fixed, complete := r.path.literal()
		clash := !strings.HasPrefix(begins, fixed) && !strings.HasPrefix(fixed, begins)
		if re, err := argument.Regexp(call.Args[0]); err == nil && complete {
			clash = !re.MatchString(fixed) && !re.MatchString(fixed+"/")
		}
		if r.path.present && (clash || whole && !strings.HasPrefix(begins, fixed)) {
			return fmt.Errorf("no path is as both the path and %s want it", eskip.Excerpt(call.String()))
		}
	}
	return nil
}

// literal is how every match begins, and whether that is all but for a final slash.
func (p pathPattern) literal() (begins string, complete bool) {
	for _, segment := range p.segments {
		if isWildcard(segment) {
			return begins + "/", false
		}
		begins += "/" + segment
	}
	return begins, p.rest == ""
}

// textKind is a kind of text that an expression is compared with.
type textKind struct {
	// may says which characters occur; first is the only one to begin with, zero if not known.
	may   func(rune) bool
	first rune
	what  string
}

func hostText() textKind {
	return textKind{what: "host", may: func(c rune) bool {
		return c < 0x80 && (eskip.IsNameByte(byte(c)) || strings.ContainsRune(":[]~", c))
	}}
}

func pathText() textKind {
	return textKind{what: "path", first: '/', may: func(rune) bool { return true }}
}

func fieldText() textKind {
	return textKind{what: "value of a field", may: func(c rune) bool { return c >= ' ' && c != 0x7f || c == '\t' }}
}

func cookieText() textKind {
	return textKind{what: "value of a cookie", may: func(c rune) bool { return c > ' ' && c < 0x7f && !strings.ContainsRune(`;\`, c) || c == ' ' }}
}

// matching refuses an expression that no text of a kind matches.
func (k textKind) matching(pattern string) error {
	re, err := syntax.Parse(pattern, syntax.Perl)
	if err != nil {
		return nil
	}
	program, err := syntax.Compile(re.Simplify())
	if err != nil {
		return nil
	}
	s := search{program: program, kind: k, seen: map[state]bool{}}
	// A match begins with the text, or somewhere within it.
	if s.reaches(state{pc: uint32(program.Start), begin: true}) || s.reaches(state{pc: uint32(program.Start)}) {
		return nil
	}
	return fmt.Errorf("%s: no %s matches it", eskip.Excerpt(eskip.PrintArg(eskip.Regexp(pattern))), k.what)
}

// search walks through a compiled expression with every text of a kind at once.
type search struct {
	program *syntax.Prog
	kind    textKind
	seen    map[state]bool
}

// state is a place in the program: with none of the text read yet, or its end behind it.
type state struct {
	pc         uint32
	begin, end bool
}

func (s *search) reaches(at state) bool {
	if s.seen[at] {
		return false
	}
	s.seen[at] = true
	in := &s.program.Inst[at.pc]
	next := state{in.Out, at.begin, at.end}
	switch in.Op {
	case syntax.InstMatch:
		return s.kind.first == 0 || !at.begin || !at.end
	case syntax.InstFail:
		return false
	case syntax.InstAlt, syntax.InstAltMatch:
		return s.reaches(next) || s.reaches(state{in.Arg, at.begin, at.end})
	case syntax.InstEmptyWidth:
		asked := syntax.EmptyOp(in.Arg)
		if asked&syntax.EmptyBeginText != 0 && !at.begin {
			return false
		}
		next.end = at.end || asked&syntax.EmptyEndText != 0
		return s.reaches(next)
	case syntax.InstRune, syntax.InstRune1, syntax.InstRuneAny, syntax.InstRuneAnyNotNL:
		return !at.end && s.canRead(in, at.begin) && s.reaches(state{pc: in.Out})
	}
	return s.reaches(next)
}

// canRead reports whether a character of the text may be what an instruction wants.
func (s *search) canRead(in *syntax.Inst, begin bool) bool {
	if begin && s.kind.first != 0 {
		return in.MatchRune(s.kind.first)
	}
	for c := range rune(0x80) {
		if in.MatchRune(c) && s.kind.may(c) {
			return true
		}
	}
	// Of the others the first and the last of a range speak for all.
	for _, c := range append(in.Rune, 0xfffd) {
		if c >= 0x80 && in.MatchRune(c) && s.kind.may(c) {
			return true
		}
	}
	return false
}
