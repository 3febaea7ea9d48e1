package upstream

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"strconv"
	"time"

	"faas-docker/grammar"
)

// Framing is how the body of an answer ends.
type Framing int

// The ways in which the body of an answer ends.
const (
	// FramingNone is of an answer without a body.
	FramingNone Framing = iota
	// FramingLength ends the body after as many bytes as were announced.
	FramingLength
	// FramingChunked ends it with a chunk of no bytes.
	FramingChunked
	// FramingClose ends it with the connection, or the stream.
	FramingClose
)

// body is the body of an answer on its way to the client. Before it waits for the function, everything
// is sent that has come: the client sees at once what the function flushed.
type body struct {
	x       *exchange
	reader  *bufio.Reader
	framing Framing
	// left are the bytes that remain of the body, or of the chunk.
	left int64
	// buffer is for bodies that do not come with their head.
	buffer *[]byte
}

func (x *exchange) newBody(h Head) *body {
	x.body = body{x: x, reader: x.reader}
	b := &x.body
	switch {
	case h.Bodyless(x.out.method()), h.Length == 0:
		b.framing = FramingNone
	case h.Chunked:
		b.framing = FramingChunked
	case h.Length > 0:
		b.framing, b.left = FramingLength, h.Length
	default:
		b.framing = FramingClose
	}
	return b
}

// isBuffered reports whether all of the body has come with the head.
func (b *body) isBuffered() bool {
	return b.framing == FramingNone || b.framing == FramingLength && b.left <= int64(b.reader.Buffered())
}

// copy passes the body on to its end.
func (b *body) copy() error {
	defer b.release()
	switch b.framing {
	case FramingLength:
		return b.copyLength()
	case FramingChunked:
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
	b.left = math.MaxInt64
	err := b.copyLength()
	if errors.Is(err, io.EOF) && !b.x.conn.IsSevered() {
		return nil
	}
	return err
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
		if err := b.send(piece); err != nil {
			return err
		}
		_, err := b.reader.Discard(int(n))
		return err
	}
	if err := b.flush(); err != nil {
		return err
	}
	if b.buffer == nil {
		b.buffer = b.x.pool.all.Buffers.Get()
	}
	n, err := b.reader.Read((*b.buffer)[:min(int64(len(*b.buffer)), b.left)])
	if n == 0 && errors.Is(err, os.ErrDeadlineExceeded) {
		return b.x.broken(err)
	}
	if n == 0 && err != nil {
		return fmt.Errorf("%w: %w", ErrDied, err)
	}
	return b.send((*b.buffer)[:n])
}

func (b *body) send(piece []byte) error {
	b.left -= int64(len(piece))
	return b.x.out.Client.Write(piece)
}

// flush makes the client send what was passed on, because the function has to be waited for: not longer
// than the time that its pauses may last.
func (b *body) flush() error {
	if idle := b.x.out.IdleTimeout; idle > 0 {
		// It fails only on a closed connection, which the next read notices.
		_ = b.x.conn.SetReadDeadline(time.Now().Add(idle))
	}
	return b.x.out.Client.Flush()
}

func (b *body) release() {
	if b.buffer != nil {
		b.x.pool.all.Buffers.Put(b.buffer)
		b.buffer = nil
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
		if len(buffered) == ReaderSize {
			return nil, fmt.Errorf("%w: line of more than %d bytes in the body", ErrBadAnswer, ReaderSize)
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
		return fmt.Errorf("%w: chunk longer than its size", ErrBadAnswer)
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
		if raw = append(raw, line...); len(raw) > MaxHead || !bytes.HasSuffix(line, []byte("\r\n")) {
			return fmt.Errorf("%w: trailers too long, or ended by bare LF", ErrBadAnswer)
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
	return b.x.out.Client.SetTrailers(fields)
}

// parseChunkSize reads "1a;extension\r\n".
func parseChunkSize(line []byte) (int64, error) {
	digits, ok := bytes.CutSuffix(line, []byte("\r\n"))
	if !ok || !grammar.IsValue(string(digits)) {
		return 0, fmt.Errorf("%w: chunk line %.80q", ErrBadAnswer, line)
	}
	digits = bytes.TrimRight(digits, " \t")
	if end := bytes.IndexByte(digits, ';'); end >= 0 {
		digits = digits[:end]
	}
	size, err := strconv.ParseUint(string(digits), 16, 63)
	if err != nil || len(digits) > 15 {
		return 0, fmt.Errorf("%w: chunk line %.80q", ErrBadAnswer, line)
	}
	return int64(size), nil
}
