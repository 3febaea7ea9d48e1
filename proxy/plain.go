package proxy

import (
	"bytes"
	"net/http"
	"strconv"

	"faas-docker/grammar"
	"faas-docker/proxy/upstream"
)

// plain is a request that needs no http.Request: one of HTTP/1.1 for a function by its name, with
// nothing in its head that is rare. What it points to is the client's bytes.
type plain struct {
	method string
	// given is the name of the function as the client wrote it, and path what comes behind that.
	given, path []byte
	host        []byte
	// callID is the number that the client gives the call; empty for none.
	callID []byte
	// length is that of the body.
	length int
	// measured is set when the head says how long the body is, closes when the client wants no
	// other answer on its connection, and idempotent when it may send the request again.
	measured, closes, idempotent bool
}

const (
	// maxPlainHead is how long a head may be, in bytes.
	maxPlainHead = 8 << 10
	// maxPlainBody is how long a body may be, in bytes, that is sent along with its head.
	maxPlainBody = 64 << 10
)

// parse reads a head and appends the request line and the fields for the function to out. It is not
// ok when the request is not plain: the other lane reads it then.
func (p *plain) parse(head, out []byte) (_ []byte, ok bool) {
	*p = plain{}
	line, rest, _ := bytes.Cut(head, []byte("\r\n"))
	if !p.parseLine(line) {
		return out, false
	}
	out = append(append(out, p.method...), ' ')
	if len(p.path) == 0 || p.path[0] != '/' {
		out = append(out, '/')
	}
	out = append(append(out, p.path...), " HTTP/1.1\r\n"...)
	for len(rest) > 2 {
		line, rest, _ = bytes.Cut(rest, []byte("\r\n"))
		if out, ok = p.field(line, out); !ok {
			return out, false
		}
	}
	return out, len(rest) == 2 && p.host != nil
}

func (p *plain) parseLine(line []byte) bool {
	method, rest, _ := bytes.Cut(line, []byte(" "))
	target, proto, _ := bytes.Cut(rest, []byte(" "))
	if p.method = invocable(method); p.method == "" || string(proto) != "HTTP/1.1" {
		return false
	}
	target, found := bytes.CutPrefix(target, []byte(prefix))
	end := bytes.IndexAny(target, "/?")
	if end < 0 {
		end = len(target)
	}
	p.given, p.path = target[:end], target[end:]
	return found && isPlainPath(p.given, false) && len(p.given) > 0 && isPlainPath(p.path, true)
}

// isPlainPath reports whether a part of a target means the same however it is read (RFC 3986,
// 2.3): it has no bytes but unreserved ones. Where slashes may stand, a query may follow.
func isPlainPath(part []byte, slashes bool) bool {
	for i, c := range part {
		switch {
		case c|0x20 >= 'a' && c|0x20 <= 'z', c >= '0' && c <= '9', c == '-', c == '_', c == '.', c == '~' && slashes, c == '/' && slashes:
		case c == '?' && slashes:
			return isPlainQuery(part[i+1:])
		default:
			return false
		}
	}
	return true
}

func isPlainQuery(query []byte) bool {
	for _, c := range query {
		if c <= ' ' || c >= 0x7f || c == '#' {
			return false
		}
	}
	return true
}

// field reads a line of the head, and appends it to out if it is for the function.
func (p *plain) field(line, out []byte) (_ []byte, ok bool) {
	colon := bytes.IndexByte(line, ':')
	if colon <= 0 || !isPlainName(line[:colon]) {
		return out, false
	}
	name, value := line[:colon], bytes.Trim(line[colon+1:], " \t")
	if !isPlainValue(value) {
		return out, false
	}
	passes, ok := p.note(name, value)
	if passes {
		out = append(append(append(append(out, name...), ": "...), value...), "\r\n"...)
	}
	return out, ok
}

// isPlainName reports whether a name has letters, digits and hyphens only.
func isPlainName(name []byte) bool {
	for _, c := range name {
		if (c|0x20 < 'a' || c|0x20 > 'z') && (c < '0' || c > '9') && c != '-' {
			return false
		}
	}
	return true
}

func isPlainValue(value []byte) bool {
	for _, c := range value {
		if c < ' ' && c != '\t' || c == 0x7f {
			return false
		}
	}
	return true
}

// note reads a field. It reports whether the function gets it, and whether the request is plain still.
func (p *plain) note(name, value []byte) (passes, ok bool) {
	switch grammar.RoleOf(name) {
	case grammar.OfConnection:
		return false, p.noteConnection(name, value)
	case grammar.OfMessage:
		return true, p.noteMessage(name, value)
	case grammar.OfCall:
		if grammar.EqualFold(name, "x-call-id") {
			ok = p.callID == nil
			p.callID = value
			return false, ok
		}
		return false, true
	case grammar.OfForwarding:
		// Of these two an own one takes the place of the client's.
		return false, !grammar.EqualFold(name, "x-real-ip") && !grammar.EqualFold(name, "forwarded")
	}
	switch {
	case grammar.EqualFold(name, "idempotency-key"), grammar.EqualFold(name, "x-idempotency-key"):
		p.idempotent = true
	case grammar.EqualFold(name, "pragma"):
		return true, false
	}
	return true, true
}

func (p *plain) noteConnection(name, value []byte) (ok bool) {
	switch {
	case !grammar.EqualFold(name, "connection"):
		return grammar.EqualFold(name, "keep-alive") || grammar.EqualFold(name, "proxy-connection")
	case grammar.EqualFold(value, "close"):
		p.closes = true
		return true
	}
	return grammar.EqualFold(value, "keep-alive")
}

func (p *plain) noteMessage(name, value []byte) (ok bool) {
	switch {
	case grammar.EqualFold(name, "host"):
		ok = p.host == nil && len(value) > 0
		p.host = value
		return ok
	case grammar.EqualFold(name, "content-length"):
		length, err := strconv.ParseUint(string(value), 10, 32)
		ok = err == nil && !p.measured && length <= maxPlainBody && (len(value) == 1 || value[0] != '0')
		p.length, p.measured = int(length), true
		return ok
	}
	return false
}

// isReplayable is upstream.Request.IsReplayable.
func (p *plain) isReplayable() bool {
	return p.length == 0 && (p.idempotent || upstream.IsSafe(p.method))
}

// saysEmpty reports whether we say that there is no body, where the client has not.
func (p *plain) saysEmpty() bool {
	return !p.measured && (p.method == http.MethodPost || p.method == http.MethodPut || p.method == http.MethodPatch)
}
