package front

import (
	"io"
	"strings"
)

// incoming is a request that net/http is being given: so much of the connection is its own.
type incoming struct {
	// head are the bytes of its head that are left, and left those of its body when that has a length.
	head int
	left int64
	// chunks finds the end of a body in chunks; nil for others.
	chunks *chunks
	// isBroken is set when it does not come to its end.
	isBroken bool
}

func (r *incoming) isOver() bool {
	return r.head == 0 && r.left == 0 && (r.chunks == nil || r.chunks.over)
}

// leave is called when net/http has done with a request. Unless that has come to its end, nobody knows
// where the next one begins.
func (c *conn) leave() {
	if !c.is(within) {
		return
	}
	c.shrink()
	if c.request.isBroken || !c.request.isOver() {
		c.enter(over)
		return
	}
	c.rest(c.server.clock.now(), c.server.HTTP.IdleTimeout)
	c.enter(between)
}

// readWithin gives net/http the next bytes of its request, and none behind that: net/http reads
// on while it answers, to see whether the client is still there.
func (c *conn) readWithin(into []byte) (int, error) {
	n, err := c.give(into)
	c.unread.Store(!c.request.isOver())
	return n, err
}

func (c *conn) give(into []byte) (int, error) {
	r := &c.request
	switch {
	case r.isOver() && len(into) > 1:
		// net/http asks for one byte to learn that the client goes away. Where it wants more it
		// has not found the end of the request, which must not be waited for.
		return 0, io.ErrUnexpectedEOF
	case r.isOver():
		return 0, c.awaitNextOrEnd()
	case r.head > 0:
		n := copy(into, c.ahead()[:r.head])
		r.head -= n
		c.skip(n)
		return n, nil
	case r.chunks != nil:
		return c.readChunks(into)
	}
	if int64(len(into)) > r.left {
		into = into[:r.left]
	}
	n, err := c.readThrough(into)
	r.left -= int64(n)
	return n, err
}

func (c *conn) readChunks(into []byte) (int, error) {
	if len(c.ahead()) == 0 {
		if _, err := c.fill(); err != nil {
			return 0, err
		}
	}
	ahead := c.ahead()
	ahead = ahead[:min(len(ahead), len(into))]
	n := c.request.chunks.follow(ahead)
	if n == 0 {
		return c.spoil(ahead[0], into)
	}
	copy(into, ahead[:n])
	c.skip(n)
	return n, nil
}

// spoil has net/http find that a body breaks the rules, by a byte that may not stand where it is
// given. It gets nothing behind that.
func (c *conn) spoil(wrong byte, into []byte) (int, error) {
	r := &c.request
	if r.chunks.state != inExtension {
		wrong = 0 // of others it forgives some
	}
	c.begin, c.end = 0, copy(c.buffer, []byte{wrong, '\r', '\n', '\r', '\n'})
	r.left, r.chunks, r.isBroken = int64(c.end), nil, true
	return c.give(into)
}

// readThrough gives whatever comes next.
func (c *conn) readThrough(into []byte) (int, error) {
	if len(c.ahead()) == 0 {
		return c.Conn.Read(into)
	}
	n := copy(into, c.ahead())
	c.skip(n)
	return n, nil
}

// WriteTo is what io.Copy uses for a connection that was taken over; that of the socket alone
// would lose the bytes ahead.
func (c *conn) WriteTo(to io.Writer) (int64, error) {
	if !c.is(through) {
		return io.Copy(to, struct{ io.Reader }{c})
	}
	n, err := to.Write(c.ahead())
	c.skip(n)
	if err != nil {
		return int64(n), err
	}
	more, err := c.Conn.WriteTo(to)
	return int64(n) + more, err
}

// awaitNextOrEnd waits until the client has gone, or a deadline passes. The client's next request
// stays where it is; nothing more can be learned then.
func (c *conn) awaitNextOrEnd() error {
	if len(c.ahead()) == 0 {
		if _, err := c.fill(); err != nil {
			return err
		}
	}
	return c.AwaitDeadline()
}

// chunks finds the end of a body in chunks (RFC 9112, 7.1), while net/http decodes it. The zero
// value is before the first byte. It is stricter than net/http about line ends only.
type chunks struct {
	state chunkState
	// left are the bytes of the chunk that remain, or, while that is read, its size.
	left int64
	// digits are those of the size that have come, line the bytes of a line.
	digits, line int
	over         bool
}

type chunkState uint8

const (
	inSize chunkState = iota
	inExtension
	inSizeEnd
	inData
	inDataCR
	inDataLF
	inTrailer
	inTrailerEnd
)

// maxDigits is how long the size of a chunk may be.
const maxDigits = 15

// follow looks at the next bytes, and returns how many of them belong to the body and are in
// order; fewer than were given at its end, and where it breaks the rules.
func (f *chunks) follow(piece []byte) int {
	for i := 0; i < len(piece); {
		if f.over {
			return i
		}
		if f.state == inData {
			n := min(f.left, int64(len(piece)-i))
			i += int(n)
			if f.left -= n; f.left == 0 {
				f.state = inDataCR
			}
			continue
		}
		if !f.step(piece[i]) {
			return i
		}
		i++
	}
	return len(piece)
}

// step follows one byte outside the data, and reports whether it may stand there.
func (f *chunks) step(b byte) bool {
	switch f.state {
	case inSize:
		return f.size(b)
	case inExtension:
		if b == '\r' {
			f.state = inSizeEnd
		}
		return b != '\n'
	case inDataCR:
		if b != '\r' {
			return false
		}
		f.state = inDataLF
		return true
	case inTrailer:
		if b == '\r' {
			f.state = inTrailerEnd
		} else {
			f.line++
		}
		return b != '\n'
	}
	return b == '\n' && f.endLine()
}

func (f *chunks) endLine() bool {
	switch f.state {
	case inSizeEnd:
		f.state, f.line, f.digits = inData, 0, 0
		if f.left == 0 {
			f.state = inTrailer
		}
	case inDataLF:
		f.state = inSize
	case inTrailerEnd:
		// The blank line ends the body.
		f.over = f.line == 0
		f.state, f.line = inTrailer, 0
	}
	return true
}

func (f *chunks) size(b byte) bool {
	digit := strings.IndexByte("0123456789abcdef", b|0x20)
	switch {
	case b >= '0' && digit >= 0 && f.digits < maxDigits:
		f.left = f.left<<4 | int64(digit)
		f.digits++
		return true
	case f.digits == 0:
		return false
	case b == '\r':
		f.state = inSizeEnd
		return true
	case b == ';' || isBlank(b):
		f.state = inExtension
		return true
	}
	return false
}
