package proxy

import (
	"fmt"
	"math"
	"net/http"
	"strconv"
	"strings"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

// waitingWriter is a link as its framer sees it: what is written waits.
type waitingWriter link

func (w *waitingWriter) Write(frame []byte) (int, error) {
	w.waiting = append(w.waiting, frame...)
	return len(frame), nil
}

// writing makes sure that what has just been written to the framer goes out. The
// framer fails only when we break HTTP/2's rules.
func (l *link) writing(err error) {
	if err != nil {
		l.end(fmt.Errorf("%w: %w", errDied, err))
		return
	}
	notify(l.ready)
}

// send writes what waits, until the link ends.
func (l *link) send() {
	for {
		select {
		case <-l.ready:
		case <-l.closed:
			return
		}
		// Callers that can go on get to write first: one write for many of them is
		// worth the moment.
		l.turns.GiveWay()
		batch := l.nextBatch()
		if len(batch) == 0 {
			continue
		}
		_ = l.tcp.SetWriteDeadline(time.Now().Add(sendTimeout))
		if _, err := l.tcp.Write(batch); err != nil {
			l.fail(fmt.Errorf("%w: %w", errDied, err))
			return
		}
	}
}

// nextBatch takes what waits. It is valid until the next call.
func (l *link) nextBatch() []byte {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.waiting, l.spare = l.spare[:0], l.waiting
	l.batch++
	l.unblock()
	return l.spare
}

// unblock lets those try again who could not send.
func (l *link) unblock() {
	for i, s := range l.blocked {
		notify(s.writable)
		l.blocked[i] = nil
	}
	l.blocked = l.blocked[:0]
}

// encodeHead puts the head of a request into the block.
func (l *link) encodeHead(out *outgoing) error {
	if l.peer.head < math.MaxUint32 && out.headSize() > l.peer.head {
		return fmt.Errorf("%w: it takes %d bytes", errLargeHead, l.peer.head)
	}
	l.block.Reset()
	l.encode(":method", out.r.Method)
	l.encode(":scheme", "http")
	l.encode(":authority", out.r.Host)
	l.encode(":path", out.rootedPath())
	out.each(l.encodeField)
	for _, key := range out.announced {
		l.encodeField("Trailer", key)
	}
	if out.r.ContentLength > 0 || out.r.ContentLength == 0 && out.saysEmpty() {
		l.encode("content-length", strconv.FormatInt(out.r.ContentLength, 10))
	}
	return nil
}

// headSize is how large HTTP/2 says that the head is (RFC 9113, 10.5.1).
func (o *outgoing) headSize() uint64 {
	const perField = 32
	size := len(o.r.Method) + len(o.r.Host) + len(o.rootedPath()) + 5*perField + len(":method:schemehttp:authority:pathcontent-length") + maxLength
	o.each(func(key, value string) { size += len(key) + len(value) + perField })
	for _, key := range o.announced {
		size += len("trailer") + len(key) + perField
	}
	return uint64(size)
}

// maxLength is how many digits a Content-Length may have.
const maxLength = len("9223372036854775807")

// encodeTrailer puts a request's trailers into the block, and reports whether
// there are any.
func (l *link) encodeTrailer(trailer http.Header) bool {
	l.block.Reset()
	for key, values := range trailer {
		for _, value := range values {
			if !isOurs(key) {
				l.encodeField(key, value)
			}
		}
	}
	return l.block.Len() > 0
}

func (l *link) encodeField(key, value string) { l.encode(l.lowered(key), oneLine(value)) }

// encode adds a field to the block. What differs with every call, and what is
// secret, is kept out of the table of fields that both sides remember.
func (l *link) encode(name, value string) {
	f := hpack.HeaderField{Name: name, Value: value}
	switch name {
	case "x-call-id", "x-start-time", "grpc-timeout", "content-length", "authorization", "cookie":
		f.Sensitive = true
	}
	// Its writer is a buffer, which takes everything.
	_ = l.encoder.WriteField(f)
}

// lowered is the spelling of a name that HTTP/2 wants.
func (l *link) lowered(key string) string {
	if known, ok := l.lower[key]; ok {
		return known
	}
	name := strings.ToLower(key)
	if len(l.lower) < maxNames {
		l.lower[key] = name
	}
	return name
}

// writeBlock sends the block as a head, or as trailers.
func (l *link) writeBlock(id uint32, last bool) {
	block := l.block.Bytes()
	first := block[:min(len(block), l.peer.frame)]
	block = block[len(first):]
	l.writing(l.framer.WriteHeaders(http2.HeadersFrameParam{StreamID: id, BlockFragment: first, EndStream: last, EndHeaders: len(block) == 0}))
	for len(block) > 0 {
		next := block[:min(len(block), l.peer.frame)]
		block = block[len(next):]
		l.writing(l.framer.WriteContinuation(id, len(block) == 0, next))
	}
}
