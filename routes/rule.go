package routes

import (
	"errors"
	"fmt"

	"faas-docker/routes/eskip"
)

// Problem is a rule that was rejected, and why.
type Problem struct {
	Rule eskip.Rule
	// Err says what is wrong with it, for its author.
	Err error
}

// String is one line about the problem.
func (p Problem) String() string {
	var placed *eskip.SyntaxError
	text := p.Err.Error()
	if p.Rule.ID != "" && p.Rule.Err == nil && !errors.As(p.Err, &placed) {
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
	o.Previous = nil
	rules := eskip.ParseEach(text)
	table, problems := Build(rules, o)
	table.close()
	return len(rules), problems
}
