package front

import (
	"errors"
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"golang.org/x/net/http/httpguts"
)

const (
	// bufferSize is what an answer is gathered in; what is longer goes out in pieces.
	bufferSize = 4 << 10
	// guessSize is how much of a body of unknown length is held back: one that ends
	// before gets a length, a longer one comes in chunks. It is net/http's.
	guessSize = 2 << 10
)

// buffers lends what answers are gathered in. The zero value is ready for use.
type buffers struct{ pool sync.Pool }

func (b *buffers) get() *[]byte {
	if lent, ok := b.pool.Get().(*[]byte); ok {
		return lent
	}
	fresh := make([]byte, 0, bufferSize)
	return &fresh
}

func (b *buffers) put(lent *[]byte) {
	*lent = (*lent)[:0]
	b.pool.Put(lent)
}

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

// begin writes the head, but for what depends on the body.
func (r *response) begin(code int) {
	r.code = code
	header := r.Header()
	coding, length := header["Transfer-Encoding"], header["Content-Length"]
	_, typed := header["Content-Type"]
	r.guess = !typed && len(coding) == 0 && len(header["Content-Encoding"]) == 0 && allowsBody(code)
	r.closes = r.closes || r.expects && !r.asked || r.x.body.broken.Load() || r.x.conn.server.stopping.Load() || httpguts.HeaderValuesContainsToken(header["Connection"], "close")
	r.declared = parseLength(length)
	if len(coding) > 0 && r.hasBody() {
		r.declared, r.chunked = -1, true
	}
	r.appendStatus(code)
	r.appendFields()
	r.open = true
	if !r.guess && (r.chunked || r.declared >= 0 || !allowsBody(code)) {
		r.commit(nil)
	}
}

// parseLength returns -1 for what is no length.
func parseLength(values []string) int64 {
	if len(values) != 1 {
		return -1
	}
	length, err := strconv.ParseUint(values[0], 10, 63)
	if err != nil {
		return -1
	}
	return int64(length)
}

// hasBody reports whether bytes of a body go over the wire.
func (r *response) hasBody() bool { return !r.head && allowsBody(r.code) }

// allowsBody is RFC 9110's rule (6.4.1).
func allowsBody(code int) bool {
	return code >= 200 && code != http.StatusNoContent && code != http.StatusNotModified
}

func (r *response) appendStatus(code int) {
	text := http.StatusText(code)
	if text == "" {
		text = "status code " + strconv.Itoa(code)
	}
	out := r.buffer()
	*out = strconv.AppendInt(append(*out, "HTTP/1.1 "...), int64(code), 10)
	r.appendText(" ")
	r.appendText(text)
	r.appendText("\r\n")
}

// appendFields writes what the handler has set, and what every answer has.
func (r *response) appendFields() {
	trailers := listed(r.header["Trailer"])
	for _, key := range r.keys() {
		if !r.isSuppressed(key) && !slices.Contains(trailers, key) {
			r.appendField(key)
		}
	}
	if _, dated := r.header["Date"]; !dated {
		r.appendText(r.x.conn.server.dateField())
	}
	if r.closes && !httpguts.HeaderValuesContainsToken(r.header["Connection"], "close") {
		r.appendText("Connection: close\r\n")
	}
}

// keys are the names of the fields in the order in which they are written; they are
// valid until the next call.
func (r *response) keys() []string {
	keys := r.names[:0]
	for key := range r.header {
		if !strings.HasPrefix(key, http.TrailerPrefix) {
			keys = append(keys, key)
		}
	}
	slices.Sort(keys)
	return keys
}

// isSuppressed reports whether a field is left out of this answer: framing is
// written later, and what has no body has no framing.
func (r *response) isSuppressed(key string) bool {
	switch key {
	case "Transfer-Encoding":
		return true
	case "Content-Length":
		return r.declared < 0 || !allowsBody(r.code)
	case "Content-Type":
		return r.code == http.StatusNotModified
	}
	return false
}

func (r *response) appendField(key string) {
	if !httpguts.ValidHeaderFieldName(key) {
		return
	}
	for _, value := range r.header[key] {
		r.appendText(key)
		r.appendText(": ")
		r.appendText(oneLine(value))
		r.appendText("\r\n")
	}
}

