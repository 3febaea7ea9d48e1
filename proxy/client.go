package proxy

import (
	"fmt"
	"io"
	"net/http"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/google/uuid"

	"faas-docker/grammar"
	"faas-docker/proxy/upstream"
)

// lingerTime is how long a client that was refused has to read why.
const lingerTime = time.Second

// client is the side of a call that faces the client: its request, and the answer to it.
type client struct {
	w http.ResponseWriter
	// incoming is the request as the server gave it; r may be a copy, and be bound to a deadline.
	r, incoming *http.Request
	// body is what the client sends, perhaps limited.
	body io.ReadCloser
	// announced are the trailers that are to follow it. Whoever reads the body adds
	// their values to the request at its end, when another try may be about to begin.
	announced []string
	// id and start are what X-Call-Id and X-Start-Time say, to both sides.
	id, start string
	// upload is the body of the request; nil before it is wanted.
	upload *upload
	// out is the body of the answer on its way.
	out delivery
	// code is the status that was sent; zero while none was.
	code int
	// asked is set when a client that waits for that was asked for the body.
	asked bool
	// dismissed is set when the client's connection ends with this call.
	dismissed bool
}

// identify gives the call its number and its time, and tells the client both.
func (c *client) identify(began time.Time) {
	if given := c.r.Header["X-Call-Id"]; len(given) > 0 && grammar.IsCallID(given[0]) {
		c.id = given[0]
	} else {
		c.id = uuid.NewString()
	}
	c.start = string(appendStart(nil, began))
	header, values := c.w.Header(), []string{c.id, c.start}
	header["X-Call-Id"] = values[0:1:1]
	header["X-Start-Time"] = values[1:2:2]
}

// appendStart words when a call began, for X-Start-Time.
func appendStart(b []byte, began time.Time) []byte { return strconv.AppendInt(b, began.UnixNano(), 10) }

// stripped is a request without what its client meant for its own connection: fields that are set
// later are not the client's to remove. It is the same one where the server has seen to that.
func stripped(r *http.Request) *http.Request {
	if grammar.IsStripped(r.Header) {
		return r
	}
	own := r.WithContext(r.Context())
	own.Header = r.Header.Clone()
	grammar.StripConnection(own.Header)
	return own
}

// take takes the request as it is now.
func (c *client) take() {
	c.body = c.r.Body
	if c.r.ContentLength < 0 || c.r.ProtoMajor == 2 && c.r.ContentLength > 0 {
		c.body = grammar.CheckedBody(c.r.Body, c.checkTrailer)
	}
	for name := range c.r.Trailer {
		c.announced = append(c.announced, name)
	}
}

// checkTrailer refuses a request by the trailers that came with the end of its body.
func (c *client) checkTrailer() error {
	if key := grammar.BadTrailer(c.incoming.Trailer); key != "" {
		return fmt.Errorf("%w: trailer %.80q", upstream.ErrBadBody, key)
	}
	return nil
}

// sendBody lets the body of the request be sent behind its head, and the answer begin before
// the body has ended.
func (c *client) sendBody(mayInterrupt bool) *upload {
	c.upload = &upload{Reader: c.body}
	if mayInterrupt {
		c.upload.from = c
	}
	// Not every writer can; one that cannot answers when the body has been read.
	_ = http.NewResponseController(c.w).EnableFullDuplex()
	return c.upload
}

// interrupt ends a read of the request's body. In HTTP/1 the server takes the client for gone then.
func (c *client) interrupt() { _ = http.NewResponseController(c.w).SetReadDeadline(time.Now()) }

// isInterrupted reports whether we ended the reading of the request, and not the client.
func (c *client) isInterrupted() bool { return c.upload != nil && c.upload.IsInterrupted() }

// isUnread reports whether the client may still be sending its request.
func (c *client) isUnread() bool {
	return c.r.ContentLength != 0 && (c.upload == nil || !c.upload.over.Load())
}

// begin sends the status and the header. Nothing waits for what the client is still sending.
func (c *client) begin(code int) {
	if c.isUnread() {
		c.dismiss()
	}
	c.code = code
	c.w.WriteHeader(code)
}

// cut ends the client's connection, or its stream, so that the answer cannot be taken for a whole one.
// A client of HTTP/1.0 may wait for the end of the connection: there it has to be a reset.
func (c *client) cut() {
	if !c.r.ProtoAtLeast(1, 1) {
		if conn, _, err := http.NewResponseController(c.w).Hijack(); err == nil {
			if abrupt, ok := conn.(interface{ SetLinger(seconds int) error }); ok {
				_ = abrupt.SetLinger(0)
			}
			conn.Close()
		}
	}
	panic(http.ErrAbortHandler)
}

// dismiss lets go of a client that may still be sending: it gets the answer at once, and then its
// connection ends. In HTTP/1 what is left of a request could else be taken for the next one.
func (c *client) dismiss() {
	if c.r.ProtoMajor == 1 {
		c.dismissed = true
		c.w.Header()["Connection"] = []string{"close"}
	}
}

// linger gives a client that was dismissed a moment to read the answer. The
// server then reads what is left of the request, within the same moment.
func (c *client) linger() {
	control := http.NewResponseController(c.w)
	if control.Flush() != nil || control.SetReadDeadline(time.Now().Add(lingerTime)) != nil {
		return
	}
	if c.upload != nil {
		c.upload.retire()
	}
}

// upload is the body of a request on its way to the function. Closing it does not close what it reads
// from: before anything was read, that may be needed for another try.
type upload struct {
	io.Reader
	// begun is set when something was read, or was to be, over when all was, and interrupted
	// when we ended the reading, not the client.
	begun, over, interrupted atomic.Bool
	// reading is held during a read; it protects retired.
	reading sync.Mutex
	retired bool
	// mu protects the fields below.
	mu sync.Mutex
	// ended is called at the end, once; nil means that nothing is.
	ended func()
	// from is the client whose reads are interrupted; nil means that none is, or not any more.
	from *client
}

var _ upstream.Body = (*upload)(nil)

func (b *upload) Read(p []byte) (int, error) {
	b.begun.Store(true)
	n, err := b.read(p)
	if err == nil {
		return n, nil
	}
	b.over.Store(err == io.EOF)
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.ended != nil {
		b.ended()
		b.ended = nil
	}
	return n, err
}

func (b *upload) read(p []byte) (int, error) {
	b.reading.Lock()
	defer b.reading.Unlock()
	if b.retired {
		return 0, upstream.ErrClientGone
	}
	return b.Reader.Read(p)
}

// retire ends the reading. It waits for the present read, which the client's connection must bound.
func (b *upload) retire() {
	b.reading.Lock()
	defer b.reading.Unlock()
	b.retired = true
}

// Interrupt ends a read that is under way: the function wants no more, or has died,
// and whoever sends the body waits for that read before it says so.
func (b *upload) Interrupt() {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.from != nil && b.begun.Load() && !b.over.Load() {
		b.interrupted.Store(true)
		b.from.interrupt()
	}
}

func (b *upload) IsInterrupted() bool { return b.interrupted.Load() }

// Close is Interrupt, for transports of net/http.
func (b *upload) Close() error {
	b.Interrupt()
	return nil
}

// release keeps the body from touching the client's connection: its call is over.
func (b *upload) release() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.from = nil
}

// forget keeps the body from telling its end.
func (b *upload) forget() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.ended = nil
}

// keptBody is a body that policies keep to send it again. They end its reading.
type keptBody struct{ io.Reader }

var _ upstream.Body = keptBody{}

func (keptBody) Interrupt() {}

func (keptBody) IsInterrupted() bool { return false }
