package front

import (
	"bytes"
	"net/http"
	"net/textproto"
	"net/url"
	"strconv"
	"strings"

	"golang.org/x/net/http/httpguts"
)

// verdict is what is to become of a request.
type verdict int

const (
	// unusual: net/http may know what to do with it.
	unusual verdict = iota
	// plain: it is served here.
	plain
	// contradictory: it says in two ways where it ends (RFC 9112, 6.1), so that
	// two readers may see two different requests.
	contradictory
	// http2: it is the preface of HTTP/2.
	http2
)

// head is the head of a plain request.
type head struct {
	method, target, host string
	url                  url.URL
	header               http.Header
	// values are what the header's fields are cut from.
	values []string
	// trailer has the names of the fields that are announced to follow the body.
	trailer http.Header
	// length is that of the body, in bytes; -1 when it comes in chunks.
	length int64
	// closes is set when the client wants no other answer on its connection, expects
	// when it waits to be asked for the body.
	closes, expects bool
}

// http2Preface begins the connections of clients that speak HTTP/2 (RFC 9113, 3.4).
const http2Preface = "PRI * HTTP/2.0"

// headEnd returns the length of a head with its blank line; zero while that has
// not come. Lines that end without a CR end nothing: net/http may read those.
func headEnd(b []byte) int {
	if end := bytes.Index(b, []byte("\r\n\r\n")); end >= 0 {
		return end + len("\r\n\r\n")
	}
	return 0
}

// isBeyond reports whether more bytes cannot make a plain request of these: not
// every head ends with the lines that headEnd looks for.
func isBeyond(b []byte) bool {
	for {
		end := bytes.IndexByte(b, '\n')
		if end < 0 {
			return false
		}
		if end == 0 || b[end-1] != '\r' {
			return true
		}
		b = b[end+1:]
	}
}

// parse reads the head that begins with these bytes, and says how long it is. What is
// plain, net/http understands as it is understood here; of anything else the head is of no
// use.
func (h *head) parse(ahead []byte) (length int, what verdict) {
	length = headEnd(ahead)
	line, rest, _ := strings.Cut(string(ahead[:length]), "\r\n")
	if line == http2Preface {
		return length, http2
	}
	if !h.parseRequestLine(line) || !h.parseFields(rest) {
		return length, unusual
	}
	return length, h.judge()
}

func (h *head) parseRequestLine(line string) bool {
	method, rest, _ := strings.Cut(line, " ")
	target, proto, _ := strings.Cut(rest, " ")
	if proto != "HTTP/1.1" || method == http.MethodConnect || !httpguts.ValidHeaderFieldName(method) {
		return false
	}
	h.method, h.target = method, target
	return h.parseTarget()
}

// parseTarget reads an origin-form target. Most need no decoding.
func (h *head) parseTarget() bool {
	path, query, asked := strings.Cut(h.target, "?")
	if !strings.HasPrefix(path, "/") || !isPrintable(query) {
		return false
	}
	if isUnreserved(path) && !strings.HasPrefix(path, "//") && !strings.Contains(query, "#") {
		h.url = url.URL{Path: path, RawQuery: query, ForceQuery: asked && query == ""}
		return true
	}
	parsed, err := url.ParseRequestURI(h.target)
	if err != nil {
		return false
	}
	h.url = *parsed
	return isPrintable(path)
}

func isPrintable(text string) bool {
	for i := range len(text) {
		if text[i] <= ' ' || text[i] >= 0x7f {
			return false
		}
	}
	return true
}

// isUnreserved reports whether a path means the same however it is read (RFC 3986,
// 2.3).
func isUnreserved(path string) bool {
	for i := range len(path) {
		c := path[i]
		if (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '/' || c > '9') && c != '-' && c != '_' && c != '.' && c != '~' {
			return false
		}
	}
	return true
}

// parseFields reads the lines of the header up to the blank one.
func (h *head) parseFields(text string) bool {
	count := strings.Count(text, "\r\n") - 1
	values := h.makeRoom(count)
	for i := range count {
		line, rest, _ := strings.Cut(text, "\r\n")
		text = rest
		key, value, found := strings.Cut(line, ":")
		if !found || !httpguts.ValidHeaderFieldName(key) {
			return false
		}
		value = trimBlanks(value)
		if !httpguts.ValidHeaderFieldValue(value) {
			return false
		}
		key = textproto.CanonicalMIMEHeaderKey(key)
		values[i] = value
		if before := h.header[key]; before != nil {
			h.header[key] = append(before, value)
			continue
		}
		h.header[key] = values[i : i+1 : i+1]
	}
	return text == "\r\n"
}

