package front

import (
	"net/http"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/net/http/httpguts"
)

// begin writes the head, but for what depends on the body.
func (r *response) begin(code int) {
	r.code = code
	header := r.Header()
	coding, length := header["Transfer-Encoding"], header["Content-Length"]
	_, typed := header["Content-Type"]
	r.guess = !typed && len(coding) == 0 && len(header["Content-Encoding"]) == 0 && allowsBody(code)
	r.closes = r.closes || r.isLast()
	r.declared = parseLength(length)
	if len(coding) > 0 && r.hasBody() {
		r.declared, r.chunked = -1, true
	}
	r.appendStatus(code)
	r.appendFields()
	r.open = true
	if !r.guess && (r.chunked || r.declared >= 0 || !allowsBody(code)) {
		r.commit(nil)
	}
}

// isLast reports whether nothing can follow the answer on its connection.
func (r *response) isLast() bool {
	unasked := r.expects && !r.asked
	return unasked || r.x.body.broken.Load() || r.x.body.isLong() || r.x.conn.server.stopping.Load() ||
		httpguts.HeaderValuesContainsToken(r.header["Connection"], "close")
}

// parseLength returns -1 for what is no length.
func parseLength(values []string) int64 {
	if len(values) != 1 {
		return -1
	}
	length, err := strconv.ParseUint(values[0], 10, 63)
	if err != nil {
		return -1
	}
	return int64(length)
}

// hasBody reports whether bytes of a body go over the wire.
func (r *response) hasBody() bool { return !r.head && allowsBody(r.code) }

// allowsBody is RFC 9110's rule (6.4.1).
func allowsBody(code int) bool {
	return code >= 200 && code != http.StatusNoContent && code != http.StatusNotModified
}

func (r *response) appendStatus(code int) {
	text := http.StatusText(code)
	if text == "" {
		text = "status code " + strconv.Itoa(code)
	}
	out := r.buffer()
	*out = strconv.AppendInt(append(*out, "HTTP/1.1 "...), int64(code), 10)
	r.appendText(" ")
	r.appendText(text)
	r.appendText("\r\n")
}

// appendFields writes what the handler has set, and what every answer has.
func (r *response) appendFields() {
	trailers := listed(r.header["Trailer"])
	for _, key := range r.keys() {
		if !r.isSuppressed(key) && !slices.Contains(trailers, key) {
			r.appendField(key)
		}
	}
	if _, dated := r.header["Date"]; !dated {
		r.appendText(r.x.conn.server.dateField())
	}
	if r.closes && !httpguts.HeaderValuesContainsToken(r.header["Connection"], "close") {
		r.appendText("Connection: close\r\n")
	}
}

// keys are the names of the fields in the order in which they are written; they are
// valid until the next call.
func (r *response) keys() []string {
	keys := r.names[:0]
	for key := range r.header {
		if !strings.HasPrefix(key, http.TrailerPrefix) {
			keys = append(keys, key)
		}
	}
	slices.Sort(keys)
	return keys
}

// isSuppressed reports whether a field is left out of this answer: framing is
// written later, and what has no body has no framing.
func (r *response) isSuppressed(key string) bool {
	switch key {
	case "Transfer-Encoding":
		return true
	case "Content-Length":
		return r.declared < 0 || !allowsBody(r.code)
	case "Content-Type":
		return r.code == http.StatusNotModified
	}
	return false
}

func (r *response) appendField(key string) {
	if !httpguts.ValidHeaderFieldName(key) {
		return
	}
	for _, value := range r.header[key] {
		r.appendText(key)
		r.appendText(": ")
		r.appendText(oneLine(value))
		r.appendText("\r\n")
	}
}

// oneLine keeps a value from being more than one.
func oneLine(value string) string {
	if strings.IndexByte(value, '\n') >= 0 || strings.IndexByte(value, '\r') >= 0 {
		value = strings.NewReplacer("\r", " ", "\n", " ").Replace(value)
	}
	return trimBlanks(value)
}

// commit ends the head. first is the beginning of the body, by which its type is
// guessed.
func (r *response) commit(first []byte) {
	r.open = false
	if r.guess && len(first) > 0 {
		r.appendText("Content-Type: " + http.DetectContentType(first) + "\r\n")
	}
	if r.declared < 0 && r.hasBody() {
		r.chunked = true
	}
	if r.chunked {
		r.appendText("Transfer-Encoding: chunked\r\n")
	}
	r.appendText("\r\n")
}

// appendTrailers ends a body in chunks.
func (r *response) appendTrailers() {
	r.appendText("0\r\n")
	for _, name := range listed(r.header["Trailer"]) {
		r.appendField(name)
	}
	for key, values := range r.header {
		name, found := strings.CutPrefix(key, http.TrailerPrefix)
		if !found || !httpguts.ValidTrailerHeader(name) {
			continue
		}
		for _, value := range values {
			r.appendText(name + ": " + oneLine(value) + "\r\n")
		}
	}
	r.appendText("\r\n")
}
