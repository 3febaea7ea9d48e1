package upstream

import (
	"bufio"
	"bytes"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"faas-docker/grammar"
)

// MaxHead bounds the head of an answer, and its trailers together, in bytes. One line of the trailers or
// of the chunked coding is bounded by ReaderSize.
const MaxHead = 256 << 10

const (
	// maxFields bounds the fields of a head, or of trailers.
	maxFields = 1000
	// maxListed bounds the fields that Connection names: each field is compared with them.
	maxListed = 64
)

// Field is one header field. Its key has the canonical spelling.
type Field struct {
	Key, Value string
}

// Head is what an answer says before its body.
type Head struct {
	Code   int
	Fields []Field
	// Length is what Content-Length says; -1 without one.
	Length int64
	// Chunked answers have a body in the chunked coding.
	Chunked bool
	// closes is set when the connection ends with this answer.
	closes bool
	// keeps is set when Connection says keep-alive, which HTTP/1.0 needs.
	keeps bool
	// listed are the fields that Connection names: they are not for the client.
	listed []string
	// Unframed answers came without HTTP/1's framing.
	Unframed bool
	// Upgrade is the protocol that the function switches to, or could.
	Upgrade string
}

// Field is the first value of a field; empty when there is none.
func (h *Head) Field(key string) string {
	for _, f := range h.Fields {
		if f.Key == key {
			return f.Value
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
		if len(raw) > MaxHead {
			return raw, fmt.Errorf("%w: head of more than %d bytes", ErrBadAnswer, MaxHead)
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

// parseHead reads a whole head. It is stricter than HTTP asks: what two recipients could read differently
// is refused. The fields are appended to fields, and are parts of text.
func parseHead(text string, fields []Field) (Head, error) {
	h := Head{Fields: fields, Length: -1}
	status, rest := grammar.CutLine(text)
	http11, err := h.parseStatus(status)
	if err != nil {
		return Head{}, err
	}
	if h.Fields, err = parseFields(rest, fields); err != nil {
		return Head{}, err
	}
	for _, f := range h.Fields {
		if err := h.note(f); err != nil {
			return Head{}, err
		}
	}
	h.closes = h.closes || !http11 && !h.keeps
	return h, h.checkFraming(http11)
}

// parseStatus reads "HTTP/1.1 200 OK". The reason and the space before it may be
// missing, as they often are.
func (h *Head) parseStatus(line string) (http11 bool, err error) {
	version, rest, _ := strings.Cut(line, " ")
	digits, reason, _ := strings.Cut(rest, " ")
	code, err := strconv.ParseUint(digits, 10, 16)
	isHTTP1 := version == "HTTP/1.1" || version == "HTTP/1.0"
	if !isHTTP1 || err != nil || len(digits) != 3 || !grammar.IsValue(reason) {
		return false, fmt.Errorf("%w: status line %.80q", ErrBadAnswer, line)
	}
	if h.Code = int(code); h.Code < 100 {
		return false, fmt.Errorf("%w: status %d", ErrBadAnswer, h.Code)
	}
	return version == "HTTP/1.1", nil
}

// parseFields reads field lines until the blank one.
func parseFields(text string, fields []Field) ([]Field, error) {
	for before := len(fields); ; {
		line, rest := grammar.CutLine(text)
		if line == "" {
			return fields, nil
		}
		if len(fields)-before == maxFields {
			return fields, fmt.Errorf("%w: more than %d fields", ErrBadAnswer, maxFields)
		}
		colon := strings.IndexByte(line, ':')
		if colon <= 0 || !grammar.IsToken(line[:colon]) {
			return fields, fmt.Errorf("%w: header line %.80q", ErrBadAnswer, line)
		}
		value := grammar.Trim(line[colon+1:])
		if !grammar.IsValue(value) {
			return fields, fmt.Errorf("%w: control character in header %q", ErrBadAnswer, line[:colon])
		}
		fields = append(fields, Field{Key: grammar.Key(line[:colon]), Value: value})
		text = rest
	}
}

// note keeps what a field says about the connection or the framing.
func (h *Head) note(f Field) (err error) {
	switch f.Key {
	case "Connection":
		return h.noteConnection(f.Value)
	case "Upgrade":
		if h.Upgrade != "" {
			h.Upgrade += ", "
		}
		h.Upgrade += f.Value
	case "Transfer-Encoding":
		if h.Chunked || !grammar.EqualFold(f.Value, "chunked") {
			return fmt.Errorf("%w: transfer encoding %.80q", ErrBadAnswer, f.Value)
		}
		h.Chunked = true
	case "Content-Length":
		if h.Length >= 0 {
			return fmt.Errorf("%w: two lengths", ErrBadAnswer)
		}
		h.Length, err = parseLength(f.Value)
	}
	return err
}

func (h *Head) noteConnection(value string) error {
	for word := range grammar.Tokens([]string{value}) {
		switch {
		case grammar.EqualFold(word, "keep-alive"):
			h.keeps = true
		case grammar.EqualFold(word, "close"):
			h.closes = true
		case len(h.listed) == maxListed:
			return fmt.Errorf("%w: Connection names more than %d fields", ErrBadAnswer, maxListed)
		default:
			h.listed = append(h.listed, grammar.Key(word))
		}
	}
	return nil
}

// Listed reports whether Connection names a field.
func (h *Head) Listed(key string) bool { return slices.Contains(h.listed, key) }

func (h *Head) checkFraming(http11 bool) error {
	if !h.Chunked {
		return nil
	}
	if h.Length >= 0 || !http11 {
		return fmt.Errorf("%w: chunked and not", ErrBadAnswer)
	}
	for _, f := range h.Fields {
		if f.Key != "Trailer" {
			continue
		}
		for name := range strings.SplitSeq(f.Value, ",") {
			if grammar.Frames(grammar.Key(grammar.Trim(name))) {
				return fmt.Errorf("%w: trailer %.80q", ErrBadAnswer, name)
			}
		}
	}
	return nil
}

// Bodyless reports whether an answer with this status to this method ends with
// its head, whatever the head says.
func (h *Head) Bodyless(method string) bool {
	return method == "HEAD" || h.Code < 200 || h.Code == 204 || h.Code == 304
}

// parseLength reads the digits of a Content-Length; nothing else may stand there.
func parseLength(text string) (int64, error) {
	if text == "" {
		return 0, fmt.Errorf("%w: empty length", ErrBadAnswer)
	}
	n, err := strconv.ParseUint(text, 10, 62)
	if err != nil {
		return 0, fmt.Errorf("%w: length %.80q", ErrBadAnswer, text)
	}
	return int64(n), nil
}
