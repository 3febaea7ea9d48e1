package grammar

import (
	"iter"
	"net/http"
	"net/textproto"
	"slices"
	"strings"

	"golang.org/x/net/http/httpguts"
)

// IsToken reports whether text can be the name of a field, or a method (RFC 9110, 5.6.2).
func IsToken(text string) bool { return httpguts.ValidHeaderFieldName(text) }

// IsValue reports whether text can be a field's value: no control character but the tab (RFC 9110, 5.5).
func IsValue(text string) bool { return httpguts.ValidHeaderFieldValue(text) }

// Unsendable returns the name of a field whose name or value cannot be sent; empty when all can.
func Unsendable(header http.Header) string { return firstBad(header, IsToken) }

// firstBad returns the name of a field that may not have that name, or has a value that is none.
func firstBad(header http.Header, may func(key string) bool) string {
	for key, values := range header {
		if !may(key) || slices.ContainsFunc(values, func(text string) bool { return !IsValue(text) }) {
			return key
		}
	}
	return ""
}

// Trim takes the blanks off both ends.
func Trim(text string) string { return strings.Trim(text, " \t") }

// CutLine splits text after its first line, and strips CRLF, or LF, from that.
func CutLine(text string) (line, rest string) {
	line, rest, _ = strings.Cut(text, "\n")
	return strings.TrimSuffix(line, "\r"), rest
}

// Tokens are the words of the comma-separated lists in the values of one field, without empty ones.
func Tokens(lists []string) iter.Seq[string] {
	return func(yield func(string) bool) {
		for _, list := range lists {
			for word := range strings.SplitSeq(list, ",") {
				if word = Trim(word); word != "" && !yield(word) {
					return
				}
			}
		}
	}
}

// HasToken reports whether a field that holds comma-separated lists has a word, in any case.
func HasToken(lists []string, word string) bool {
	return httpguts.HeaderValuesContainsToken(lists, word)
}

// Key is the canonical spelling of a field's name, as the keys of http.Header have it.
func Key(name string) string { return textproto.CanonicalMIMEHeaderKey(name) }

// hyphened is the name that CGI programs, which know fields as variables, cannot tell from this one.
func hyphened(key string) string {
	if strings.IndexByte(key, '_') < 0 {
		return key
	}
	return Key(strings.ReplaceAll(key, "_", "-"))
}
