package proxy

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"time"
)

// The ways in which the body of an answer ends.
type bodyKind int

const (
	// bodyNone: there is none.
	bodyNone bodyKind = iota
	// bodyLength: after as many bytes as were announced.
	bodyLength
	// bodyChunked: with a chunk of no bytes.
	bodyChunked
	// bodyClose: with the connection.
	bodyClose
)

// body is the body of an answer on its way to the client. Before it waits for
// the function, everything is sent that has come: the client sees at once what
// the function flushed.
type body struct {
	x      *exchange
	reader *bufio.Reader
	kind   bodyKind
	// left are the bytes that remain of the body, or of the chunk.
	left int64
	// unsent is set when something was written that may lie in a buffer still.
	unsent bool
	// buffer is for bodies that do not come with their head.
	buffer *[]byte
	// streams is set once the function was waited for.
	streams bool
	// late sends what is written, but not at once; nil means that flush does.
	late *promptWriter
	// stalled cuts off a client that does not read; nil until one is waited for.
	stalled *time.Timer
}

func (x *exchange) newBody(h head) *body {
	x.body = body{x: x, reader: x.reader, unsent: true}
	b := &x.body
	switch {
	case h.bodyless(x.call.r.Method), h.length == 0:
		b.kind = bodyNone
	case h.chunked:
		b.kind = bodyChunked
	case h.length > 0:
		b.kind, b.left = bodyLength, h.length
	default:
		b.kind = bodyClose
		x.endless = true
	}
	return b
}

// isBuffered reports whether all of the body has come with the head.
func (b *body) isBuffered() bool {
	return b.kind == bodyNone || b.kind == bodyLength && b.left <= int64(b.reader.Buffered())
}

// copy passes the body on to its end.
func (b *body) copy() error {
	defer b.release()
	switch b.kind {
	case bodyLength:
		return b.copyLength()
	case bodyChunked:
		return b.copyChunks()
	}
	return b.copyAll()
}

func (b *body) copyLength() error {
	for b.left > 0 {
		if err := b.pass(); err != nil {
			return err
		}
	}
	return nil
}

