package argument

import (
	"fmt"
	"regexp/syntax"

	"faas-docker/routes/eskip"
)

const (
	// longestExpression is the longest regular expression, in bytes.
	longestExpression = 4096
	// largestExpression is how many steps one may have when its repetitions are written
	// out: a{10}{10} has a hundred. Each byte of a text costs at most so many.
	largestExpression = 5000
)

// checkExpression refuses an expression that would take much memory or time. Errors of
// syntax are left to the compiler.
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

// steps is how long an expression is with its repetitions written out, or anything
// above largestExpression.
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
