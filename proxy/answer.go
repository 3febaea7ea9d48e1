package proxy

import (
	"fmt"
	"net/http"
	"strings"
)

// answer passes a final answer on.
func (x *exchange) answer(h head) error {
	b := x.newBody(h)
	if err := x.conn.arrived(!b.isBuffered()); err != nil {
		return x.broken(err)
	}
	x.copyHead(h, b)
	if b.kind == bodyNone {
		x.call.begin(h.code)
		return nil
	}
	if !b.isBuffered() {
		x.watch()
	}
	x.call.begin(h.code)
	return b.copy()
}

// copyHead sets the header of the answer to the client.
func (x *exchange) copyHead(h head, b *body) {
	header := x.call.w.Header()
	x.call.copyFields(header, h)
	http1 := x.call.r.ProtoMajor == 1
	switch {
	case h.code == http.StatusNotModified && http1:
		keepLength(header)
	case b.kind == bodyNone:
	case http1 && x.call.r.ProtoMinor > 0 && b.kind != bodyLength:
		// The server would else count the bytes of a short body.
		header["Transfer-Encoding"] = []string{"chunked"}
	default:
		suppressType(header)
	}
	if x.call.isUnread() {
		// The function does not wait for what the client is still sending.
		x.call.dismiss()
	}
}

// beginUnframed sends the head of an answer that came without HTTP/1's framing,
// and announces its trailers.
func (c *call) beginUnframed(h head, hasBody bool, trailers []string) {
	header := c.w.Header()
	c.copyFields(header, h)
	suppressType(header)
	if hasBody && (h.length < 0 || len(trailers) > 0) && c.r.ProtoMajor == 1 && c.r.ProtoMinor > 0 {
		// In HTTP/1 only chunked bodies have trailers.
		delete(header, "Content-Length")
		header["Transfer-Encoding"] = []string{"chunked"}
	}
	if c.isUnread() {
		c.dismiss()
	}
	if len(trailers) > 0 {
		header["Trailer"] = trailers
	}
	c.begin(h.code)
}

// copyFields copies what the function sent, but for what concerns its connection
// to us and what we say ourselves.
func (c *call) copyFields(header http.Header, h head) {
	clearOthers(header, h)
	values := make([]string, len(h.fields))
	for i, f := range h.fields {
		if !c.passes(f.key, h) {
			continue
		}
		values[i] = f.value
		if before := header[f.key]; before != nil {
			header[f.key] = append(before, f.value)
			continue
		}
		header[f.key] = values[i : i+1 : i+1]
	}
	if c.fallbackType != "" && header["Content-Type"] == nil {
		header["Content-Type"] = []string{c.fallbackType}
	}
	if h.code == http.StatusUpgradeRequired && h.upgrade != "" && c.r.ProtoMajor == 1 {
		header["Connection"] = []string{"Upgrade"}
		header["Upgrade"] = []string{h.upgrade}
	}
}

// clearOthers removes what somebody before us has set and the function sets, too.
func clearOthers(header http.Header, h head) {
	if len(header) <= len([]string{"X-Call-Id", "X-Start-Time"}) {
		return
	}
	for _, f := range h.fields {
		if !isConnection(f.key) && !isIdentity(f.key) {
			delete(header, f.key)
		}
	}
}

// passes reports whether a field of the answer is for the client.
func (c *call) passes(key string, h head) bool {
	if key == "Trailer" {
		return h.chunked && !h.bodyless(c.r.Method)
	}
	return !isConnection(key) && !isIdentity(key) && !h.listed(key)
}

// isConnection reports whether a field of an answer belongs to one connection.
func isConnection(key string) bool {
	switch key {
	case "Connection", "Proxy-Connection", "Keep-Alive", "Te", "Trailer", "Transfer-Encoding",
		"Upgrade", "Proxy-Authenticate", "Proxy-Authorization":
		return true
	}
	return false
}

// isIdentity reports whether a field says which call this is.
func isIdentity(key string) bool { return key == "X-Call-Id" || key == "X-Start-Time" }

// suppressType keeps the server from guessing a type the function did not name.
func suppressType(header http.Header) {
	if _, named := header["Content-Type"]; !named {
		header["Content-Type"] = nil
	}
}

// keepLength and the type of what was not modified, which the server leaves out
// under their usual spelling.
func keepLength(header http.Header) {
	for _, key := range []string{"Content-Length", "Content-Type"} {
		if values, ok := header[key]; ok {
			delete(header, key)
			header[strings.ToLower(key)] = values
		}
	}
}

// forwardInformational passes an interim answer to a try on, such as 103 Early
// Hints.
func (c *call) forwardInformational(t try, h head) {
	if !c.r.ProtoAtLeast(1, 1) || !t.speaks() {
		return
	}
	header := c.w.Header()
	before := header.Clone()
	clear(header)
	c.copyFields(header, h)
	delete(header, "Content-Length")
	c.w.WriteHeader(h.code)
	clear(header)
	for key, values := range before {
		header[key] = values
	}
}

// setTrailers adds what followed a chunked body. What was announced goes under
// its own name.
func (c *call) setTrailers(fields []field) error {
	header := c.w.Header()
	for _, f := range fields {
		if framesMessage(f.key) || isConnection(f.key) {
			return fmt.Errorf("%w: trailer %q", errBadAnswer, f.key)
		}
		key := f.key
		if !anyHasToken(header["Trailer"], key) {
			key = http.TrailerPrefix + key
		}
		header[key] = append(header[key], f.value)
	}
	return nil
}
