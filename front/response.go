package front

import (
	"errors"
	"net/http"
	"strconv"
	"sync"
	"time"
)

const (
	// bufferSize is what an answer is gathered in; what is longer goes out in pieces.
	bufferSize = 4 << 10
	// guessSize is how much of a body of unknown length is held back: one that ends
	// before gets a length, a longer one comes in chunks. It is net/http's.
	guessSize = 2 << 10
)

// response is the answer to one request. It frames as net/http does: as the handler
// says, else with a length when the body is short, and else in chunks. Unlike that,
// it may be used by more than one goroutine at a time.
type response struct {
	x *exchange
	// head is set for a request that wants no body, expects for one whose client waits
	// to be asked for its own.
	head, expects bool

	// mu protects the fields below.
	mu     sync.Mutex
	header http.Header
	// code is the status that was given; zero while none was.
	code int
	// asked is set when the client has been asked for the body.
	asked bool
	// open is set while the head lacks its framing and its end, and guess while its
	// type is to be guessed from the body.
	open, guess bool
	// declared is the length that the handler has announced; -1 for none. written
	// counts what it gave.
	declared, written int64
	// chunked is set when the body goes out in chunks.
	chunked bool
	// closes is set when the connection ends with the answer.
	closes bool
	// out is what is to be sent; nil while nothing is. held is the beginning of a
	// body of unknown length.
	out, held *[]byte
	// names is what keys returns, unless there are more.
	names [12]string
	// sending is used by one send at a time; it is here to cost nothing.
	sending [2][]byte
	// err is why the client cannot be written to; in the end, errAnswered.
	err error
}

// errAnswered is for handlers that write when they have returned.
var errAnswered = errors.New("front: the request has been answered")

// Header is what is sent with the status, and the trailers.
func (r *response) Header() http.Header {
	if r.header == nil {
		r.header = make(http.Header)
	}
	return r.header
}

// HasBegun reports whether the answer has a status.
func (r *response) HasBegun() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.code != 0
}

// Reuse says that nobody looks at the request, its body, this writer, or anything else that
// came with them, once the handler has returned: another request may have their memory then. It is
// for the goroutine of the handler, and does nothing unless the request is the very one
// that came with the writer.
func (r *response) Reuse(request *http.Request) { r.x.reusable = request == &r.x.request }

// WriteHeader gives the status. One below 200 is sent at once, and others can follow.
func (r *response) WriteHeader(code int) {
	if code < 100 || code > 999 {
		panic("front: status code " + strconv.Itoa(code))
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	switch {
	case r.err != nil:
	case r.code != 0:
		r.x.conn.logf("http: superfluous WriteHeader call: %d after %d", code, r.code)
	case code < 200 && code != http.StatusSwitchingProtocols:
		r.inform(code)
	default:
		r.begin(code)
	}
}

// inform sends an interim answer.
func (r *response) inform(code int) {
	r.asked = r.asked || code == http.StatusContinue
	r.appendStatus(code)
	for _, key := range r.keys() {
		if key != "Content-Length" && key != "Transfer-Encoding" {
			r.appendField(key)
		}
	}
	r.appendText("\r\n")
	r.sendOut(nil)
}

// ask asks the client for the body, unless it has been answered.
func (r *response) ask() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.err != nil || r.code != 0 || r.asked {
		return r.err
	}
	r.asked = true
	r.appendText("HTTP/1.1 100 Continue\r\n\r\n")
	r.sendOut(nil)
	return r.err
}

// Write sends a piece of the body, or keeps it until more has come.
func (r *response) Write(piece []byte) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.err != nil {
		return 0, r.err
	}
	if r.code == 0 {
		r.begin(http.StatusOK)
	}
	switch {
	case len(piece) == 0:
		return 0, nil
	case !allowsBody(r.code):
		return 0, http.ErrBodyNotAllowed
	case r.declared >= 0 && r.written+int64(len(piece)) > r.declared:
		return 0, http.ErrContentLength
	}
	r.written += int64(len(piece))
	if r.open && r.declared < 0 && r.hold(piece) {
		return len(piece), r.err
	}
	r.decide(piece)
	if !r.head {
		r.appendPiece(piece)
	}
	if r.err != nil {
		return 0, r.err
	}
	return len(piece), nil
}

// FlushError sends everything; it serves http.ResponseController.
func (r *response) FlushError() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.err != nil {
		return r.err
	}
	if r.code == 0 {
		r.begin(http.StatusOK)
	}
	r.decide(nil)
	r.sendOut(nil)
	return r.err
}

// Flush implements http.Flusher.
func (r *response) Flush() { _ = r.FlushError() }

// SetReadDeadline bounds the reading of the request, until it has been answered.
func (r *response) SetReadDeadline(at time.Time) error {
	return r.x.setDeadline(r.x.conn.tcp.SetReadDeadline, at)
}

// SetWriteDeadline bounds the writing of the answer. It may be called from any goroutine,
// also beside a write; when the request has been answered it does nothing, and says so.
func (r *response) SetWriteDeadline(at time.Time) error {
	return r.x.setDeadline(r.x.conn.tcp.SetWriteDeadline, at)
}

// EnableFullDuplex has nothing to do: a request can always be read while it is
// answered.
func (r *response) EnableFullDuplex() error { return nil }

// finish completes the answer, sends what is left of it, and reports whether the
// connection ends with it.
func (r *response) finish() (closes bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.code == 0 {
		r.begin(http.StatusOK)
	}
	if r.open && r.declared < 0 && len(r.header["Trailer"])+len(r.header["Transfer-Encoding"]) == 0 && (!r.head || r.written > 0) {
		// All of the body is here. One to HEAD has a length, but stays here.
		r.declared = r.written
		out := r.buffer()
		*out = append(strconv.AppendInt(append(*out, "Content-Length: "...), r.written, 10), "\r\n"...)
	}
	r.decide(nil)
	if r.chunked {
		r.appendTrailers()
	}
	r.sendOut(nil)
	closes = r.closes || r.err != nil || r.hasBody() && r.declared > r.written
	r.free()
	return closes
}

// release gives the buffers back without sending what is in them.
func (r *response) release() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.free()
}
