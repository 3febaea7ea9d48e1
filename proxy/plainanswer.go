package proxy

import (
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strconv"

	"faas-docker/front"
	"faas-docker/grammar"
	"faas-docker/proxy/upstream"
)

// plainAnswer is the answer to a plain request, as the bytes that the client gets.
type plainAnswer struct {
	call *front.Call
	// method is the request's, and id and start say which call it is.
	method    string
	id, start []byte
	// code is the status that was given; zero while none was.
	code int
	// gathered are the bytes that are still to be sent.
	gathered []byte
	// trailers are the lines that follow a body in chunks.
	trailers []byte
	// chunked is set when the body goes out in chunks, closes when the connection ends with the
	// answer, and isCut when it ends within it.
	chunked, closes, isCut bool
}

// gatherSize is how much of an answer is kept to be sent together, in bytes.
const gatherSize = 4 << 10

func (a *plainAnswer) begin(method string, id, start []byte, closes bool) {
	if a.gathered == nil {
		a.gathered = make([]byte, 0, gatherSize)
	}
	*a = plainAnswer{call: a.call, method: method, id: id, start: start, gathered: a.gathered[:0], closes: closes}
}

func (a *plainAnswer) text(text string) { a.gathered = append(a.gathered, text...) }

// status begins a head.
func (a *plainAnswer) status(code int) {
	a.text("HTTP/1.1 ")
	a.gathered = append(strconv.AppendInt(a.gathered, int64(code), 10), ' ')
	if text := http.StatusText(code); text != "" {
		a.text(text)
	} else {
		a.text("status code ")
		a.gathered = strconv.AppendInt(a.gathered, int64(code), 10)
	}
	a.text("\r\n")
}

func (a *plainAnswer) field(key, value string) {
	a.gathered = append(append(append(append(a.gathered, key...), ": "...), value...), "\r\n"...)
}

// identity says which call it is.
func (a *plainAnswer) identity() {
	a.gathered = append(append(append(a.gathered, "X-Call-Id: "...), a.id...), "\r\nX-Start-Time: "...)
	a.gathered = append(append(a.gathered, a.start...), "\r\n"...)
}

// Begin writes the head of an answer whose body ends as framing says.
func (a *plainAnswer) Begin(h upstream.Head, framing upstream.Framing) {
	a.code = h.Code
	a.status(h.Code)
	dated := a.fields(&h)
	a.identity()
	if !dated {
		a.text(a.call.Date())
	}
	if a.chunked = framing == upstream.FramingChunked || framing == upstream.FramingClose; a.chunked {
		a.text("Transfer-Encoding: chunked\r\n")
	}
	a.connection(&h)
	a.text("\r\n")
}

// connection says what becomes of the connection.
func (a *plainAnswer) connection(h *upstream.Head) {
	if h.Code == http.StatusUpgradeRequired && h.Upgrade != "" {
		a.field("Connection", "Upgrade")
		a.field("Upgrade", h.Upgrade)
	}
	if a.closes = a.closes || a.call.IsLast(); a.closes {
		a.text("Connection: close\r\n")
	}
}

// fields writes what is for the client, and reports whether a date is among it.
func (a *plainAnswer) fields(h *upstream.Head) (dated bool) {
	var announced []string
	for _, f := range h.Fields {
		switch {
		case !passes(f.Key, h, a.method):
			continue
		case f.Key == "Trailer":
			announced = append(announced, f.Value)
			continue
		case f.Key == "Content-Length" && (h.Code < 200 || h.Code == http.StatusNoContent):
			continue
		case f.Key == "Date":
			dated = true
		}
		a.field(f.Key, f.Value)
	}
	if announced != nil {
		a.announce(h, announced)
	}
	return dated
}

// announce writes which trailers are to follow.
func (a *plainAnswer) announce(h *upstream.Head, lists []string) {
	header := http.Header{"Trailer": lists}
	for _, f := range h.Fields {
		if f.Key != "Trailer" {
			header[f.Key] = []string{f.Value}
		}
	}
	grammar.AnnounceTrailers(header)
	for _, list := range header["Trailer"] {
		a.field("Trailer", list)
	}
}

// Inform sends an interim answer.
func (a *plainAnswer) Inform(h upstream.Head) {
	a.status(h.Code)
	a.fields(&h)
	a.text("\r\n")
	_ = a.Flush() // a failure shows with the answer
}

// Write adds a piece of the body, in a chunk of its own or as it is.
func (a *plainAnswer) Write(piece []byte) error {
	if a.chunked {
		a.gathered = append(strconv.AppendInt(a.gathered, int64(len(piece)), 16), "\r\n"...)
	}
	var err error
	if len(a.gathered)+len(piece) <= gatherSize {
		a.gathered = append(a.gathered, piece...)
	} else {
		err = a.send(piece)
	}
	if a.chunked {
		a.text("\r\n")
	}
	return err
}

// Flush sends what was gathered.
func (a *plainAnswer) Flush() error {
	if len(a.gathered) == 0 {
		return nil
	}
	return a.send(nil)
}

func (a *plainAnswer) send(piece []byte) error {
	err := a.call.Write(a.gathered, piece)
	if a.gathered = a.gathered[:0]; cap(a.gathered) > 4*gatherSize {
		a.gathered = nil // a long head has made it grow
	}
	if err != nil {
		return fmt.Errorf("%w: %w", upstream.ErrClientGone, err)
	}
	return nil
}

// Switch is never called: no plain request asks for it.
func (a *plainAnswer) Switch(upstream.Head, *upstream.Conn, []byte) error {
	return upstream.ErrBadAnswer
}

// SetTrailers keeps what followed a body, but for what belongs into a head.
func (a *plainAnswer) SetTrailers(fields []upstream.Field) error {
	for _, f := range fields {
		if err := checkTrailer(f); err != nil {
			return err
		}
		if grammar.MayTrail(f.Key) {
			a.trailers = upstream.AppendField(a.trailers, f.Key, f.Value)
		}
	}
	return nil
}

func (a *plainAnswer) end() error {
	if a.chunked {
		a.text("0\r\n")
		a.gathered = append(append(a.gathered, a.trailers...), "\r\n"...)
	}
	return a.Flush()
}

// cut sends an answer that broke off as far as it has come.
func (a *plainAnswer) cut() {
	a.isCut = true
	_ = a.Flush()
}

// whole writes an answer of our own.
func (a *plainAnswer) whole(w *failedAnswer) {
	a.gathered = a.gathered[:0]
	a.status(w.code)
	for _, key := range slices.Sorted(maps.Keys(w.header)) {
		for _, value := range w.header[key] {
			a.gathered = upstream.AppendField(a.gathered, key, value)
		}
	}
	a.identity()
	a.field("Content-Length", strconv.Itoa(len(w.text)))
	a.text(a.call.Date())
	a.connection(&upstream.Head{})
	a.text("\r\n")
	if a.method != http.MethodHead {
		a.gathered = append(a.gathered, w.text...)
	}
	a.code = w.code
	_ = a.Flush()
}