// makeRoom prepares for so many fields, and returns where their values go.
func (h *head) makeRoom(count int) []string {
	if h.header == nil {
		h.header = make(http.Header, count)
	}
	if cap(h.values) < count {
		h.values = make([]string, count)
	}
	h.values = h.values[:count]
	return h.values
}

// mostKept is how many fields a header has room for that is used again. One with more is
// rare, and would hold its memory for nothing.
const mostKept = 32

// emptied returns a head that has seen nothing, with this one's memory.
func (h *head) emptied() head {
	if cap(h.values) > mostKept || len(h.header) > mostKept {
		return head{}
	}
	clear(h.header)
	clear(h.values)
	return head{header: h.header, values: h.values}
}

// trimBlanks takes blanks off both ends, and nothing else: a bare LF ends a head for
// others (RFC 9112, 2.2).
func trimBlanks(value string) string {
	for value != "" && isBlank(value[0]) {
		value = value[1:]
	}
	for value != "" && isBlank(value[len(value)-1]) {
		value = value[:len(value)-1]
	}
	return value
}

func isBlank(c byte) bool { return c == ' ' || c == '\t' }

// judge decides whether the request is plain, by its fields.
func (h *head) judge() verdict {
	header := h.header
	if len(header["Transfer-Encoding"]) > 0 && len(header["Content-Length"]) > 0 {
		return contradictory
	}
	hosts := header["Host"]
	if len(hosts) != 1 || !isPlainHost(hosts[0]) || h.isSpecial() || !h.measure() || !h.announce() {
		return unusual
	}
	h.host = hosts[0]
	delete(header, "Host")
	h.readPragma()
	h.closes = httpguts.HeaderValuesContainsToken(header["Connection"], "close")
	return plain
}

// isSpecial reports whether the request asks for something that this package does
// not do.
func (h *head) isSpecial() bool {
	for _, key := range []string{"Upgrade", "Http2-Settings"} {
		if _, special := h.header[key]; special {
			return true
		}
	}
	expected, expects := h.header["Expect"]
	h.expects = expects
	return expects && (len(expected) != 1 || !strings.EqualFold(expected[0], "100-continue")) ||
		httpguts.HeaderValuesContainsToken(h.header["Connection"], "upgrade")
}

// readPragma gives an old word for "do not answer from a cache" its new form, as
// net/http does (RFC 9111, 5.4).
func (h *head) readPragma() {
	pragma := h.header["Pragma"]
	if _, said := h.header["Cache-Control"]; !said && len(pragma) > 0 && pragma[0] == "no-cache" {
		h.header["Cache-Control"] = []string{"no-cache"}
	}
}

// measure finds out where the body ends.
func (h *head) measure() bool {
	if coding, coded := h.header["Transfer-Encoding"]; coded {
		h.length = -1
		delete(h.header, "Transfer-Encoding")
		return len(coding) == 1 && strings.EqualFold(coding[0], "chunked")
	}
	lengths, measured := h.header["Content-Length"]
	if !measured {
		return true
	}
	if len(lengths) != 1 {
		return false
	}
	length, err := strconv.ParseUint(lengths[0], 10, 63)
	h.length = int64(length)
	return err == nil
}

// announce reads which trailers are to follow.
func (h *head) announce() bool {
	lists, announced := h.header["Trailer"]
	if !announced {
		return true
	}
	delete(h.header, "Trailer")
	for _, name := range listed(lists) {
		if !httpguts.ValidTrailerHeader(name) {
			return false
		}
		if h.trailer == nil {
			h.trailer = http.Header{}
		}
		h.trailer[name] = nil
	}
	return h.length < 0
}

// listed are the names in a field that lists names.
func listed(lists []string) []string {
	var names []string
	for _, list := range lists {
		for name := range strings.SplitSeq(list, ",") {
			if name = strings.TrimSpace(name); name != "" {
				names = append(names, http.CanonicalHeaderKey(name))
			}
		}
	}
	return names
}

// isPlainHost reports whether a host is a name or an address, with or without a port.
func isPlainHost(host string) bool {
	for i := range len(host) {
		c := host[i]
		if (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > ':') && c != '-' && c != '.' && c != '_' && c != '[' && c != ']' {
			return false
		}
	}
	return host != ""
}
