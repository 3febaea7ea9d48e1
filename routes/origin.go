package routes

import "errors"

// origin is where a rule and its calls stand in the text it was read from, in bytes.
type origin struct {
	text                string
	rule                int
	predicates, filters []int
}

// misplaced adds line and column to an error about a rule, unless it has them. A nil
// origin, that of a rule that nobody wrote, leaves the error as it is.
func (o *origin) misplaced(id string, at func(*origin) int, err error) error {
	var placed *SyntaxError
	if o == nil || err == nil || errors.As(err, &placed) {
		return err
	}
	placed = &SyntaxError{ID: id, Reason: err.Error()}
	placed.place(o.text, at(o))
	return placed
}

// ruleAt is the place of the rule itself.
func ruleAt(o *origin) int { return o.rule }

func predicateAt(i int) func(*origin) int { return func(o *origin) int { return o.predicates[i] } }

func filterAt(i int) func(*origin) int { return func(o *origin) int { return o.filters[i] } }
