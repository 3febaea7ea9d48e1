package upstream

import (
	"bufio"
	"fmt"
	"net"
	"net/http"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"

	"faas-docker/grammar"
)

// inbox is what a link is read through. It is the reader's alone.
type inbox struct {
	reader *bufio.Reader
	meter  *metered
	framer *http2.Framer
	// canonical are the spellings of names that were read.
	canonical spellings
	// touched are the streams that something has arrived for.
	touched []*stream
	// received is what the function sent since it was last allowed to send more, and
	// allowance what it may send still.
	received, allowance int64
}

// setUp makes an inbox that is as HTTP/2 begins.
func (b *inbox) setUp(tcp net.Conn) {
	*b = inbox{reader: bufio.NewReaderSize(tcp, linkReader), canonical: spellings{}, allowance: LinkWindow}
	b.meter = &metered{Reader: b.reader}
	b.framer = http2.NewFramer(nil, b.meter)
	b.framer.SetMaxReadFrameSize(MaxFrame)
	b.framer.SetReuseFrames()
	b.framer.MaxHeaderListSize = MaxHead
	b.framer.ReadMetaHeaders = hpack.NewDecoder(http2DefaultTable, nil)
}

// readFrame reads one frame, a head with its continuations.
func (b *inbox) readFrame() (http2.Frame, error) {
	b.meter.left = maxBlock
	return b.framer.ReadFrame()
}

// hasFrame reports whether a frame can be read without waiting. It may say no when it could say yes.
func (b *inbox) hasFrame() bool {
	const size = 9
	if b.reader.Buffered() < size {
		return false
	}
	ahead, _ := b.reader.Peek(size)
	length := int(ahead[0])<<16 | int(ahead[1])<<8 | int(ahead[2])
	head, whole := http2.FrameType(ahead[3]) == http2.FrameHeaders, http2.Flags(ahead[4]).Has(http2.FlagHeadersEndHeaders)
	return b.reader.Buffered() >= size+length && (whole || !head)
}

// canonicalize appends the fields of a frame, spelled as in HTTP/1.
func (b *inbox) canonicalize(f *http2.MetaHeadersFrame, fields []Field) []Field {
	for _, received := range f.RegularFields() {
		fields = append(fields, Field{b.canonical.of(received.Name, grammar.Key), received.Value})
	}
	return fields
}

// spellings are those of names on the other side, up to maxNames of them.
type spellings map[string]string

func (s spellings) of(name string, spell func(string) string) string {
	known, ok := s[name]
	if !ok {
		known = spell(name)
	}
	if !ok && len(s) < maxNames {
		s[name] = known
	}
	return known
}

// touch wakes the stream soon.
func (b *inbox) touch(s *stream) {
	if !s.touched {
		s.touched = true
		b.touched = append(b.touched, s)
	}
}

const (
	// maxIdleFrames is how many frames a function may send in a row that bring no call on: empty
	// pieces of bodies, frames of unknown kinds or for calls that are over, as cancelled ones may be.
	maxIdleFrames = 10_000
	// maxControls is how many pings and settings it may send within a second.
	maxControls = 10_000
	// maxBlock is how many bytes may make up one frame, with its continuations.
	maxBlock = 2*MaxHead + MaxFrame
)

// metered is what the framer of a link reads from. It ends a head of endless continuations.
type metered struct {
	*bufio.Reader
	// left is what the present frame may take.
	left int
}

func (m *metered) Read(p []byte) (int, error) {
	if m.left <= 0 {
		return 0, fmt.Errorf("%w: a head in frames of more than %d bytes", ErrBadAnswer, maxBlock)
	}
	n, err := m.Reader.Read(p[:min(len(p), m.left)])
	m.left -= n
	return n, err
}

// tally counts frames. The link's mu protects it.
type tally struct {
	// heard are all that were read.
	heard uint64
	// idle are those in a row, controls those within the second that began at since.
	idle, controls int
	since          time.Time
}

// notice counts a frame, and refuses one too many.
func (t *tally) notice(frame http2.Frame, streams map[uint32]*stream) error {
	t.heard++
	switch frame.(type) {
	case *http2.PingFrame, *http2.SettingsFrame, *http2.GoAwayFrame:
		return t.control()
	}
	if isProgress(frame, streams) {
		t.idle = 0
		return nil
	}
	if t.idle++; t.idle > maxIdleFrames {
		return http2.ConnectionError(http2.ErrCodeEnhanceYourCalm)
	}
	return nil
}

// control counts a frame that concerns the connection alone.
func (t *tally) control() error {
	if t.controls++; t.controls < maxControls {
		return nil
	}
	if now := time.Now(); now.Sub(t.since) > time.Second {
		t.since, t.controls = now, 0
		return nil
	}
	return http2.ConnectionError(http2.ErrCodeEnhanceYourCalm)
}

// isProgress reports whether a frame may bring a call on.
func isProgress(frame http2.Frame, streams map[uint32]*stream) bool {
	id := frame.Header().StreamID
	switch f := frame.(type) {
	case *http2.DataFrame:
		return streams[id] != nil && (len(f.Data()) > 0 || f.StreamEnded())
	case *http2.MetaHeadersFrame, *http2.RSTStreamFrame:
		return streams[id] != nil
	case *http2.WindowUpdateFrame:
		return id == 0 || streams[id] != nil
	}
	return false
}

// perField is what HTTP/2 counts for a field beside its name and its value.
const perField = 32

// sizeOf is how much of a head its fields take, counted as HTTP/2 does.
func sizeOf(fields []Field) int {
	size := 0
	for _, f := range fields {
		size += len(f.Key) + len(f.Value) + perField
	}
	return size
}

// addInterim keeps an interim answer until it can be passed on.
func (s *stream) addInterim(code int, f *http2.MetaHeadersFrame) error {
	s.in.informed++
	if s.in.informed > MaxInformational || f.StreamEnded() || code == http.StatusSwitchingProtocols {
		return malformed(s, "interim answer %d, the %dth", code, s.in.informed)
	}
	fields := s.link.in.canonicalize(f, nil)
	if s.in.informedSize += sizeOf(fields); s.in.informedSize > MaxHead {
		return malformed(s, "interim answers of more than %d bytes", MaxHead)
	}
	if code != http.StatusContinue {
		s.in.interim = append(s.in.interim, Head{Code: code, Fields: fields, Length: -1})
	}
	return nil
}
