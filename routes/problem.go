package routes

import "fmt"

// Problem is a rule that is kept aside, and why.
type Problem struct {
	Rule Rule
	// Err says what is wrong with it, for the person who wrote it.
	Err error
}

// String is one line about the problem.
func (p Problem) String() string {
	if p.Rule.ID == "" || p.Rule.Err != nil {
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

// Check reads a text of rules and says what is wrong with it, as far as can be told
// without the rules of other sources. It keeps nothing.
func Check(text string, o Options) []Problem {
	o.Previous = nil
	table, problems := Build(parseEach(text), o)
	table.close()
	return problems
}
