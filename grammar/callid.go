package grammar

import "strings"

// maxCallID is how long a client's number for a call may be, in bytes: every line of the log has it.
const maxCallID = 128

// IsCallID reports whether a client's number for a call (X-Call-Id) can stand in a log as it is. Those of
// others, such as UUIDs, ULIDs and the traces of clouds, can.
func IsCallID(text string) bool {
	isOdd := func(c rune) bool {
		return c <= ' ' || c >= 0x7f || c == '"' || c == '\\' || c == '\'' || c == '<' || c == '>'
	}
	return text != "" && len(text) <= maxCallID && !strings.ContainsFunc(text, isOdd)
}
