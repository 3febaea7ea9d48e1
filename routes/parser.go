package routes

import (
	"errors"
	"strings"

	"faas-docker/function"
)

// Parse reads rules. It returns all that could be read; the error, a
// function.Failure, tells of those that could not, with line and column. One rule
// alone may go without a name.
func Parse(text string) ([]Rule, error) {
	var good []Rule
	var failures []error
	for _, r := range parseEach(text) {
		if r.Err != nil {
			failures = append(failures, r.Err)
			continue
		}
		good = append(good, r)
	}
	if failures == nil {
		return good, nil
	}
	cause := errors.Join(failures...)
	return good, &function.Failure{Kind: function.ErrInvalid, Text: cause.Error(), Cause: cause}
}

// parseEach reads rules, broken ones included: they carry their Text and Err.
func parseEach(text string) []Rule {
	p := newParser(text)
	var rules []Rule
	for p.token.kind != tokenEnd {
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

// namedUnlessAlone breaks rules without a name that others stand beside: nobody
// could say which of them is meant.
func namedUnlessAlone(rules []Rule) []Rule {
	for i, r := range rules {
		if len(rules) > 1 && r.ID == "" && r.Err == nil {
			err := function.Invalid("rule", "%q has no name: want a name and a colon before it, as in shop: %s", r.conditions(), r.conditions())
			rules[i] = Rule{Text: r.String(), Err: r.origin.misplaced("", ruleAt, err)}
		}
	}
	return rules
}

// parseOne reads exactly one rule without a name, or with this one. Where the
// backend is left out it is the fallback; nil means that it must not be.
func parseOne(id, text string, fallback *Backend) Rule {
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
	// id is the name of the rule at hand, for messages.
	id string
	// fallback is the backend of a rule that names none; nil means it must.
	fallback *Backend
}

func newParser(text string) *parser {
	p := &parser{lexer: newLexer(text)}
	p.token, p.then = p.lexer.next(), p.lexer.next()
	return p
}

func (p *parser) advance() { p.token, p.then = p.then, p.lexer.next() }

// accept passes over a mark if it comes next.
func (p *parser) accept(mark string) bool {
	if !p.token.is(mark) {
		return false
	}
	p.advance()
	return true
}

// expected is the error at the token at hand.
func (p *parser) expected(what string) error {
	if p.token.kind == tokenBad {
		return p.wrong(p.token, p.token.text)
	}
	return p.wrong(p.token, "expected "+what+", found "+p.token.describe())
}

func (p *parser) wrong(at token, reason string) error {
	err := &SyntaxError{ID: p.id, Reason: reason}
	err.place(p.lexer.text, at.start)
	return err
}

// recover moves to where the next rule begins: behind a semicolon, or at a name
// with a colon, which nothing but the beginning of a rule has.
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
	r := Rule{origin: &origin{text: p.lexer.text, rule: p.token.start}}
	p.id = ""
	if p.token.kind == tokenName && p.then.is(":") {
		r.ID, p.id = p.token.text, p.token.text
		p.advance()
		p.advance()
	}
	steps := []func(*Rule) error{p.conditions, p.chain, p.end}
	for _, step := range steps {
		if err := step(&r); err != nil {
			return r, err
		}
	}
	return r, nil
}

func (p *parser) end(*Rule) error {
	if p.token.kind == tokenEnd || p.accept(";") {
		return nil
	}
	return p.expected(`";" behind the backend`)
}

// conditions reads what stands before the first arrow. * and Any() say nothing, and
// are not kept.
func (p *parser) conditions(r *Rule) error {
	for {
		if !p.accept("*") {
			at := p.token.start
			call, err := p.call("a condition such as Path(\"/shop\"), or *")
			if err != nil {
				return err
			}
			if call.Name != "Any" || len(call.Args) > 0 {
				r.Predicates = append(r.Predicates, call)
				r.origin.predicates = append(r.origin.predicates, at)
			}
		}
		if !p.accept("&&") {
			return nil
		}
	}
}

// chain reads the filters and the backend.
func (p *parser) chain(r *Rule) error {
	for p.token.is("->") {
		p.advance()
		if p.token.kind != tokenName {
			return p.backend(r)
		}
		at := p.token.start
		call, err := p.call("a filter")
		if err != nil {
			return err
		}
		r.Filters = append(r.Filters, call)
		r.origin.filters = append(r.origin.filters, at)
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
		backend, err := parseBackend(t.text)
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
	call := Call{Name: p.token.text}
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
