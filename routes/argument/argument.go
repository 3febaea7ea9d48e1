// Package argument reads the arguments of conditions and filters. Its errors are for a rule's writer.
package argument

import (
	"fmt"
	"math"
	"net/http"
	"regexp"
	"regexp/syntax"
	"strings"
	"time"

	"faas-docker/function"
	"faas-docker/grammar"
	"faas-docker/routes/eskip"
)

// Match checks arguments against a shape: one letter per argument, s for a string, r for a regular
// expression (or a string that holds one), n for a number, t for a time (RFC 3339, or seconds since 1970).
// Behind a ? the rest may be left out; a final + repeats the letter before it.
func Match(shape string, args []any) bool {
	optional := false
	for len(shape) > 0 {
		switch {
		case shape[0] == '?':
			optional, shape = true, shape[1:]
			continue
		case len(args) == 0:
			return optional
		case !isArg(shape[0], args[0]):
			return false
		}
		args = args[1:]
		if len(shape) > 1 && shape[1] == '+' {
			optional = true
			continue
		}
		shape = shape[1:]
	}
	return len(args) == 0
}

func isArg(letter byte, arg any) bool {
	switch arg.(type) {
	case float64:
		return letter == 'n' || letter == 't'
	case eskip.Regexp:
		return letter == 'r'
	}
	return letter != 'n'
}

// Maker makes conditions, or filters, of one name.
type Maker[T any] struct {
	name, shape, usage string
	create             func(args []any) (T, error)
}

// Spec returns a Maker that checks arguments against a shape, as Match does, before it makes
// something of them. The usage shows how it is written.
func Spec[T any](name, shape, usage string, create func(args []any) (T, error)) Maker[T] {
	return Maker[T]{name, shape, usage, create}
}

// Name is how rules call it.
func (m Maker[T]) Name() string { return m.name }

// Create makes one for arguments.
func (m Maker[T]) Create(args []any) (T, error) {
	if !Match(m.shape, args) {
		var none T
		return none, fmt.Errorf("want %s", m.usage)
	}
	return m.create(args)
}

// Regexp compiles an argument.
func Regexp(arg any) (*regexp.Regexp, error) {
	if err := checkExpression(Text(arg)); err != nil {
		return nil, err
	}
	re, err := regexp.Compile(Text(arg))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", eskip.Excerpt(eskip.PrintArg(arg)), err)
	}
	return re, nil
}

// Text is the text of an argument that may be written as a string or as a regexp.
func Text(arg any) string {
	if re, ok := arg.(eskip.Regexp); ok {
		return string(re)
	}
	text, _ := arg.(string)
	return text
}

// Texts are the arguments as strings; Match has seen that they are.
func Texts(args []any) []string {
	list := make([]string, len(args))
	for i, arg := range args {
		list[i] = Text(arg)
	}
	return list
}

// Time reads a time.
func Time(arg any) (time.Time, error) {
	if seconds, ok := arg.(float64); ok {
		return time.Unix(int64(seconds), 0), nil
	}
	at, err := time.Parse(time.RFC3339, Text(arg))
	if err != nil {
		return at, fmt.Errorf("%s is not a time: want RFC 3339, as in \"2026-01-31T18:00:00+01:00\", or seconds since 1970", eskip.Excerpt(eskip.PrintArg(arg)))
	}
	return at, nil
}

// Duration reads a length of time that is longer than none.
func Duration(arg any) (time.Duration, error) {
	d, err := time.ParseDuration(Text(arg))
	if err != nil || d <= 0 {
		return 0, fmt.Errorf("%s is not a length of time: want \"200ms\", \"10s\" or \"1m30s\"", eskip.Excerpt(eskip.PrintArg(arg)))
	}
	return d, nil
}

// DurationIn reads a length of time, which may be a number of these units.
func DurationIn(arg any, unit time.Duration) (time.Duration, error) {
	if _, ok := arg.(float64); ok {
		n, err := Count(arg)
		return time.Duration(n) * unit, err
	}
	return Duration(arg)
}

// Share reads a part of all requests.
func Share(arg any) (float64, error) {
	n, _ := arg.(float64)
	if n < 0 || n > 1 {
		return 0, fmt.Errorf("%s: want a share from 0 to 1", eskip.PrintArg(arg))
	}
	return n, nil
}

// Count reads a number of at least one.
func Count(arg any) (int, error) {
	n, err := Int(arg)
	if err == nil && n < 1 {
		err = fmt.Errorf("%d: want at least 1", n)
	}
	return n, err
}

// Bytes reads a number of bytes, "512Ki" or "10Mi".
func Bytes(arg any) (int64, error) {
	n, err := function.ParseMemory(Text(arg))
	if err != nil || n <= 0 {
		return 0, fmt.Errorf("%s is not an amount: want \"512Ki\" or \"10Mi\"", eskip.Excerpt(eskip.PrintArg(arg)))
	}
	return n, nil
}

// Int reads a whole number.
func Int(arg any) (int, error) {
	n, _ := arg.(float64)
	if n != math.Trunc(n) || math.Abs(n) > 1e6 {
		return 0, fmt.Errorf("%s: want a whole number", eskip.PrintArg(arg))
	}
	return int(n), nil
}

// Header reads the name of a field.
func Header(arg any) (string, error) {
	key := Text(arg)
	if !grammar.IsToken(key) {
		return "", fmt.Errorf("%s is not the name of a header field", eskip.Quote(eskip.Excerpt(key)))
	}
	return http.CanonicalHeaderKey(key), nil
}

// IsHost reports whether a text looks like a host, with or without a port.
func IsHost(name string) bool {
	for _, c := range []byte(name) {
		if !eskip.IsNameByte(c) && c != ':' && c != '[' && c != ']' {
			return false
		}
	}
	return name != "" && !strings.HasPrefix(name, ".")
}

const (
	longestExpression = 4096
	// largestExpression is how many steps one may have when its repetitions are written
	// out: a{10}{10} has a hundred. Each byte of a text costs at most so many.
	largestExpression = 5000
)

// checkExpression refuses what would take much memory or time. The compiler tells errors of syntax.
func checkExpression(pattern string) error {
	if len(pattern) > longestExpression {
		return fmt.Errorf("%s: a regular expression of %d bytes is too long: at most %d", eskip.Excerpt(eskip.PrintArg(eskip.Regexp(pattern))), len(pattern), longestExpression)
	}
	re, err := syntax.Parse(pattern, syntax.Perl)
	if err != nil {
		return nil
	}
	if steps(re) > largestExpression {
		return fmt.Errorf("%s: its repetitions make more than %d steps: want a simpler expression", eskip.Excerpt(eskip.PrintArg(eskip.Regexp(pattern))), largestExpression)
	}
	return nil
}

// steps is an expression's length with repetitions written out, or above largestExpression.
func steps(re *syntax.Regexp) int {
	total := 1
	if re.Op == syntax.OpLiteral {
		total = len(re.Rune)
	}
	for _, sub := range re.Sub {
		total = min(total+steps(sub), largestExpression+1)
	}
	if re.Op == syntax.OpRepeat {
		total *= max(re.Min, re.Max, 1)
	}
	return min(total, largestExpression+1)
}
