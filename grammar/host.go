package grammar

import (
	"net/netip"
	"strconv"
	"strings"
)

// IsHost reports whether text can be the authority of an http URL, and so the value of Host: a name or an
// address, with or without a port (RFC 3986, 3.2). Names may only have letters, digits and -._~, which is
// stricter: percent-encoding lets two readers see two names.
func IsHost(text string) bool {
	host, port, found := text, "", false
	if end := strings.LastIndexByte(text, ':'); end >= 0 && strings.IndexByte(text[end:], ']') < 0 {
		host, port, found = text[:end], text[end+1:], true
	}
	if found && !isPort(port) {
		return false
	}
	if literal, isLiteral := strings.CutPrefix(host, "["); isLiteral {
		literal, closed := strings.CutSuffix(literal, "]")
		address, err := netip.ParseAddr(literal)
		return closed && err == nil && address.Is6() && address.Zone() == ""
	}
	return isName(host)
}

// isPort reports whether text is the number of a port, or empty, which RFC 3986 allows.
func isPort(text string) bool {
	_, err := strconv.ParseUint(text, 10, 16)
	return err == nil || text == ""
}

func isName(text string) bool {
	for i := range len(text) {
		c := text[i]
		if (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') && c != '-' && c != '.' && c != '_' && c != '~' {
			return false
		}
	}
	return text != ""
}
