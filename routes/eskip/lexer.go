package eskip

import (
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"
)

type tokenKind int

const (
	tokenEnd tokenKind = iota
	tokenName
	tokenNumber
	tokenString
	tokenRegexp
	// tokenMark is punctuation, or a backend such as <shunt>.
	tokenMark
	// tokenBad could not be read; its text says why.
	tokenBad
)

// token is one word of a text. Start and end are offsets in bytes.
type token struct {
	kind tokenKind
	// text is the name, the mark, the content of a string or regexp, or the reason.
	text       string
	number     float64
	start, end int
	at         place
}

func (t token) is(mark string) bool { return t.kind == tokenMark && t.text == mark }

// The longest words, in bytes. Both bounds keep the search for their ends short.
const (
	longestName = 255
	longestMark = 255
)

// lexer cuts a text into tokens. It looks at no byte of the text more than a few times.
type lexer struct {
	text string
	at   int
	// place is that of the byte at the offset placed.
	place  place
	placed int
}

func newLexer(text string) *lexer { return &lexer{text: text, place: place{1, 1}} }

// next returns the next token; after the last one tokenEnd, for ever.
func (l *lexer) next() token {
	l.skipBlank()
	start := l.at
	l.place, l.placed = l.place.behind(l.text[l.placed:start]), start
	if start == len(l.text) {
		return token{kind: tokenEnd, start: start, end: start, at: l.place}
	}
	t := l.scan(l.text[start])
	t.start, t.end, t.at = start, l.at, l.place
	return t
}

func (l *lexer) scan(c byte) token {
	switch {
	case isLetter(c):
		return l.name()
	case isDigit(c), c == '.', c == '-' && !strings.HasPrefix(l.text[l.at:], "->"):
		return l.number()
	case c == '"':
		return l.quoted()
	case c == '`':
		return l.raw()
	case c == '/':
		return l.regexp()
	}
	return l.mark()
}

func (l *lexer) skipBlank() {
	for l.at < len(l.text) {
		switch {
		case strings.IndexByte(" \t\r\n\v\f", l.text[l.at]) >= 0:
			l.at++
		case strings.HasPrefix(l.text[l.at:], "//"):
			l.at = l.lineEnd()
		default:
			return
		}
	}
}

func (l *lexer) lineEnd() int {
	if n := strings.IndexByte(l.text[l.at:], '\n'); n >= 0 {
		return l.at + n
	}
	return len(l.text)
}

// bad gives up the rest of the line: a quote that is never closed costs no more than one rule.
func (l *lexer) bad(reason string) token {
	l.at = l.lineEnd()
	return token{kind: tokenBad, text: reason}
}

// name reads a name. Dots and dashes are allowed, as functions have them, but not an arrow's dash.
func (l *lexer) name() token {
	start := l.at
	for l.at < len(l.text) && IsNameByte(l.text[l.at]) && !strings.HasPrefix(l.text[l.at:], "->") {
		l.at++
	}
	if l.at-start > longestName {
		return token{kind: tokenBad, text: fmt.Sprintf("a name of %d characters is too long: at most %d", l.at-start, longestName)}
	}
	return token{kind: tokenName, text: l.text[start:l.at]}
}

func (l *lexer) number() token {
	start := l.at
	l.at++
	for l.at < len(l.text) && l.inNumber() {
		l.at++
	}
	text := l.text[start:l.at]
	value, err := strconv.ParseFloat(text, 64)
	if err != nil {
		return token{kind: tokenBad, text: "not a number: " + strconv.Quote(Excerpt(text))}
	}
	return token{kind: tokenNumber, number: value, text: text}
}

// inNumber reports whether the next byte is of the number; a sign is only after an e.
func (l *lexer) inNumber() bool {
	c, before := l.text[l.at], l.text[l.at-1]
	switch c {
	case '.':
		return true
	case 'e', 'E':
		return isDigit(before) || before == '.'
	case '+', '-':
		return before == 'e' || before == 'E'
	}
	return isDigit(c)
}

// quoted reads "…". An unknown escape keeps its backslash: "\d" is \d.
func (l *lexer) quoted() token {
	var b strings.Builder
	for i := l.at + 1; i < len(l.text) && l.text[i] != '\n'; i++ {
		c := l.text[i]
		if c == '"' {
			l.at = i + 1
			return token{kind: tokenString, text: b.String()}
		}
		if c == '\\' && i+1 < len(l.text) && l.text[i+1] != '\n' {
			i++
			c = l.text[i]
			if letter := strings.IndexByte(escapeLetters, c); letter >= 0 {
				c = escapedBytes[letter]
			} else {
				b.WriteByte('\\')
			}
		}
		b.WriteByte(c)
	}
	return l.bad("the string that begins here is not closed on its line (text of several lines stands between backquotes)")
}

func (l *lexer) raw() token {
	content := l.text[l.at+1:]
	n := strings.IndexByte(content, '`')
	if n < 0 {
		return l.bad("the string that begins here is never closed")
	}
	l.at += n + 2
	return token{kind: tokenString, text: content[:n]}
}

// regexp reads /…/. A slash between brackets is part of the expression.
func (l *lexer) regexp() token {
	var b strings.Builder
	class := false
	for i := l.at + 1; i < len(l.text) && l.text[i] != '\n'; i++ {
		c := l.text[i]
		switch {
		case c == '/' && !class:
			l.at = i + 1
			return token{kind: tokenRegexp, text: b.String()}
		case c == '\\' && i+1 < len(l.text) && l.text[i+1] != '\n':
			i++
			if l.text[i] != '/' {
				b.WriteByte(c)
			}
			c = l.text[i]
		case c == '[':
			class = true
		case c == ']':
			class = false
		}
		b.WriteByte(c)
	}
	return l.bad("the regular expression that begins here is not closed on its line")
}

func (l *lexer) mark() token {
	rest := l.text[l.at:]
	for _, mark := range []string{"&&", "->", "*", ":", ";", ",", "(", ")"} {
		if strings.HasPrefix(rest, mark) {
			l.at += len(mark)
			return token{kind: tokenMark, text: mark}
		}
	}
	if rest[0] != '<' {
		return l.unknown(rest)
	}
	near := rest[:min(len(rest), longestMark)]
	if n := strings.IndexByte(near, '>'); n > 0 && !strings.Contains(near[:n], "\n") {
		l.at += n + 1
		return token{kind: tokenMark, text: near[:n+1]}
	}
	return l.unknown(rest)
}

func (l *lexer) unknown(rest string) token {
	c, size := utf8.DecodeRuneInString(rest)
	l.at += size
	return token{kind: tokenBad, text: "nothing begins with " + strconv.QuoteRune(c)}
}

func isLetter(c byte) bool { return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c == '_' }

func isDigit(c byte) bool { return c >= '0' && c <= '9' }

// IsNameByte reports whether a name may have a byte, though perhaps not begin with it.
func IsNameByte(c byte) bool { return isLetter(c) || isDigit(c) || c == '.' || c == '-' }