func (b *body) copyAll() error {
	b.left = 1 << 62
	for {
		err := b.pass()
		if errors.Is(err, io.EOF) && !b.x.conn.severed.Load() {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

func (b *body) copyChunks() error {
	for {
		line, err := b.line()
		if err != nil {
			return b.x.broken(err)
		}
		if b.left, err = parseChunkSize(line); err != nil {
			return err
		}
		if b.left == 0 {
			return b.readTrailers()
		}
		if err := b.copyLength(); err != nil {
			return err
		}
		if err := b.expectLineEnd(); err != nil {
			return err
		}
	}
}

// pass sends on some bytes: what is there already, or what comes next. An error
// that is io.EOF, too, says that the connection ended in order.
func (b *body) pass() error {
	if n := min(int64(b.reader.Buffered()), b.left); n > 0 {
		piece, _ := b.reader.Peek(int(n))
		if err := b.write(piece); err != nil {
			return err
		}
		_, err := b.reader.Discard(int(n))
		return err
	}
	if err := b.flush(); err != nil {
		return err
	}
	if b.buffer == nil {
		b.buffer = b.x.call.handler.getCopy()
	}
	n, err := b.reader.Read((*b.buffer)[:min(int64(len(*b.buffer)), b.left)])
	if n == 0 && errors.Is(err, os.ErrDeadlineExceeded) {
		return b.x.broken(err)
	}
	if n == 0 && err != nil {
		return fmt.Errorf("%w: %w", errDied, err)
	}
	return b.write((*b.buffer)[:n])
}

func (b *body) write(piece []byte) error {
	b.left -= int64(len(piece))
	b.unsent = true
	if b.streams {
		b.watchClient()
		defer b.stalled.Stop()
	}
	var err error
	if b.late != nil {
		err = b.late.write(piece)
	} else {
		_, err = b.x.call.w.Write(piece)
	}
	if err != nil {
		return fmt.Errorf("%w: %w", errClientGone, err)
	}
	b.x.call.passed(len(piece))
	return nil
}

// watchClient gives the client time to read what it is about to be sent. A deadline
// would do that, too, but in HTTP/2 one that passes ends the stream, also while nothing
// is being sent because the function is silent.
func (b *body) watchClient() {
	limit := b.x.call.handler.stallTimeout()
	if b.stalled != nil {
		b.stalled.Reset(limit)
		return
	}
	control := http.NewResponseController(b.x.call.w)
	// Not every writer can.
	b.stalled = time.AfterFunc(limit, func() { _ = control.SetWriteDeadline(time.Now()) })
}

// flush sends what lies in a buffer on our side.
func (b *body) flush() error {
	b.streams = true
	if idle := b.x.call.policy.IdleTimeout; idle > 0 {
		// It fails only on a closed connection, which the next read notices.
		_ = b.x.conn.SetReadDeadline(time.Now().Add(idle))
	}
	if !b.unsent {
		return nil
	}
	b.unsent = false
	if interval := b.x.call.handler.FlushInterval; interval > 0 {
		if b.late == nil {
			b.late = newPromptWriter(b.x.call.w, b.x.call.handler.stallTimeout(), interval)
			b.late.sendSoon()
		}
		return nil
	}
	b.watchClient()
	defer b.stalled.Stop()
	if err := http.NewResponseController(b.x.call.w).Flush(); err != nil && !errors.Is(err, errors.ErrUnsupported) {
		return fmt.Errorf("%w: %w", errClientGone, err)
	}
	return nil
}

func (b *body) release() {
	if b.late != nil {
		b.late.stop()
	}
	if b.buffer != nil {
		b.x.call.handler.putCopy(b.buffer)
		b.buffer = nil
	}
	if b.streams {
		// What is left the server sends behind us. It takes the deadline back then.
		_ = http.NewResponseController(b.x.call.w).SetWriteDeadline(time.Now().Add(b.x.call.handler.stallTimeout()))
	}
}

// line returns the next line with its end; it is valid until the next read.
func (b *body) line() ([]byte, error) {
	for {
		buffered, _ := b.reader.Peek(b.reader.Buffered())
		if end := bytes.IndexByte(buffered, '\n'); end >= 0 {
			_, err := b.reader.Discard(end + 1)
			return buffered[:end+1], err
		}
		if len(buffered) == readerSize {
			return nil, fmt.Errorf("%w: chunk line of more than %d bytes", errBadAnswer, readerSize)
		}
		if err := b.flush(); err != nil {
			return nil, err
		}
		if _, err := b.reader.Peek(len(buffered) + 1); err != nil {
			return nil, err
		}
	}
}

func (b *body) expectLineEnd() error {
	line, err := b.line()
	if err != nil {
		return b.x.broken(err)
	}
	if string(line) != "\r\n" {
		return fmt.Errorf("%w: chunk longer than its size", errBadAnswer)
	}
	return nil
}

// readTrailers reads the fields behind the last chunk. Most answers have none.
func (b *body) readTrailers() error {
	raw := b.x.raw[:0]
	for {
		line, err := b.line()
		if err != nil {
			return b.x.broken(err)
		}
		if raw = append(raw, line...); len(raw) > maxHead || !bytes.HasSuffix(line, []byte("\r\n")) {
			return fmt.Errorf("%w: trailers too long, or ended by bare LF", errBadAnswer)
		}
		if isBlank(line) {
			break
		}
	}
	b.x.raw = raw
	if len(raw) <= len("\r\n") {
		return nil
	}
	fields, err := parseFields(string(raw), nil)
	if err != nil {
		return err
	}
	return b.x.call.setTrailers(fields)
}

// parseChunkSize reads "1a;extension\r\n".
func parseChunkSize(line []byte) (int64, error) {
	digits, ok := bytes.CutSuffix(line, []byte("\r\n"))
	if !ok || !isText(string(digits)) {
		return 0, fmt.Errorf("%w: chunk line %.80q", errBadAnswer, line)
	}
	digits = bytes.TrimRight(digits, " \t")
	if end := bytes.IndexByte(digits, ';'); end >= 0 {
		digits = digits[:end]
	}
	if len(digits) == 0 || len(digits) > 15 {
		return 0, fmt.Errorf("%w: chunk line %.80q", errBadAnswer, line)
	}
	var size int64
	for _, c := range digits {
		digit, ok := hexDigit(c)
		if !ok {
			return 0, fmt.Errorf("%w: chunk line %.80q", errBadAnswer, line)
		}
		size = size<<4 | digit
	}
	return size, nil
}

func hexDigit(c byte) (int64, bool) {
	switch {
	case c >= '0' && c <= '9':
		return int64(c - '0'), true
	case c >= 'a' && c <= 'f':
		return int64(c-'a') + 10, true
	case c >= 'A' && c <= 'F':
		return int64(c-'A') + 10, true
	}
	return 0, false
}
