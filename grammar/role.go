package grammar

import "strings"

// Role is what a field means to a proxy: whether it passes it on, removes it or writes it anew.
type Role uint8

const (
	// ForAll is a field that is passed on as it is.
	ForAll Role = iota
	// OfConnection is a field that belongs to one connection only (RFC 9110, 7.6.1).
	OfConnection
	// OfMessage says where a request goes and where it ends. An answer's Content-Length is passed on.
	OfMessage
	// OfCall is a field that says which call this is: X-Call-Id and X-Start-Time.
	OfCall
	// OfForwarding is a field that says how a request came here.
	OfForwarding
)

// longestRole is the length of the longest name with a role of its own, but for X-Forwarded-….
const longestRole = len("proxy-authorization")

// RoleOf returns the role of a field by its name, in any case. Servers that read fields from
// variables cannot tell X_Forwarded_For from X-Forwarded-For: an underscore counts as a hyphen.
//
// This is the one table of it: whoever carries a request or an answer asks here.
func RoleOf[Name ~string | ~[]byte](name Name) Role {
	var folded [longestRole]byte
	n := min(len(name), longestRole)
	for i := range n {
		c := lower(name[i])
		if c == '_' {
			c = '-'
		}
		folded[i] = c
	}
	if strings.HasPrefix(string(folded[:n]), "x-forwarded-") {
		return OfForwarding
	}
	if len(name) > longestRole {
		return ForAll
	}
	switch string(folded[:n]) {
	case "connection", "proxy-connection", "keep-alive", "te", "trailer", "transfer-encoding", "upgrade",
		"proxy-authenticate", "proxy-authorization", "http2-settings":
		return OfConnection
	case "content-length", "expect", "host":
		return OfMessage
	case "x-call-id", "x-start-time":
		return OfCall
	case "forwarded", "x-real-ip":
		return OfForwarding
	}
	return ForAll
}
