package routes

import (
	"errors"
	"fmt"

	"faas-docker/routes/eskip"
)

// Rule is one rule as it was written; package eskip reads them.
type Rule = eskip.Rule

// Parse reads rules, as eskip.Parse does.
func Parse(text string) ([]Rule, error) { return eskip.Parse(text) }

// Problem is a rule that was rejected, and why.
type Problem struct {
	Rule eskip.Rule
	// Err says what is wrong with it, for its author.
	Err error
}

// String is one line about the problem.
func (p Problem) String() string {
	text := p.Err.Error()
	if p.Rule.ID != "" && p.Rule.Err == nil && !errors.As(p.Err, new(*eskip.SyntaxError)) {
		text = fmt.Sprintf("rule %q: %s", p.Rule.ID, text)
	}
	if p.Rule.Source != "" {
		text = p.Rule.Source + ": " + text
	}
	return text
}

// Check reads a text of rules, and says how many there are and what is wrong with
// them, as far as can be told without the rules of other sources. It keeps nothing.
func Check(text string, o Options) (count int, problems []Problem) {
	rules := eskip.ParseEach(text)
	return len(rules), problemsOf(rules, o)
}

// problemsOf builds a table that is never in force.
func problemsOf(rules []eskip.Rule, o Options) []Problem {
	o.Previous = nil
	table, problems := Build(rules, o)
	for _, route := range table.routes {
		route.closeFilters()
	}
	return problems
}
