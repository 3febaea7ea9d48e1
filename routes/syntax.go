package routes

import (
	"fmt"
	"strings"
	"unicode/utf8"

	"faas-docker/function"
)

// SyntaxError is a place where a text stopped being a rule, or is one that cannot
// work.
type SyntaxError struct {
	// ID is the name of the rule, empty when it had none so far.
	ID string
	// Line and Column count from 1, the column in characters.
	Line, Column int
	// Reason says what was expected and what was found.
	Reason string
}

// Error begins with the place.
func (e *SyntaxError) Error() string {
	where := fmt.Sprintf("line %d, column %d: ", e.Line, e.Column)
	if e.ID != "" {
		where += fmt.Sprintf("rule %q: ", e.ID)
	}
	return where + e.Reason
}

// Unwrap makes every SyntaxError a function.ErrInvalid.
func (e *SyntaxError) Unwrap() error { return function.ErrInvalid }

// place finds line and column of an offset.
func (e *SyntaxError) place(text string, offset int) {
	before := text[:offset]
	e.Line = strings.Count(before, "\n") + 1
	e.Column = utf8.RuneCountInString(before[strings.LastIndexByte(before, '\n')+1:]) + 1
}

func errNotName(text string) error {
	return fmt.Errorf("%q is not a name: want letters, digits, _, - and ., beginning with a letter or _", text)
}

// describe names a token for a message.
func (t token) describe() string {
	switch t.kind {
	case tokenEnd:
		return "the end of the text"
	case tokenName, tokenNumber:
		return t.text
	case tokenString:
		return "the string " + quote(t.text)
	case tokenRegexp:
		return "the regular expression " + printRegexp(Regexp(t.text))
	}
	return fmt.Sprintf("%q", t.text)
}
