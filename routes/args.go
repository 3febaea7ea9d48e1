package routes

import (
	"crypto/sha256"
	"fmt"
	"math"
	"regexp"
	"time"

	"faas-docker/function"
)

// takes checks arguments against a shape: one letter per argument, s for a string, r
// for a regular expression (or a string that holds one), n for a number, t for a
// time (RFC 3339, or seconds since 1970). Behind a ? the rest may be left out; a
// final + repeats the letter before it.
func takes(shape string, args []any) bool {
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
	_, number := arg.(float64)
	_, expression := arg.(Regexp)
	switch letter {
	case 'n':
		return number
	case 's':
		return !number && !expression
	case 'r':
		return !number
	}
	return !expression
}

// expression compiles an argument.
func expression(arg any) (*regexp.Regexp, error) {
	re, err := regexp.Compile(pattern(arg))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", printArg(arg), err)
	}
	return re, nil
}

// pattern is the text of an argument that may be written as a string or as a regexp.
func pattern(arg any) string {
	if re, ok := arg.(Regexp); ok {
		return string(re)
	}
	text, _ := arg.(string)
	return text
}

// texts are the arguments as strings; takes has seen that they are.
func texts(args []any) []string {
	list := make([]string, len(args))
	for i, arg := range args {
		list[i] = pattern(arg)
	}
	return list
}

// moment reads a time.
func moment(arg any) (time.Time, error) {
	if seconds, ok := arg.(float64); ok {
		return time.Unix(int64(seconds), 0), nil
	}
	at, err := time.Parse(time.RFC3339, pattern(arg))
	if err != nil {
		return at, fmt.Errorf("%s is not a time: want RFC 3339, as in \"2026-01-31T18:00:00+01:00\", or seconds since 1970", printArg(arg))
	}
	return at, nil
}

// duration reads a length of time that is longer than none.
func duration(arg any) (time.Duration, error) {
	d, err := time.ParseDuration(pattern(arg))
	if err != nil || d <= 0 {
		return 0, fmt.Errorf("%s is not a length of time: want \"200ms\", \"10s\" or \"1m30s\"", printArg(arg))
	}
	return d, nil
}

// share reads a part of all requests.
func share(arg any) (float64, error) {
	n, _ := arg.(float64)
	if n < 0 || n > 1 {
		return 0, fmt.Errorf("%s: want a share from 0 to 1", printArg(arg))
	}
	return n, nil
}

// counted reads a number of at least one.
func counted(arg any) (int, error) {
	n, err := whole(arg)
	if err == nil && n < 1 {
		err = fmt.Errorf("%d: want at least 1", n)
	}
	return n, err
}

// amount reads a number of bytes, "512Ki" or "10Mi".
func amount(arg any) (int64, error) {
	n, err := function.ParseMemory(pattern(arg))
	if err != nil || n <= 0 {
		return 0, fmt.Errorf("%s is not an amount: want \"512Ki\" or \"10Mi\"", printArg(arg))
	}
	return n, nil
}

// whole reads a whole number.
func whole(arg any) (int, error) {
	n, _ := arg.(float64)
	if n != math.Trunc(n) || math.Abs(n) > 1e6 {
		return 0, fmt.Errorf("%s: want a whole number", printArg(arg))
	}
	return int(n), nil
}

// digestOf is a short name for a text of any length.
func digestOf(text string) string {
	sum := sha256.Sum256([]byte(text))
	return string(sum[:])
}