// oneLine keeps a value from being more than one.
func oneLine(value string) string {
	if strings.ContainsAny(value, "\r\n") {
		value = strings.NewReplacer("\r", " ", "\n", " ").Replace(value)
	}
	return trimBlanks(value)
}

// commit ends the head. first is the beginning of the body, by which its type is
// guessed.
func (r *response) commit(first []byte) {
	r.open = false
	if r.guess && len(first) > 0 {
		r.appendText("Content-Type: " + http.DetectContentType(first) + "\r\n")
	}
	if r.declared < 0 && r.hasBody() {
		r.chunked = true
	}
	if r.chunked {
		r.appendText("Transfer-Encoding: chunked\r\n")
	}
	r.appendText("\r\n")
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

// hold keeps the beginning of a body of unknown length, if that is short.
func (r *response) hold(piece []byte) bool {
	if r.written > guessSize {
		return false
	}
	if r.held == nil {
		r.held = r.x.conn.server.buffers.get()
	}
	*r.held = append(*r.held, piece...)
	return true
}

// decide ends the head if it is open, and sends what was held back.
func (r *response) decide(piece []byte) {
	if !r.open {
		return
	}
	held := r.takeHeld()
	if held == nil {
		r.commit(piece)
		return
	}
	r.commit(*held)
	if !r.head {
		r.appendPiece(*held)
	}
	r.x.conn.server.buffers.put(held)
}

func (r *response) takeHeld() *[]byte {
	held := r.held
	r.held = nil
	return held
}

// appendPiece adds a piece of the body with its framing.
func (r *response) appendPiece(piece []byte) {
	if len(piece) == 0 {
		return
	}
	if r.chunked {
		out := r.buffer()
		*out = append(strconv.AppendInt(*out, int64(len(piece)), 16), "\r\n"...)
	}
	if out := r.buffer(); len(*out)+len(piece) <= cap(*out) {
		*out = append(*out, piece...)
	} else {
		r.sendOut(piece)
	}
	if r.chunked {
		r.appendText("\r\n")
	}
}

func (r *response) buffer() *[]byte {
	if r.out == nil {
		r.out = r.x.conn.server.buffers.get()
	}
	return r.out
}

func (r *response) appendText(text string) {
	out := r.buffer()
	*out = append(*out, text...)
}

// sendOut sends what was gathered, and a piece after it, in one go.
func (r *response) sendOut(piece []byte) {
	out := r.buffer()
	if r.err == nil && len(piece) == 0 && len(*out) > 0 {
		_, r.err = r.x.conn.tcp.Write(*out)
	} else if r.err == nil && len(piece) > 0 {
		r.sending = [2][]byte{*out, piece}
		both := net.Buffers(r.sending[:])
		_, r.err = both.WriteTo(r.x.conn.tcp)
	}
	if r.err != nil {
		r.x.context.end()
	}
	if cap(*out) > bufferSize {
		// A long head has made it grow.
		r.out = nil
		return
	}
	*out = (*out)[:0]
}

// send sends what the handler has given so far, if that has begun.
func (r *response) send() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.code != 0 {
		r.decide(nil)
		r.sendOut(nil)
	}
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
	r.x.conn.timed.Store(true)
	return r.x.conn.tcp.SetReadDeadline(at)
}

// SetWriteDeadline bounds the writing of the answer.
func (r *response) SetWriteDeadline(at time.Time) error {
	r.x.conn.timed.Store(true)
	return r.x.conn.tcp.SetWriteDeadline(at)
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

// appendTrailers ends a body in chunks.
func (r *response) appendTrailers() {
	r.appendText("0\r\n")
	for _, name := range listed(r.header["Trailer"]) {
		r.appendField(name)
	}
	for key, values := range r.header {
		name, found := strings.CutPrefix(key, http.TrailerPrefix)
		if !found || !httpguts.ValidTrailerHeader(name) {
			continue
		}
		for _, value := range values {
			r.appendText(name + ": " + oneLine(value) + "\r\n")
		}
	}
	r.appendText("\r\n")
}

// release gives the buffers back without sending what is in them.
func (r *response) release() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.free()
}

func (r *response) free() {
	if held := r.takeHeld(); held != nil {
		r.x.conn.server.buffers.put(held)
	}
	if r.out != nil {
		r.x.conn.server.buffers.put(r.out)
		r.out = nil
	}
	r.err = errAnswered
}
