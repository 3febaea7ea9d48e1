package proxy

import (
	"bufio"
	"bytes"
	"fmt"
	"math"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"

	"faas-docker/wire"
)

const (
	// streamWindow is how much of an answer the function may send before the client
	// has taken it, in bytes.
	streamWindow = 256 << 10
	// linkWindow is how much it may send on one connection before we have read it.
	linkWindow = 4 << 20
	// maxFrame is the largest frame that we accept: HTTP/2's own default.
	maxFrame = 16 << 10
	// linkReader is the size of the buffer that a link is read through.
	linkReader = 64 << 10
	// maxWaiting is how many bytes may wait to be written before bodies wait, too;
	// with four times as many no call is begun any more.
	maxWaiting = 256 << 10
	// maxReplies is how many bytes may wait before a function that makes us answer,
	// and does not read the answers, is cut off.
	maxReplies = 2 << 20
	// sendTimeout bounds one write: a function that reads nothing for so long is dead.
	sendTimeout = 30 * time.Second
	// maxNames bounds the names of fields whose other spelling is remembered.
	maxNames = 256
)

// link is one HTTP/2 connection to a replica, shared by many calls. One goroutine
// reads it and another writes: callers leave their frames in a buffer, so that
// what many of them say at the same time goes out at once.
type link struct {
	tcp    net.Conn
	reader *bufio.Reader
	// framer reads from the connection and writes, under mu, to waiting.
	framer *http2.Framer
	// gone is set when no call may begin any more.
	gone atomic.Bool
	// ready says that frames wait to be written, and closed that nobody will.
	ready, closed chan struct{}
	// turns lets callers add to what waits before it is written.
	turns wire.Turns
	// canonical are the spellings of names that were read; it is the reader's.
	canonical map[string]string
	// touched are the streams that something has arrived for; they are the reader's.
	touched []*stream

	// mu protects the fields below, and those of the streams that say so.
	mu      sync.Mutex
	streams map[uint32]*stream
	free    []*stream
	nextID  uint32
	// err is why the link ended; nil while it lives.
	err error
	// keep is how long the link stays open without calls, and idleSince when the last
	// one ended; closing watches over that while it is set.
	keep      time.Duration
	idleSince time.Time
	closing   *time.Timer
	// heard counts the frames that were read.
	heard uint64
	// received is what the function sent since it was last allowed to send more, and
	// allowance what it may send still.
	received, allowance int64

	// waiting are the frames to be written next, and batch numbers them from 1; spare
	// is the buffer that was written last.
	waiting, spare []byte
	batch          uint64
	// blocked are the streams that wait until they may send.
	blocked []*stream
	// window is what the function takes on this connection.
	window int64
	peer   peerSettings

	encoder *hpack.Encoder
	block   bytes.Buffer
	// lower are the spellings of names that were written.
	lower map[string]string
}

// peerSettings are what the function has said of itself.
type peerSettings struct {
	// streams is how many calls it takes at the same time.
	streams uint32
	// window is what it takes of each body before it says more.
	window int64
	// frame is the largest frame that it takes.
	frame int
	// head is the largest head that it takes, counted as HTTP/2 does.
	head uint64
}

// newLink begins to speak HTTP/2 on a connection. The function must say its
// settings within limit.
func newLink(tcp net.Conn, limit time.Duration) (*link, error) {
	l := &link{
		tcp: tcp, keep: idleTimeout, reader: bufio.NewReaderSize(tcp, linkReader),
		ready: make(chan struct{}, 1), closed: make(chan struct{}),
		streams: map[uint32]*stream{}, nextID: 1, batch: 1, idleSince: time.Now(), allowance: linkWindow,
		window:    http2DefaultWindow,
		peer:      peerSettings{streams: math.MaxUint32, window: http2DefaultWindow, frame: maxFrame, head: math.MaxUint64},
		canonical: map[string]string{}, lower: map[string]string{},
	}
	l.framer = http2.NewFramer((*waitingWriter)(l), l.reader)
	l.framer.SetMaxReadFrameSize(maxFrame)
	l.framer.SetReuseFrames()
	l.framer.MaxHeaderListSize = maxHead
	l.framer.ReadMetaHeaders = hpack.NewDecoder(http2DefaultTable, nil)
	l.encoder = hpack.NewEncoder(&l.block)
	if err := l.greet(limit); err != nil {
		return nil, err
	}
	l.closing = time.AfterFunc(l.keep, l.closeIdle)
	go l.receive()
	go l.send()
	return l, nil
}

// What HTTP/2 begins with (RFC 9113, 6.5.2).
const (
	http2DefaultWindow = 1<<16 - 1
	http2DefaultTable  = 4 << 10
)

