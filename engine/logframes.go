package engine

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"time"

	"faas-docker/function"
)

const (
	// maxFrame is far above what any log driver writes at once.
	maxFrame = 64 << 20
	// maxLine bounds what a function that never ends its line makes us keep. A
	// longer line comes in pieces of this size.
	maxLine = 16 << 20
	// systemFrame marks a message of the engine instead of the function.
	systemFrame = 3
)

// frame is what Docker wrote at once: a line, or a part of one. Lines longer
// than 16 KiB are kept in parts, of which the last alone ends in a newline.
type frame struct {
	stream byte // 1 is the standard output, 2 the standard error
	time   time.Time
	text   []byte
}

func readFrame(r *bufio.Reader) (frame, error) {
	var header [8]byte
	if _, err := io.ReadFull(r, header[:]); err != nil {
		return frame{}, err
	}
	size := binary.BigEndian.Uint32(header[4:])
	if size > maxFrame || header[0] > systemFrame {
		return frame{}, fmt.Errorf("read log frame: stream %d of %d bytes: not a log", header[0], size)
	}
	payload := make([]byte, size)
	if _, err := io.ReadFull(r, payload); err != nil {
		return frame{}, fmt.Errorf("read log frame: %w", err)
	}
	if header[0] == systemFrame {
		return frame{}, fmt.Errorf("read log frame: the engine says: %s", payload)
	}
	f := frame{stream: header[0], text: payload}
	if stamp, text, found := bytes.Cut(payload, []byte(" ")); found {
		if at, err := time.Parse(time.RFC3339Nano, string(stamp)); err == nil {
			f.time, f.text = at, text
		}
	}
	return f, nil
}

// cursor says how far a stream was read: all frames before at, and this many of
// those at that very moment. All parts of one line carry one time.
type cursor struct {
	at   time.Time
	seen int
}

func (c cursor) advance(at time.Time) cursor {
	if at.Equal(c.at) {
		return cursor{at: at, seen: c.seen + 1}
	}
	return cursor{at: at, seen: 1}
}

// position says how far a container's log was read, up to the last complete line
// of each of its streams. The zero value is the beginning.
type position map[byte]cursor

// since is a moment from which a log must be asked for to go on after p. It is
// early enough to see all of a stream that has been silent: frames that are
// read twice are skipped.
func (p position) since(earliest time.Time) time.Time {
	const margin = time.Second
	var oldest time.Time
	for _, c := range p {
		if oldest.IsZero() || c.at.Before(oldest) {
			oldest = c.at
		}
	}
	if oldest.IsZero() || oldest.Add(-margin).Before(earliest) {
		return earliest
	}
	return oldest.Add(-margin)
}

// lineReader joins the frames of one container's log into lines.
type lineReader struct {
	frames   *bufio.Reader
	instance string
	// goesOn has a line that is open at the end kept back: it is going to be read on.
	goesOn bool
	// count is the number of frames read, those skipped included.
	count   int
	streams map[byte]*lineStream
	ended   error
	rest    []function.LogLine // those that never ended, once the log has
}

type lineStream struct {
	skip    cursor // frames that were read earlier
	skipped int    // of those at skip.at
	done    cursor // after the last complete line
	read    cursor // after the last frame
	seen    moments
	start   time.Time
	open    []byte // the line that has not ended yet
	isOpen  bool
}

// newLineReader reads on after the position from; nil means the beginning.
func newLineReader(log io.Reader, instance string, from position) *lineReader {
	r := &lineReader{frames: bufio.NewReaderSize(log, 32<<10), instance: instance, streams: map[byte]*lineStream{}}
	for stream, c := range from {
		r.streams[stream] = &lineStream{skip: c, done: c, read: c}
	}
	return r
}

// next returns the next line: those that never ended are the last, oldest first. Its error
// is io.EOF at the end of the log. A container that is removed while its log is read cuts
// it off, which is an end like any other.
func (r *lineReader) next() (function.LogLine, error) {
	for r.ended == nil {
		f, err := readFrame(r.frames)
		if err != nil {
			r.end(err)
			break
		}
		r.count++
		if line, complete := r.stream(f.stream).add(f); complete {
			line.Instance = r.instance
			return line, nil
		}
	}
	if len(r.rest) == 0 {
		return function.LogLine{}, r.ended
	}
	line := r.rest[0]
	r.rest = r.rest[1:]
	return line, nil
}

func (r *lineReader) end(err error) {
	r.ended = fmt.Errorf("read log of %q: %w", r.instance, err)
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		r.ended = io.EOF
	}
	for _, s := range r.streams {
		if s.isOpen && !r.goesOn {
			line := s.take()
			line.Instance = r.instance
			r.rest = append(r.rest, line)
		}
	}
	sortLines(r.rest)
}

// position says how far the complete lines go.
func (r *lineReader) position() position {
	p := position{}
	for stream, s := range r.streams {
		if !s.done.at.IsZero() {
			p[stream] = s.done
		}
	}
	return p
}

func (r *lineReader) stream(number byte) *lineStream {
	s := r.streams[number]
	if s == nil {
		s = &lineStream{}
		r.streams[number] = s
	}
	return s
}

// add takes one frame and returns the line that it ends, if it ends one.
func (s *lineStream) add(f frame) (function.LogLine, bool) {
	if s.seen.repeats(f.time, s.isOpen) {
		// The engine reads a file from its beginning again, which is a new one.
		s.skip, s.skipped = s.read, 0
	}
	if s.wasRead(f.time) {
		return function.LogLine{}, false
	}
	s.read = s.read.advance(f.time)
	if !s.isOpen {
		s.isOpen, s.start = true, f.time
	}
	text, complete := bytes.CutSuffix(f.text, []byte("\n"))
	s.open = append(s.open, text...)
	if !complete && len(s.open) < maxLine {
		return function.LogLine{}, false
	}
	return s.take(), true
}

func (s *lineStream) wasRead(at time.Time) bool {
	if at.Before(s.skip.at) {
		return true
	}
	if at.Equal(s.skip.at) && s.skipped < s.skip.seen {
		s.skipped++
		return true
	}
	return false
}

func (s *lineStream) take() function.LogLine {
	line := function.LogLine{Time: s.start, Text: string(s.open)}
	s.open, s.isOpen, s.done = nil, false, s.read
	return line
}
