package front

import (
	"strconv"
	"sync"
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

// sendOut sends what was gathered, and a piece after it, which goes along if it is not
// long.
func (r *response) sendOut(piece []byte) {
	out := r.buffer()
	for gathered := *out; r.err == nil && len(gathered)+len(piece) > 0; gathered = nil {
		first := piece[:min(len(piece), pieceSize)]
		r.err = r.x.conn.write(gathered, first, &r.sending)
		piece = piece[len(first):]
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
