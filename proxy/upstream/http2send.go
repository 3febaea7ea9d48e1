package upstream

import (
	"bytes"
	"fmt"
	"math"
	"net/http"
	"strconv"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"

	"faas-docker/grammar"
)

// send writes what waits, until the link ends.
func (l *link) send() {
	for {
		select {
		case <-l.out.ready:
		case <-l.closed:
			return
		}
		// Callers that can go on get to write first: one write for many of them is worth the moment.
		l.batching.Gather()
		l.mu.Lock()
		batch := l.out.nextBatch()
		l.mu.Unlock()
		if len(batch) == 0 {
			continue
		}
		_ = l.tcp.SetWriteDeadline(time.Now().Add(sendTimeout))
		if _, err := l.tcp.Write(batch); err != nil {
			l.fail(fmt.Errorf("%w: %w", ErrDied, err))
			return
		}
	}
}

// outbox is what is to be written to a link. The link's mu protects it.
type outbox struct {
	// framer writes to waiting: the frames that are to be written next.
	framer  *http2.Framer
	waiting []byte
	// batch numbers what waits from 1; spare is the buffer that was written last.
	batch uint64
	spare []byte
	tails tails
	// blocked are the streams that wait until they may send.
	blocked []*stream
	// window is what the function takes on this connection, and peer what it has said of itself.
	window int64
	peer   peerSettings
	// ready says that frames wait to be written, and fail that we have broken HTTP/2's rules.
	ready chan struct{}
	fail  func(error)

	encoder *hpack.Encoder
	block   bytes.Buffer
	// lower are the spellings of names that were written.
	lower spellings
}

// setUp makes an outbox that is as HTTP/2 begins.
func (o *outbox) setUp(fail func(error)) {
	*o = outbox{
		batch: 1, window: http2DefaultWindow, ready: make(chan struct{}, 1), fail: fail, lower: spellings{},
		peer: peerSettings{streams: math.MaxUint32, window: http2DefaultWindow, frame: MaxFrame, head: math.MaxUint64},
	}
	o.framer = http2.NewFramer((*waitingWriter)(o), nil)
	o.encoder = hpack.NewEncoder(&o.block)
}

// waitingWriter is an outbox as its framer sees it: what is written waits.
type waitingWriter outbox

func (w *waitingWriter) Write(frame []byte) (int, error) {
	w.waiting = append(w.waiting, frame...)
	return len(frame), nil
}

// writing makes sure that what has just been written to the framer goes out. The
// framer fails only when we break HTTP/2's rules.
func (o *outbox) writing(err error) {
	if err != nil {
		o.fail(fmt.Errorf("%w: %w", ErrDied, err))
		return
	}
	notify(o.ready)
}

// reply sends what the function makes us say, unless it does not listen.
func (o *outbox) reply(err error) error {
	if len(o.waiting) > maxReplies {
		return http2.ConnectionError(http2.ErrCodeEnhanceYourCalm)
	}
	o.writing(err)
	return nil
}

// nextBatch takes what waits. It is valid until the next call.
func (o *outbox) nextBatch() []byte {
	o.writeTails()
	o.waiting, o.spare = o.spare[:0], o.waiting
	o.batch++
	o.unblock()
	return o.spare
}

// unblock lets those try again who could not send.
func (o *outbox) unblock() {
	for i, s := range o.blocked {
		notify(s.writable)
		s.isBlocked, o.blocked[i] = false, nil
	}
	o.blocked = o.blocked[:0]
}

// encodeHead puts the head of a request into the block.
func (o *outbox) encodeHead(out *outgoing) error {
	if o.peer.head < math.MaxUint32 && out.headSize() > o.peer.head {
		return fmt.Errorf("%w: it takes %d bytes", ErrLargeHead, o.peer.head)
	}
	// What has been encoded has to be sent: the function remembers it.
	out.each(func(string, string) {})
	if err := out.check(); err != nil {
		return err
	}
	o.block.Reset()
	o.encode(":method", out.HTTP.Method)
	o.encode(":scheme", "http")
	o.encode(":authority", out.HTTP.Host)
	o.encode(":path", out.RootedPath())
	out.each(func(key, value string) { o.encode(o.lowered(key), value) })
	for _, key := range out.Announced {
		o.encodeField("Trailer", key)
	}
	if out.HTTP.ContentLength > 0 || out.HTTP.ContentLength == 0 && out.saysEmpty() {
		o.encode("content-length", strconv.FormatInt(out.HTTP.ContentLength, 10))
	}
	return nil
}

// headSize is how large HTTP/2 says that the head is (RFC 9113, 10.5.1).
func (o *outgoing) headSize() uint64 {
	size := len(o.HTTP.Method) + len(o.HTTP.Host) + len(o.RootedPath()) + 5*perField + len(":method:schemehttp:authority:pathcontent-length") + maxLength
	o.each(func(key, value string) { size += len(key) + len(value) + perField })
	for _, key := range o.Announced {
		size += len("trailer") + len(key) + perField
	}
	return uint64(size)
}

// tails are the streams that keep a piece of body, and how many bytes all of these have.
type tails struct {
	streams []*stream
	size    int
}

func (o *outbox) writeTails() {
	for i, s := range o.tails.streams {
		s.writeTail(false)
		o.tails.streams[i] = nil
	}
	o.tails.streams = o.tails.streams[:0]
}

// unwritten is how many bytes wait to be written.
func (o *outbox) unwritten() int { return len(o.waiting) + o.tails.size }

// maxLength is how many digits a Content-Length may have.
const maxLength = len("9223372036854775807")

// encodeTrailer puts a request's trailers into the block, and reports whether there are any.
func (o *outbox) encodeTrailer(trailer http.Header) bool {
	o.block.Reset()
	for key, values := range trailer {
		for _, value := range values {
			if !isOurs(key) {
				o.encodeField(key, value)
			}
		}
	}
	return o.block.Len() > 0
}

func (o *outbox) encodeField(key, value string) {
	if IsSendable(key, value) {
		o.encode(o.lowered(key), value)
	}
}

// encode adds a field to the block. Both sides remember it, unless it is of one call, or secret.
func (o *outbox) encode(name, value string) {
	f := hpack.HeaderField{Name: name, Value: value}
	switch name {
	case "x-call-id", "x-start-time", "grpc-timeout", "content-length", "authorization", "cookie":
		f.Sensitive = true
	}
	// Its writer is a buffer, which takes everything.
	_ = o.encoder.WriteField(f)
}

// lowered is the spelling of a name that HTTP/2 wants.
func (o *outbox) lowered(key string) string { return o.lower.of(key, grammar.Lower) }

// writeBlock sends the block as a head, or as trailers.
func (o *outbox) writeBlock(id uint32, last bool) {
	block := o.block.Bytes()
	first := block[:min(len(block), o.peer.frame)]
	block = block[len(first):]
	o.writing(o.framer.WriteHeaders(http2.HeadersFrameParam{StreamID: id, BlockFragment: first, EndStream: last, EndHeaders: len(block) == 0}))
	for len(block) > 0 {
		next := block[:min(len(block), o.peer.frame)]
		block = block[len(next):]
		o.writing(o.framer.WriteContinuation(id, len(block) == 0, next))
	}
}
