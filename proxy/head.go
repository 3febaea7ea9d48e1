package proxy

import (
	"bufio"
	"bytes"
	"fmt"
	"net/textproto"
	"strings"
)

// maxHead bounds the head of an answer, its trailers and a line of its chunked
// coding, in bytes.
const maxHead = 256 << 10

// field is one header field. Its key has the canonical spelling.
type field struct {
	key, value string
}

// head is what an answer says before its body.
type head struct {
	code   int
	fields []field
	// length is what Content-Length says; -1 without one.
	length int64
	// chunked answers have a body in the chunked coding.
	chunked bool
	// closes is set when the connection ends with this answer.
	closes bool
	// keeps is set when Connection says keep-alive, which HTTP/1.0 needs.
	keeps bool
	// lists is set when Connection names fields that are not for the client.
	lists bool
	// upgrade is the protocol that the function switches to, or could.
	upgrade string
}

// field is the first value of a field; empty when there is none.
func (h *head) field(key string) string {
	for _, f := range h.fields {
		if f.key == key {
			return f.value
		}
	}
	return ""
}

// readRaw appends one head, up to and with its blank line, to raw.
func readRaw(reader *bufio.Reader, raw []byte) ([]byte, error) {
	line := len(raw)
	for {
		piece, err := reader.ReadSlice('\n')
		raw = append(raw, piece...)
		if len(raw) > maxHead {
			return raw, fmt.Errorf("%w: head of more than %d bytes", errBadAnswer, maxHead)
		}
		if err == bufio.ErrBufferFull {
			continue
		}
		if err != nil {
			return raw, err
		}
		if isBlank(raw[line:]) {
			return raw, nil
		}
		line = len(raw)
	}
}

// hasHead reports whether a whole head can be read without waiting. It may say no
// when it could say yes.
func hasHead(reader *bufio.Reader) bool {
	buffered, _ := reader.Peek(reader.Buffered())
	return bytes.Contains(buffered, []byte("\r\n\r\n")) || bytes.Contains(buffered, []byte("\n\n"))
}

func isBlank(line []byte) bool {
	return len(line) == 1 || len(line) == 2 && line[0] == '\r'
}

// parseHead reads a whole head. It is stricter than HTTP asks of a recipient:
// what two recipients could read differently is refused. The fields are appended
// to fields, and are parts of text.
func parseHead(text string, fields []field) (head, error) {
	h := head{fields: fields, length: -1}
	status, rest := cutLine(text)
	http11, err := h.parseStatus(status)
	if err != nil {
		return head{}, err
	}
	if h.fields, err = parseFields(rest, fields); err != nil {
		return head{}, err
	}
	for _, f := range h.fields {
		if err := h.note(f); err != nil {
			return head{}, err
		}
	}
	h.closes = h.closes || !http11 && !h.keeps
	return h, h.checkFraming(http11)
}

// parseStatus reads "HTTP/1.1 200 OK". The reason and the space before it may be
// missing, as they often are.
func (h *head) parseStatus(line string) (http11 bool, err error) {
	version, rest, _ := strings.Cut(line, " ")
	if version != "HTTP/1.1" && version != "HTTP/1.0" {
		return false, fmt.Errorf("%w: status line %.80q", errBadAnswer, line)
	}
	if len(rest) < 3 || len(rest) > 3 && rest[3] != ' ' || !isText(rest) {
		return false, fmt.Errorf("%w: status line %.80q", errBadAnswer, line)
	}
	for _, c := range []byte(rest[:3]) {
		if c < '0' || c > '9' {
			return false, fmt.Errorf("%w: status line %.80q", errBadAnswer, line)
		}
		h.code = 10*h.code + int(c-'0')
	}
	if h.code < 100 {
		return false, fmt.Errorf("%w: status %d", errBadAnswer, h.code)
	}
	return version == "HTTP/1.1", nil
}

// parseFields reads field lines until the blank one.
func parseFields(text string, fields []field) ([]field, error) {
	for {
		line, rest := cutLine(text)
		if line == "" {
			return fields, nil
		}
		colon := strings.IndexByte(line, ':')
		if colon <= 0 || !isToken(line[:colon]) {
			return fields, fmt.Errorf("%w: header line %.80q", errBadAnswer, line)
		}
		value := trimBlanks(line[colon+1:])
		if !isText(value) {
			return fields, fmt.Errorf("%w: control character in header %q", errBadAnswer, line[:colon])
		}
		fields = append(fields, field{key: textproto.CanonicalMIMEHeaderKey(line[:colon]), value: value})
		text = rest
	}
}

