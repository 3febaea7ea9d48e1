package proxy

import (
	"net/http"
	"net/textproto"
	"strconv"
	"strings"
)

// outgoing is a request as it is written to the function.
type outgoing struct {
	r      *http.Request
	path   string
	called forwarding
	// announced are the trailers that follow the body.
	announced []string
	// id and start are the call's, see call.
	id, start string
	// upgrade is the protocol the client wants to switch to; empty for none.
	upgrade string
	// hasBody is set when a body follows: r.ContentLength bytes of it, or chunks
	// when chunked is set.
	hasBody, chunked bool
	// expect is set when the function decides whether the body is to be sent.
	expect bool
	// small is a body that goes along with the head; empty when it follows, or there is none.
	small []byte
}

func newOutgoing(c *call) outgoing {
	r := c.r
	o := outgoing{r: r, path: c.target.path, called: c.handler.forwardingOf(r), announced: c.announced, id: c.id, start: c.start, small: c.small}
	o.hasBody = hasBody(r)
	o.chunked = o.hasBody && (r.ContentLength < 0 || len(c.announced) > 0)
	o.expect = o.hasBody && r.ProtoAtLeast(1, 1) && anyHasToken(r.Header["Expect"], "100-continue")
	if r.ProtoMajor == 1 && anyHasToken(r.Header["Connection"], "upgrade") {
		o.upgrade = strings.Join(r.Header["Upgrade"], ", ")
	}
	return o
}

// replayable reports whether the request may be sent again when nobody knows
// whether the function has seen it. The rule is net/http's.
func (o *outgoing) replayable() bool {
	if o.hasBody {
		return false
	}
	switch o.r.Method {
	case http.MethodGet, http.MethodHead, http.MethodOptions, http.MethodTrace:
		return true
	}
	return len(o.r.Header["Idempotency-Key"]) > 0 || len(o.r.Header["X-Idempotency-Key"]) > 0
}

// follows reports whether a body is to be sent behind the head.
func (o *outgoing) follows() bool { return o.hasBody && len(o.small) == 0 }

// rootedPath is the target with the slash that the client may have left out.
func (o *outgoing) rootedPath() string {
	if strings.HasPrefix(o.path, "/") {
		return o.path
	}
	return "/" + o.path
}

// appendHead writes the head of the request.
func (o *outgoing) appendHead(b []byte) []byte {
	b = append(append(b, o.r.Method...), ' ')
	if !strings.HasPrefix(o.path, "/") {
		b = append(b, '/')
	}
	b = append(append(b, o.path...), " HTTP/1.1\r\n"...)
	b = appendField(b, "Host", o.r.Host)
	b = o.appendFields(b)
	b = o.appendForwarding(b)
	b = o.appendFraming(b)
	return append(b, "\r\n"...)
}

// appendFields copies what the client sent, but for what concerns its connection
// to us and what we say ourselves.
func (o *outgoing) appendFields(b []byte) []byte {
	listing := o.r.Header["Connection"]
	for key, values := range o.r.Header {
		if isOurs(key) || len(listing) > 0 && anyHasToken(listing, key) {
			continue
		}
		for _, value := range values {
			b = appendField(b, key, value)
		}
	}
	return b
}

// each calls say with every field that the function gets, but for those that say
// how the message is framed.
func (o *outgoing) each(say func(key, value string)) {
	listing := o.r.Header["Connection"]
	for key, values := range o.r.Header {
		if isOurs(key) || len(listing) > 0 && anyHasToken(listing, key) {
			continue
		}
		for _, value := range values {
			say(key, value)
		}
	}
	say("X-Forwarded-For", o.called.address)
	say("X-Forwarded-Host", o.called.host)
	say("X-Forwarded-Proto", o.called.proto)
	for _, f := range o.called.more {
		say(f.key, f.value)
	}
	say("X-Call-Id", o.id)
	say("X-Start-Time", o.start)
	if anyHasToken(o.r.Header["Te"], "trailers") {
		say("Te", "trailers")
	}
}

// isOurs reports whether a request's field is not copied: it belongs to one
// connection only, frames the message, or is written anew.
func isOurs(key string) bool {
	switch key {
	case "Connection", "Proxy-Connection", "Keep-Alive", "Te", "Trailer", "Transfer-Encoding",
		"Upgrade", "Proxy-Authenticate", "Proxy-Authorization", "Http2-Settings",
		"Content-Length", "Expect", "Host", "X-Call-Id", "X-Start-Time", "X-Real-Ip", "Forwarded":
		return true
	}
	if strings.HasPrefix(key, "X-Forwarded-") {
		return true
	}
	// Functions that read headers from variables cannot tell X_Forwarded_For from
	// X-Forwarded-For.
	return strings.IndexByte(key, '_') >= 0 && isOurs(textproto.CanonicalMIMEHeaderKey(strings.ReplaceAll(key, "_", "-")))
}

func (o *outgoing) appendForwarding(b []byte) []byte {
	b = appendField(b, "X-Forwarded-For", o.called.address)
	b = appendField(b, "X-Forwarded-Host", o.called.host)
	b = appendField(b, "X-Forwarded-Proto", o.called.proto)
	for _, f := range o.called.more {
		b = appendField(b, f.key, f.value)
	}
	b = appendField(b, "X-Call-Id", o.id)
	return appendField(b, "X-Start-Time", o.start)
}

func (o *outgoing) appendFraming(b []byte) []byte {
	if anyHasToken(o.r.Header["Te"], "trailers") {
		b = appendField(b, "Te", "trailers")
	}
	if o.upgrade != "" {
		b = appendField(b, "Connection", "Upgrade")
		b = appendField(b, "Upgrade", o.upgrade)
	}
	if o.expect {
		b = appendField(b, "Expect", "100-continue")
	}
	switch {
	case o.chunked:
		b = o.appendTrailerNames(b)
		b = appendField(b, "Transfer-Encoding", "chunked")
	case o.hasBody:
		b = append(b, "Content-Length: "...)
		b = append(strconv.AppendInt(b, o.r.ContentLength, 10), "\r\n"...)
	case o.saysEmpty():
		b = appendField(b, "Content-Length", "0")
	}
	return b
}

// saysEmpty reports whether the request says that it has no body, as those do
// whose method lets one expect it.
func (o *outgoing) saysEmpty() bool {
	switch o.r.Method {
	case http.MethodPost, http.MethodPut, http.MethodPatch:
		return true
	}
	return len(o.r.Header["Content-Length"]) > 0
}

func (o *outgoing) appendTrailerNames(b []byte) []byte {
	for _, key := range o.announced {
		b = appendField(b, "Trailer", key)
	}
	return b
}

func appendField(b []byte, key, value string) []byte {
	b = append(append(b, key...), ": "...)
	b = append(b, oneLine(value)...)
	return append(b, "\r\n"...)
}

// oneLine takes out what would end the line. The server lets no such value in;
// this holds whoever else may have set one.
func oneLine(value string) string {
	if strings.IndexByte(value, '\n') < 0 && strings.IndexByte(value, '\r') < 0 && strings.IndexByte(value, 0) < 0 {
		return value
	}
	return strings.NewReplacer("\r", " ", "\n", " ", "\x00", " ").Replace(value)
}