// greet exchanges the settings.
func (l *link) greet(limit time.Duration) error {
	_ = l.tcp.SetDeadline(time.Now().Add(limit))
	l.waiting = append(l.waiting, http2.ClientPreface...)
	l.writing(l.framer.WriteSettings(
		http2.Setting{ID: http2.SettingEnablePush, Val: 0},
		http2.Setting{ID: http2.SettingInitialWindowSize, Val: streamWindow},
		http2.Setting{ID: http2.SettingMaxHeaderListSize, Val: maxHead},
	))
	l.writing(l.framer.WriteWindowUpdate(0, linkWindow-http2DefaultWindow))
	if _, err := l.tcp.Write(l.waiting); err != nil {
		return fmt.Errorf("%w: %w", errDied, err)
	}
	l.waiting = l.waiting[:0]
	frame, err := l.framer.ReadFrame()
	if err != nil {
		return fmt.Errorf("read the settings of HTTP/2: %w", explainFraming(err))
	}
	settings, ok := frame.(*http2.SettingsFrame)
	if !ok || settings.IsAck() {
		return fmt.Errorf("%w: it begins with %v instead of HTTP/2's settings", errBadAnswer, frame.Header().Type)
	}
	if err := l.handle(settings); err != nil {
		return explainFraming(err)
	}
	if l.peer.streams == 0 {
		return fmt.Errorf("%w: its settings allow no calls", errRefused)
	}
	_ = l.tcp.SetDeadline(time.Time{})
	return nil
}

// open begins a call, by sending its head. It returns nil when the link takes no
// more calls.
func (l *link) open(out *outgoing) (*stream, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.gone.Load() || uint32(len(l.streams)) >= l.peer.streams || len(l.waiting) > 4*maxWaiting {
		return nil, nil
	}
	if err := l.encodeHead(out); err != nil {
		return nil, err
	}
	s := l.newStream(out)
	l.nextID += 2
	if l.nextID > math.MaxInt32 {
		l.gone.Store(true)
	}
	l.writeBlock(s.id, !out.hasBody)
	return s, nil
}

// newStream returns one that was used before, or a new one.
func (l *link) newStream(out *outgoing) *stream {
	var s *stream
	if last := len(l.free) - 1; last >= 0 {
		s, l.free = l.free[last], l.free[:last]
	} else {
		s = &stream{link: l, arrived: make(chan struct{}, 1), writable: make(chan struct{}, 1)}
	}
	s.id, s.batch, s.heard = l.nextID, l.batch, l.heard
	s.method, s.sent = out.r.Method, !out.hasBody
	s.window, s.allowance, s.left = l.peer.window, streamWindow, -1
	l.streams[s.id] = s
	return s
}

// forget takes a stream off the link when neither side says anything on it any
// more. It is called with mu held.
func (l *link) forget(s *stream) {
	if l.streams[s.id] != s {
		return
	}
	delete(l.streams, s.id)
	if len(l.streams) > 0 {
		return
	}
	l.idleSince = time.Now()
	switch {
	case l.gone.Load() || l.keep <= 0:
		l.end(errDied)
	case l.closing == nil:
		l.closing = time.AfterFunc(l.keep, l.closeIdle)
	}
}

// closeIdle ends the link when nobody needed it for a while, and comes back later
// when somebody did.
func (l *link) closeIdle() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.closing = nil
	if len(l.streams) > 0 || l.err != nil {
		return
	}
	if left := l.keep - time.Since(l.idleSince); left > 0 {
		l.closing = time.AfterFunc(left, l.closeIdle)
		return
	}
	l.end(errDied)
}

// hurry closes the link as soon as it carries no call: its replica is leaving.
func (l *link) hurry() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.keep = 0
	l.closing.Reset(hurryTime)
}

// hurryTime is how long a link that was made for a replica that is leaving waits
// for the call that it was made for.
const hurryTime = time.Second

// retire lets no further call begin, and closes the link after the last one.
func (l *link) retire() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.gone.Store(true)
	if len(l.streams) == 0 {
		l.end(errDied)
	}
}

// fail ends the link, and with it all calls that it carries.
func (l *link) fail(err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.end(err)
}

// end is fail, with mu held.
func (l *link) end(err error) {
	if l.err != nil {
		return
	}
	l.err = err
	l.gone.Store(true)
	close(l.closed)
	l.tcp.Close()
	if l.closing != nil {
		l.closing.Stop()
	}
	for _, s := range l.streams {
		if s.batch == l.batch {
			// Not even its head was written.
			s.abort(fmt.Errorf("%w: %w", errStale, err))
		} else {
			s.abort(err)
		}
	}
	clear(l.streams)
}

func isGone(l *link) bool { return l.gone.Load() }

// suspect retires a link on which nothing has come since a call began that got no
// answer: what is at its other end may not exist any more.
func (l *link) suspect(heard uint64) {
	l.mu.Lock()
	silent := l.heard == heard
	l.mu.Unlock()
	if silent {
		l.retire()
	}
}