// note keeps what a field says about the connection or the framing.
func (h *head) note(f field) (err error) {
	switch f.key {
	case "Connection":
		h.noteConnection(f.value)
	case "Upgrade":
		h.upgrade = f.value
	case "Transfer-Encoding":
		if h.chunked || !strings.EqualFold(f.value, "chunked") {
			return fmt.Errorf("%w: transfer encoding %.80q", errBadAnswer, f.value)
		}
		h.chunked = true
	case "Content-Length":
		if h.length >= 0 {
			return fmt.Errorf("%w: two lengths", errBadAnswer)
		}
		h.length, err = parseLength(f.value)
	}
	return err
}

// noteConnection reads one value of Connection.
func (h *head) noteConnection(value string) {
	switch {
	case strings.EqualFold(value, "keep-alive"):
		h.keeps = true
	default:
		h.lists = true
		h.keeps = h.keeps || hasToken(value, "keep-alive")
		h.closes = h.closes || hasToken(value, "close")
	}
}

// listed reports whether Connection names a field.
func (h *head) listed(key string) bool {
	if !h.lists {
		return false
	}
	for _, f := range h.fields {
		if f.key == "Connection" && hasToken(f.value, key) {
			return true
		}
	}
	return false
}

func (h *head) checkFraming(http11 bool) error {
	if !h.chunked {
		return nil
	}
	if h.length >= 0 || !http11 {
		return fmt.Errorf("%w: chunked and not", errBadAnswer)
	}
	for _, f := range h.fields {
		if f.key != "Trailer" {
			continue
		}
		for name := range strings.SplitSeq(f.value, ",") {
			if framesMessage(textproto.CanonicalMIMEHeaderKey(trimBlanks(name))) {
				return fmt.Errorf("%w: trailer %.80q", errBadAnswer, name)
			}
		}
	}
	return nil
}

// bodyless reports whether an answer with this status to this method ends with
// its head, whatever the head says.
func (h *head) bodyless(method string) bool {
	return method == "HEAD" || h.code < 200 || h.code == 204 || h.code == 304
}

// framesMessage reports whether a field says where a message ends, which no
// trailer may.
func framesMessage(key string) bool {
	return key == "Transfer-Encoding" || key == "Content-Length" || key == "Trailer"
}

// parseLength reads the digits of a Content-Length; nothing else may stand there.
func parseLength(text string) (int64, error) {
	var n int64
	for _, c := range []byte(text) {
		if c < '0' || c > '9' || n > (1<<62)/10 {
			return 0, fmt.Errorf("%w: length %.80q", errBadAnswer, text)
		}
		n = 10*n + int64(c-'0')
	}
	if text == "" {
		return 0, fmt.Errorf("%w: empty length", errBadAnswer)
	}
	return n, nil
}

// cutLine splits text after its first line, and strips CRLF, or LF, from that.
func cutLine(text string) (line, rest string) {
	end := strings.IndexByte(text, '\n')
	if end < 0 {
		return text, ""
	}
	line, rest = text[:end], text[end+1:]
	return strings.TrimSuffix(line, "\r"), rest
}

func trimBlanks(text string) string { return strings.Trim(text, " \t") }

// isToken reports whether text can be the name of a field (RFC 9110, 5.6.2).
func isToken(text string) bool {
	for _, c := range []byte(text) {
		switch {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c == '-', c >= '0' && c <= '9':
		case strings.IndexByte("!#$%&'*+.^_`|~", c) >= 0:
		default:
			return false
		}
	}
	return text != ""
}

// isText reports whether text has no control character but the tab.
func isText(text string) bool {
	for _, c := range []byte(text) {
		if c < ' ' && c != '\t' || c == 0x7f {
			return false
		}
	}
	return true
}

// hasToken reports whether a comma-separated list has a word, in any case.
func hasToken(list, word string) bool {
	for list != "" {
		var item string
		item, list, _ = strings.Cut(list, ",")
		if strings.EqualFold(trimBlanks(item), word) {
			return true
		}
	}
	return false
}

// anyHasToken reports whether one of several lists has a word, in any case.
func anyHasToken(lists []string, word string) bool {
	for _, list := range lists {
		if hasToken(list, word) {
			return true
		}
	}
	return false
}
