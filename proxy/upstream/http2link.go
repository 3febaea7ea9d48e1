package upstream

import (
	"context"
	"fmt"
	"math"
	"net"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/net/http2"

	"faas-docker/wire"
)

const (
	// StreamWindow is how much of an answer the function may send before the client
	// has taken it, in bytes.
	StreamWindow = 256 << 10
	// LinkWindow is how much it may send on one connection before we have read it.
	LinkWindow = 4 << 20
	// MaxFrame is the largest frame that we accept: HTTP/2's own default.
	MaxFrame = 16 << 10
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

// link is one HTTP/2 connection to a replica, shared by many calls. One goroutine reads it and another
// writes: callers leave their frames in a buffer, so that what many say at a time goes out at once.
type link struct {
	tcp net.Conn
	in  inbox
	// gone is set when no call may begin any more.
	gone atomic.Bool
	// closed says that nothing will be written any more.
	closed chan struct{}
	// batching lets callers add to what waits before it is written.
	batching wire.Batching

	// mu protects the fields below, and those of the streams that say so.
	mu      sync.Mutex
	out     outbox
	streams map[uint32]*stream
	free    []*stream
	nextID  uint32
	// err is why the link ended; nil while it lives.
	err error
	// keep is how long the link stays open without calls, and idleSince when the last
	// one ended; closing watches over that.
	keep      time.Duration
	idleSince time.Time
	closing   *time.Timer
	tally     tally
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

// newLink begins to speak HTTP/2 on a connection. The function must say its settings within limit.
func newLink(tcp net.Conn, limit time.Duration) (*link, error) {
	l := &link{tcp: tcp, keep: idleTimeout, closed: make(chan struct{}), streams: map[uint32]*stream{}, nextID: 1, idleSince: time.Now()}
	l.in.setUp(tcp)
	l.out.setUp(l.end)
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
	l.out.waiting = append(l.out.waiting, http2.ClientPreface...)
	l.out.writing(l.out.framer.WriteSettings(
		http2.Setting{ID: http2.SettingEnablePush, Val: 0},
		http2.Setting{ID: http2.SettingInitialWindowSize, Val: StreamWindow},
		http2.Setting{ID: http2.SettingMaxHeaderListSize, Val: MaxHead},
	))
	l.out.writing(l.out.framer.WriteWindowUpdate(0, LinkWindow-http2DefaultWindow))
	if _, err := l.tcp.Write(l.out.waiting); err != nil {
		return fmt.Errorf("%w: %w", ErrDied, err)
	}
	l.out.waiting = l.out.waiting[:0]
	frame, err := l.in.readFrame()
	if err != nil {
		return fmt.Errorf("read the settings of HTTP/2: %w", explainFraming(err))
	}
	settings, ok := frame.(*http2.SettingsFrame)
	if !ok || settings.IsAck() {
		return fmt.Errorf("%w: it begins with %v instead of HTTP/2's settings", ErrBadAnswer, frame.Header().Type)
	}
	if err := l.handle(settings); err != nil {
		return explainFraming(err)
	}
	if l.out.peer.streams == 0 {
		return fmt.Errorf("%w: its settings allow no calls", ErrRefused)
	}
	_ = l.tcp.SetDeadline(time.Time{})
	return nil
}

// open begins a call, by sending its head. It returns nil when the link takes no more calls.
func (l *link) open(out *outgoing) (*stream, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.gone.Load() || uint32(len(l.streams)) >= l.out.peer.streams || l.out.unwritten() > 4*maxWaiting {
		return nil, nil
	}
	if err := l.out.encodeHead(out); err != nil {
		return nil, err
	}
	s := l.newStream(out)
	l.nextID += 2
	if l.nextID > math.MaxInt32 {
		l.gone.Store(true)
	}
	l.out.writeBlock(s.id, !out.hasBody)
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
	s.id, s.batch, s.heard = l.nextID, l.out.batch, l.tally.heard
	s.method, s.sent = out.HTTP.Method, !out.hasBody
	s.window, s.in.allowance, s.in.left = l.out.peer.window, StreamWindow, -1
	l.streams[s.id] = s
	return s
}

// forget takes a stream off the link that is over for both sides. It is called with mu held.
func (l *link) forget(s *stream) {
	if l.streams[s.id] != s {
		return
	}
	delete(l.streams, s.id)
	if len(l.streams) > 0 {
		return
	}
	l.idleSince = time.Now()
	if l.gone.Load() || l.keep <= 0 || l.out.peer.streams == 0 {
		l.end(ErrDied)
	}
}

// closeIdle ends the link when no call needed it for a while, and comes back later when one did.
func (l *link) closeIdle() {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch left := l.keep - time.Since(l.idleSince); {
	case l.err != nil:
	case len(l.streams) > 0:
		l.closing.Reset(idleTimeout)
	case left > 0:
		l.closing.Reset(left)
	default:
		l.end(ErrDied)
	}
}

// closeSoon closes the link as soon as it carries no call: its replica is leaving.
func (l *link) closeSoon() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.keep = 0
	l.closing.Reset(closeTime)
}

// closeTime is how long the link to a replica that is leaving waits for the call that wanted it.
const closeTime = time.Second

// retire lets no further call begin, and closes the link after the last one.
func (l *link) retire() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.gone.Store(true)
	if len(l.streams) == 0 {
		l.end(ErrDied)
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
		if s.batch == l.out.batch {
			// Not even its head was written.
			s.abort(fmt.Errorf("%w: %w", ErrStale, err))
		} else {
			s.abort(err)
		}
	}
	clear(l.streams)
}

// lifeSince is how long after a moment the link ended, which has just been found.
func lifeSince(l *link, moment time.Time) time.Duration {
	if s, ok := l.tcp.(*socket); ok {
		return s.lifeSince(moment)
	}
	return time.Since(moment)
}

func isGone(l *link) bool { return l.gone.Load() }

// suspect retires a link on which nothing has come since a call began that got no
// answer: what is at its other end may not exist any more.
func (l *link) suspect(heard uint64) {
	l.mu.Lock()
	silent := l.tally.heard == heard
	l.mu.Unlock()
	if silent {
		l.retire()
	}
}

// currentLinks returns the links that may take calls.
func (u *Pool) currentLinks() []*link {
	u.mu.Lock()
	defer u.mu.Unlock()
	if slices.ContainsFunc(u.links, isGone) {
		u.links = slices.DeleteFunc(slices.Clone(u.links), isGone)
	}
	return u.links
}

// addLink makes one more link, or waits for the one that is being made: that does not end with
// the call that needed it first. The function must say its settings within limit.
func (u *Pool) addLink(ctx context.Context, limit time.Duration) error {
	select {
	case made := <-u.dialing.DoChan("", func() (any, error) { return nil, u.dialLink(limit) }):
		return made.Err
	case <-ctx.Done():
		return fmt.Errorf("%w: %w", ErrClientGone, context.Cause(ctx))
	}
}

func (u *Pool) dialLink(limit time.Duration) error {
	tcp, err := u.DialTCP(context.Background())
	if err != nil {
		return err
	}
	s := &socket{Conn: tcp, among: &u.sockets}
	u.sockets.add(s)
	l, err := newLink(s, limit)
	if err != nil {
		s.Close()
		return err
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.closed {
		l.closeSoon()
	}
	u.links = append(slices.Clone(u.links), l)
	return nil
}
