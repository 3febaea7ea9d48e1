package routes

import (
	"errors"
	"fmt"
)

// Problem is a rule that is kept aside, and why.
type Problem struct {
	Rule Rule
	// Err says what is wrong with it, for the person who wrote it.
	Err error
}

// String is one line about the problem.
func (p Problem) String() string {
	var placed *SyntaxError
	if p.Rule.ID == "" || p.Rule.Err != nil || errors.As(p.Err, &placed) {
		return p.from() + p.Err.Error()
	}
	return fmt.Sprintf("%srule %q: %v", p.from(), p.Rule.ID, p.Err)
}

func (p Problem) from() string {
	if p.Rule.Source == "" {
		return ""
	}
	return p.Rule.Source + ": "
}

// Check reads a text of rules, and says how many there are and what is wrong with
// them, as far as can be told without the rules of other sources. It keeps nothing.
func Check(text string, o Options) (count int, problems []Problem) {
	o.Previous = nil
	rules := parseEach(text)
	table, problems := Build(rules, o)
	table.close()
	return len(rules), problems
}
