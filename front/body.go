package front

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"maps"
	"net/http"
	"net/textproto"
	"sync"
	"sync/atomic"
	"time"
)

// errTrailer says that more follows the last chunk than there is room for.
var errTrailer = errors.New("front: suspiciously long trailer")

// body is the body of a request. A handler may read it while it answers, and in
// another goroutine than its own.
type body struct {
	x *exchange
	// trailer receives the fields that follow the last chunk.
	trailer *http.Header
	// asks is set while the client waits to be asked for the body.
	asks bool
	// broken is set when the body cannot be read to its end.
	broken atomic.Bool

	// mu is held while somebody reads.
	mu sync.Mutex
	// left are the bytes that remain, when the length is known; chunks reads those
	// that come in chunks, nil for others.
	left   int64
	chunks io.Reader
	// err is what reading ended with; nil while it goes on.
	err    error
	closed bool
}

func (b *body) Read(into []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closed {
		return 0, http.ErrBodyReadAfterClose
	}
	if b.err == nil && b.asks {
		b.asks = false
		b.err = b.x.response.ask()
	}
	return b.read(into)
}

// HasArrived reports whether all of the body is here, so that nobody is waited for when it
// is read.
func (b *body) HasArrived() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.err == nil && !b.closed && !b.asks && b.chunks == nil && b.left <= int64(b.x.conn.reader.Buffered())
}

func (b *body) read(into []byte) (n int, err error) {
	if b.err != nil {
		return 0, b.err
	}
	if b.chunks != nil {
		n, b.err = b.readChunks(into)
	} else {
		n, b.err = b.readLength(into)
	}
	if b.err == io.EOF {
		b.x.watch.allow()
	}
	b.broken.Store(b.err != nil && b.err != io.EOF)
	return n, b.err
}

func (b *body) readLength(into []byte) (int, error) {
	if b.left == 0 {
		return 0, io.EOF
	}
	n, err := b.x.conn.reader.Read(into[:min(int64(len(into)), b.left)])
	b.left -= int64(n)
	switch {
	case b.left == 0:
		return n, io.EOF
	case err == io.EOF:
		return n, io.ErrUnexpectedEOF
	}
	return n, err
}

func (b *body) readChunks(into []byte) (int, error) {
	n, err := b.chunks.Read(into)
	if err != io.EOF {
		return n, err
	}
	trailer, err := readTrailer(b.x.conn.reader)
	if err != nil {
		return n, err
	}
	if *b.trailer == nil {
		*b.trailer = trailer
		return n, io.EOF
	}
	maps.Copy(*b.trailer, trailer)
	return n, io.EOF
}

// readTrailer reads what follows the last chunk: fields, which most requests have
// none of, and a blank line.
func readTrailer(reader *bufio.Reader) (http.Header, error) {
	if end, err := reader.Peek(len("\r\n")); err != nil || string(end) == "\r\n" {
		_, _ = reader.Discard(len(end))
		return nil, unexpected(err)
	}
	// The buffer bounds how long the fields may be.
	for known := 0; ; {
		ahead, _ := reader.Peek(reader.Buffered())
		if bytes.Contains(ahead, []byte("\r\n\r\n")) {
			break
		}
		if known = len(ahead); known == reader.Size() {
			return nil, errTrailer
		}
		if _, err := reader.Peek(known + 1); err != nil {
			return nil, unexpected(err)
		}
	}
	fields, err := textproto.NewReader(reader).ReadMIMEHeader()
	if err != nil {
		return nil, err
	}
	return http.Header(fields), nil
}

func unexpected(err error) error {
	if err == io.EOF {
		return io.ErrUnexpectedEOF
	}
	return err
}

// Close ends the reading; what was not read is dealt with after the answer.
func (b *body) Close() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.closed = true
	return nil
}

// isRead reports whether the body has been read to its end. Whoever is reading still
// has drainTime to end.
func (b *body) isRead() bool {
	if !b.mu.TryLock() {
		b.x.conn.setReadDeadline(time.Now().Add(drainTime))
		b.mu.Lock()
	}
	defer b.mu.Unlock()
	b.closed = true
	return b.err == io.EOF
}

// isLong reports whether more is left of the body than would be read for the sake of
// the next request, unless somebody is reading it now.
func (b *body) isLong() bool {
	if !b.mu.TryLock() {
		return false
	}
	defer b.mu.Unlock()
	return b.left >= drainLimit
}

// finish reads what is left of the body, up to limit, and reports whether that was
// all of it: only then another request can follow.
func (b *body) finish(limit int64) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.closed = true
	if b.asks {
		return false
	}
	_, err := io.CopyN(io.Discard, readerFunc(b.read), limit)
	return err == io.EOF && b.err == io.EOF
}

type readerFunc func([]byte) (int, error)

func (f readerFunc) Read(into []byte) (int, error) { return f(into) }
