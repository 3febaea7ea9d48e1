// Package grammar reads the small parts of an HTTP message: names and values of fields,
// lists of tokens, hosts and protocols.
//
// It compares ASCII only. Unicode folds other letters to ASCII ones, the Kelvin sign
// (U+212A) to k for one, and then two readers of one message see two different messages.
package grammar

// EqualFold reports whether two texts are the same but for the case of ASCII letters.
func EqualFold[A, B ~string | ~[]byte](a A, b B) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range len(a) {
		if lower(a[i]) != lower(b[i]) {
			return false
		}
	}
	return true
}

func lower(c byte) byte {
	if 'A' <= c && c <= 'Z' {
		return c + ('a' - 'A')
	}
	return c
}

func upper(c byte) byte {
	if 'a' <= c && c <= 'z' {
		return c - ('a' - 'A')
	}
	return c
}

// Lower returns text with its ASCII letters in lower case.
func Lower(text string) string { return mapped(text, lower) }

// Upper returns text with its ASCII letters in upper case.
func Upper(text string) string { return mapped(text, upper) }

// mapped copies text only where that changes it.
func mapped(text string, to func(byte) byte) string {
	for i := range len(text) {
		if text[i] == to(text[i]) {
			continue
		}
		changed := []byte(text)
		for j := i; j < len(changed); j++ {
			changed[j] = to(changed[j])
		}
		return string(changed)
	}
	return text
}

// HasPrefixFold reports whether text begins with prefix but for the case of ASCII letters.
func HasPrefixFold(text, prefix string) bool {
	return len(text) >= len(prefix) && EqualFold(text[:len(prefix)], prefix)
}
