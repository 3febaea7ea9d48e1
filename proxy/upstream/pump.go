package upstream

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"sync/atomic"
	"time"

	"faas-docker/function/clock"
	"faas-docker/policy"
)

// The space in a buffer for the framing of a chunk, before it and behind it.
const (
	chunkFront = len("ffffffff\r\n")
	chunkBack  = len("\r\n0\r\n\r\n")
)

// pump sends a request's body to the function while its answer is read. Where the answer is complete
// before the body it outlives the exchange until the next byte, or the end of the client's connection.
type pump struct {
	incoming *http.Request
	body     io.Reader
	conn     *Conn
	buffers  *Buffers
	// limit is the time the function has to answer after each piece.
	limit   time.Duration
	chunked bool
	// left is how much of the body is to come where it is not chunked, in bytes.
	left int64

	// passing is set while a piece waits for the function to take it, and ended
	// when all of the body has been read.
	passing, ended atomic.Bool
	// stopped asks the pump to end.
	stopped atomic.Bool
	// failure is why the body could not be read; nil while it could.
	failure atomic.Pointer[error]
	// done is closed at the end; whole is set before when the function was sent all.
	done  chan struct{}
	whole bool
}

func newPump(x *exchange) *pump {
	return &pump{incoming: x.out.Incoming, body: x.out.Body, conn: x.conn, buffers: &x.pool.all.Buffers,
		limit: x.out.HeadTimeout, chunked: x.out.chunked, left: x.out.HTTP.ContentLength, done: make(chan struct{})}
}

func (p *pump) run() {
	defer close(p.done)
	buffer := p.buffers.Get()
	defer p.buffers.Put(buffer)
	space := (*buffer)[chunkFront : len(*buffer)-chunkBack]
	for {
		n, err := p.read(space)
		if p.stopped.Load() {
			return
		}
		if err != nil && err != io.EOF {
			p.fail(err)
			return
		}
		last := err == io.EOF
		p.ended.Store(last)
		p.passing.Store(true)
		if p.write(*buffer, n, last) != nil {
			// The function takes no more. It may have answered already, and say why.
			return
		}
		p.passing.Store(false)
		p.conn.extend(p.limit)
		if last {
			p.whole = true
			return
		}
	}
}

// read reads the next piece of the body. One that is longer or shorter than the head has said is
// an error: the function would take the rest, or the next request, for what they are not.
func (p *pump) read(space []byte) (int, error) {
	n, err := readBody(p.body, space)
	p.left -= int64(n)
	switch {
	case p.chunked:
	case p.left < 0:
		return 0, errLongBody
	case err == io.EOF && p.left > 0:
		return 0, io.ErrUnexpectedEOF
	}
	return n, err
}

var errLongBody = errors.New("the body is longer than its Content-Length")

// write sends n bytes that lie in the buffer behind chunkFront, with the framing they need.
func (p *pump) write(buffer []byte, n int, last bool) error {
	piece := buffer[chunkFront : chunkFront+n]
	if p.chunked {
		piece = frame(buffer, n)
		if last {
			piece = p.appendEnd(piece)
		}
	}
	if len(piece) == 0 {
		return nil
	}
	_, err := p.conn.Write(piece)
	return err
}

// frame puts the length of a chunk before it and the end of the line behind it.
func frame(buffer []byte, n int) []byte {
	if n == 0 {
		return buffer[:0]
	}
	var digits [chunkFront]byte
	size := append(strconv.AppendInt(digits[:0], int64(n), 16), "\r\n"...)
	start := chunkFront - len(size)
	copy(buffer[start:], size)
	return append(buffer[start:chunkFront+n], "\r\n"...)
}

// appendEnd writes the last chunk and the trailers. These are only known when the body has been read.
func (p *pump) appendEnd(b []byte) []byte {
	b = append(b, "0\r\n"...)
	for key, values := range p.incoming.Trailer {
		for _, value := range values {
			if !isOurs(key) {
				b = AppendField(b, key, value)
			}
		}
	}
	return append(b, "\r\n"...)
}

// fail notes why the body could not be read and ends the exchange.
func (p *pump) fail(err error) {
	err = ExplainBody(p.incoming.Context(), p.incoming, err)
	p.failure.Store(&err)
	p.conn.Close()
}

// goneTime is how much later than its body the context of a request may end whose client goes away
// over HTTP/2: net/http's server may have to wait for a processor in between.
const goneTime = 100 * time.Millisecond

// ExplainBody tells why a request's body could not be read.
func ExplainBody(ctx context.Context, r *http.Request, err error) error {
	broken, isNet := errors.AsType[net.Error](err)
	_, tooLarge := errors.AsType[*http.MaxBytesError](err)
	switch {
	case errors.Is(err, policy.ErrBodyGone), errors.Is(err, ErrPanicked), errors.Is(err, ErrClientGone):
		return err
	case tooLarge:
		return fmt.Errorf("%w: %w", ErrLargeBody, err)
	case ctx.Err() != nil, errors.Is(err, context.Canceled):
		return fmt.Errorf("%w: %w", ErrClientGone, err)
	case isNet && broken.Timeout():
		return fmt.Errorf("%w: %w", ErrSlowClient, err)
	case isNet:
		return fmt.Errorf("%w: %w", ErrClientGone, err)
	case errors.Is(err, io.ErrUnexpectedEOF):
		return fmt.Errorf("%w: %w", ErrShortBody, err)
	case r.ProtoMajor == 2 && clock.Sleep(ctx, goneTime) != nil:
		return fmt.Errorf("%w: %w", ErrClientGone, err)
	}
	return fmt.Errorf("%w: %w", ErrBadBody, err)
}
