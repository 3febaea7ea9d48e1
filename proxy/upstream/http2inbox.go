package upstream

import (
	"bufio"
	"net"

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
