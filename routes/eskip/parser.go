package eskip

import (
	"errors"
	"fmt"
	"strings"

	"faas-docker/function"
)

// The most that one text may hold: far beyond what people write, and a bound on what it costs.
const (
	MostRules     = 10_000
	mostCalls     = 100
	MostArguments = 1000
)

// Parse reads rules, all that can be read. The error, a function.ErrInvalid, tells of the others by line
// and column. One rule alone may go without a name.
func Parse(text string) ([]Rule, error) {
	var good []Rule
	var failures []error
	for _, r := range ParseEach(text) {
		if r.Err != nil {
			failures = append(failures, r.Err)
			continue
		}
		good = append(good, r)
	}
	return good, errors.Join(failures...)
}

// ParseEach reads rules, broken ones included: they carry their Text and Err.
func ParseEach(text string) []Rule {
	p := newParser(text)
	var rules []Rule
	for p.token.kind != tokenEnd {
		if len(rules) == MostRules {
			p.id = ""
			err := p.wrong(p.token, fmt.Sprintf("more than %d rules: the rest is not read", MostRules))
			return append(namedUnlessAlone(rules), Rule{Err: err, Text: Excerpt(text[p.token.start:])})
		}
		start := p.token.start
		r, err := p.definition()
		if err != nil {
			p.recover()
			r = Rule{ID: r.ID, Err: err, Text: strings.TrimSpace(text[start:p.token.start])}
		}
		rules = append(rules, r)
	}
	return namedUnlessAlone(rules)
}

// namedUnlessAlone breaks nameless rules beside others: they could not be told apart.
func namedUnlessAlone(rules []Rule) []Rule {
	for i, r := range rules {
		if len(rules) > 1 && r.ID == "" && r.Err == nil {
			shown := Excerpt(r.conditions())
			err := function.Invalid("rule", "%q has no name: want a name and a colon before it, as in shop: %s", shown, shown)
			rules[i] = Rule{Text: r.String(), Err: r.Locate(err)}
		}
	}
	return rules
}

// ParseOne reads exactly one rule without a name, or with this one. Where the
// backend is left out it is the fallback; nil means that it must not be.
func ParseOne(id, text string, fallback *Backend) Rule {
	p := newParser(text)
	p.fallback = fallback
	r, err := p.definition()
	if err == nil && p.token.kind != tokenEnd {
		err = p.expected("one rule and nothing behind it")
	}
	if err == nil && r.ID != "" && r.ID != id {
		err = function.Invalid("rule", "it is called %q within and %q without: leave out the name within", r.ID, id)
	}
	if err != nil {
		return Rule{ID: id, Text: text, Err: err}
	}
	r.ID = id
	return r
}

// parser reads with two tokens in view.
type parser struct {
	lexer       *lexer
	token, then token
	id          string
	// fallback is the backend of a rule that names none; nil means it must.
	fallback *Backend
}

func newParser(text string) *parser {
	p := &parser{lexer: newLexer(text)}
	p.token, p.then = p.lexer.next(), p.lexer.next()
	return p
}

func (p *parser) advance() { p.token, p.then = p.then, p.lexer.next() }

func (p *parser) accept(mark string) bool {
	if !p.token.is(mark) {
		return false
	}
	p.advance()
	return true
}

func (p *parser) expected(what string) error {
	if p.token.kind == tokenBad {
		return p.wrong(p.token, p.token.text)
	}
	return p.wrong(p.token, "expected "+what+", found "+p.token.describe())
}

func (p *parser) wrong(at token, reason string) error {
	return syntaxError(p.id, at.at, reason)
}

// recover moves to the next rule: behind a semicolon, or to a name with a colon, which only begins one.
func (p *parser) recover() {
	for p.token.kind != tokenEnd && !p.accept(";") {
		if p.token.kind == tokenName && p.then.is(":") {
			return
		}
		p.advance()
	}
}

// definition reads: [name ":"] conditions {"->" filter} "->" backend (";" | end).
func (p *parser) definition() (Rule, error) {
	r := Rule{at: p.token.at}
	p.id = ""
	if p.token.kind == tokenName && p.then.is(":") {
		r.ID, p.id = p.token.text, p.token.text
		p.advance()
		p.advance()
	}
	err := p.conditions(&r)
	if err == nil {
		err = p.chain(&r)
	}
	if err == nil && p.token.kind != tokenEnd && !p.accept(";") {
		err = p.expected(`";" behind the backend`)
	}
	return r, err
}

// conditions reads what stands before the first arrow. * and Any() say nothing, and are not kept.
func (p *parser) conditions(r *Rule) error {
	for {
		if len(r.Predicates) == mostCalls {
			return p.wrong(p.token, fmt.Sprintf("more than %d conditions", mostCalls))
		}
		if !p.accept("*") {
			call, err := p.call("a condition such as Path(\"/shop\"), or *")
			if err != nil {
				return err
			}
			if call.Name != "Any" || len(call.Args) > 0 {
				r.Predicates = append(r.Predicates, call)
			}
		}
		if !p.accept("&&") {
			return nil
		}
	}
}

func (p *parser) chain(r *Rule) error {
	for p.token.is("->") {
		p.advance()
		if p.token.kind != tokenName {
			return p.backend(r)
		}
		if len(r.Filters) == mostCalls {
			return p.wrong(p.token, fmt.Sprintf("more than %d filters", mostCalls))
		}
		call, err := p.call("a filter")
		if err != nil {
			return err
		}
		r.Filters = append(r.Filters, call)
	}
	if p.fallback != nil && (p.token.kind == tokenEnd || p.token.is(";")) {
		r.Backend = *p.fallback
		return nil
	}
	if len(r.Filters) == 0 {
		return p.expected(`"&&" or "->"`)
	}
	return p.expected(`"->" and a filter or a backend`)
}

func (p *parser) backend(r *Rule) error {
	t := p.token
	switch {
	case t.is("<shunt>"):
		r.Backend = Backend{}
	case t.kind == tokenMark && strings.HasPrefix(t.text, "<"):
		return p.wrong(t, "the backend "+t.text+` is not supported: want "function:name", "http://host:port" or <shunt>`)
	case t.kind == tokenString:
		backend, err := ParseBackend(t.text)
		if err != nil {
			return p.wrong(t, err.Error())
		}
		r.Backend = backend
	default:
		return p.expected(`a filter, "function:name", "http://host:port" or <shunt>`)
	}
	p.advance()
	return nil
}

// call reads: name "(" [argument {"," argument}] ")".
func (p *parser) call(what string) (Call, error) {
	if p.token.kind != tokenName {
		return Call{}, p.expected(what)
	}
	call := Call{Name: p.token.text, at: p.token.at}
	p.advance()
	if !p.accept("(") {
		return call, p.expected(`"(" behind ` + call.Name)
	}
	if p.accept(")") {
		return call, nil
	}
	for {
		arg, err := p.argument()
		if err != nil {
			return call, err
		}
		if len(call.Args) == MostArguments {
			return call, p.wrong(p.token, fmt.Sprintf("more than %d arguments", MostArguments))
		}
		call.Args = append(call.Args, arg)
		if p.accept(")") {
			return call, nil
		}
		if !p.accept(",") {
			return call, p.expected(`"," or ")"`)
		}
	}
}

func (p *parser) argument() (any, error) {
	t := p.token
	var arg any
	switch t.kind {
	case tokenNumber:
		arg = t.number
	case tokenString:
		arg = t.text
	case tokenRegexp:
		arg = Regexp(t.text)
	default:
		return nil, p.expected("a number, a string or a /regular expression/")
	}
	p.advance()
	return arg, nil
}
