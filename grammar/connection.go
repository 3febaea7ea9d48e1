package grammar

import (
	"net/http"
	"strings"
)

// Upgrade is the protocol to which a request wants to switch, empty without one that may be passed on: a
// single one that does not carry HTTP, because requests on it would pass by everything that looks at
// requests.
func Upgrade(header http.Header) string {
	named := header["Upgrade"]
	if len(named) != 1 || !HasToken(header["Connection"], "upgrade") || !isForeign(named[0]) {
		return ""
	}
	return named[0]
}

// isForeign reports whether text is a single protocol, such as websocket, that is no HTTP.
func isForeign(text string) bool {
	name, version, versioned := strings.Cut(text, "/")
	if !IsToken(name) || versioned && !IsToken(version) {
		return false
	}
	for _, prefix := range []string{"http", "h2", "h3", "tls", "ssl", "spdy"} {
		if HasPrefixFold(name, prefix) {
			return false
		}
	}
	return true
}

// StripConnection takes off the fields that a client meant for its own connection only: those that
// Connection lists, and upgrades that are not passed on (see Upgrade). Of Connection itself close,
// keep-alive and upgrade remain. Call it before another party sets fields: a client must not remove those.
func StripConnection(header http.Header) {
	if IsStripped(header) {
		return
	}
	protocol := Upgrade(header)
	var options []string
	for word := range Tokens(header["Connection"]) {
		key := Key(word)
		switch {
		case key == "Upgrade" && protocol == "":
		case isOption(key):
			options = append(options, Lower(word))
		case !isForAll(key):
			delete(header, key)
		}
	}
	delete(header, "Http2-Settings")
	delete(header, "Connection")
	if protocol == "" {
		delete(header, "Upgrade")
	}
	if len(options) > 0 {
		header["Connection"] = []string{strings.Join(options, ", ")}
	}
}

// IsStripped reports whether StripConnection would leave a header as it is.
func IsStripped(header http.Header) bool {
	if _, has := header["Http2-Settings"]; has {
		return false
	}
	if _, has := header["Upgrade"]; has && Upgrade(header) == "" {
		return false
	}
	for word := range Tokens(header["Connection"]) {
		if !isOption(Key(word)) {
			return false
		}
	}
	return true
}

// isOption reports whether a word in Connection says something by itself.
func isOption(key string) bool { return key == "Close" || key == "Keep-Alive" || key == "Upgrade" }

// isForAll reports whether a field is never for one connection only, whatever Connection
// says (RFC 9110, 7.6.1), or is known to be without being listed.
func isForAll(key string) bool {
	switch key {
	case "Transfer-Encoding", "Trailer", "Te", "Via":
		return true
	}
	role := RoleOf(key)
	return role != ForAll && role != OfConnection
}

// IsGRPC reports whether a request is a gRPC call, which may name its function in other ways
// than by its path. gRPC-Web is none: it is plain HTTP.
func IsGRPC(r *http.Request) bool {
	if r.ProtoMajor < 2 {
		return false
	}
	rest, ok := strings.CutPrefix(r.Header.Get("Content-Type"), "application/grpc")
	return ok && (rest == "" || rest[0] == '+' || rest[0] == ';')
}
