package eskip

import (
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"

	"faas-docker/function"
)

// SyntaxError is a place where a text stopped being a rule, or is one that cannot work.
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

// Locate adds line and column to an error about a rule, unless it has them. An error about
// a rule that was not read from a text stays as it is.
func (r Rule) Locate(err error) error { return r.locate(err, r.at) }

// LocateCall does so with an error about one of its conditions or filters.
func (r Rule) LocateCall(call Call, err error) error { return r.locate(err, call.at) }

func (r Rule) locate(err error, at place) error {
	if at == (place{}) || err == nil || errors.As(err, new(*SyntaxError)) {
		return err
	}
	return syntaxError(r.ID, at, err.Error())
}

// place is a line and a column in characters, both from 1; the zero value is none.
type place struct{ line, column int }

func (p place) behind(text string) place {
	if lines := strings.Count(text, "\n"); lines > 0 {
		return place{p.line + lines, utf8.RuneCountInString(text[strings.LastIndexByte(text, '\n')+1:]) + 1}
	}
	return place{p.line, p.column + utf8.RuneCountInString(text)}
}

// CheckName refuses a text that is not one name.
func CheckName(text string) error {
	if t := newLexer(text).next(); t.kind == tokenName && t.text == text {
		return nil
	}
	return fmt.Errorf("%q is not a name: want at most %d letters, digits, _, - and ., beginning with a letter or _", Excerpt(text), longestName)
}

// Excerpt is the beginning of a text, for messages.
func Excerpt(text string) string { return shortened(text, 200) }

// shortened is a text of at most so many bytes and an ellipsis.
func shortened(text string, longest int) string {
	if len(text) <= longest {
		return text
	}
	return strings.ToValidUTF8(text[:longest], "") + "…"
}

// syntaxError is an error at a place, in bounded words: it goes over the wire and to logs.
func syntaxError(id string, at place, reason string) error {
	return &SyntaxError{ID: id, Line: at.line, Column: at.column, Reason: shortened(reason, 3000)}
}

func (t token) describe() string {
	switch t.kind {
	case tokenEnd:
		return "the end of the text"
	case tokenName, tokenNumber:
		return t.text
	case tokenString:
		return "the string " + Quote(Excerpt(t.text))
	case tokenRegexp:
		return "the regular expression " + printRegexp(Regexp(Excerpt(t.text)))
	}
	return fmt.Sprintf("%q", t.text)
}
