package policy

import (
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
	"sync/atomic"
)

// spoolMemory is how much of a body is kept in memory; the rest of a longer one goes to a file.
const spoolMemory = 1 << 20

// ErrBodyGone: the body of a request cannot be read again.
var ErrBodyGone = errors.New("request body is no longer kept")

// spool keeps a body, to be sent again byte for byte. It is not read ahead: what the first try has not
// asked for, the second reads on. Its readers may be used at the same time.
type spool struct {
	source io.Reader
	// limit bounds the bytes that are kept. A longer body can be read to its end, but not again.
	limit int64
	// all bounds what this and others keep together.
	all *Spools
	// whole is closed when all of the body is kept.
	whole chan struct{}

	// reading is held while the source is read.
	reading sync.Mutex
	// mu protects the fields below.
	mu     sync.Mutex
	memory []byte
	file   *os.File // instead of memory; nil while that is enough
	onDisk int64    // the bytes that were reserved for it
	size   int64
	ended  error // what the source said at its end, io.EOF when that is whole
	closed bool
	// full is set when no more is kept; only last may read on then.
	full bool
	last *spoolReader
}

func newSpool(source io.Reader, limit int64, all *Spools) *spool {
	return &spool{source: source, limit: limit, all: all, whole: make(chan struct{})}
}

// spoolReader reads a kept body from its beginning.
type spoolReader struct {
	spool *spool
	at    int64
	// retired readers take nothing more from the source.
	retired atomic.Bool
}

// canReplay reports whether the body can be read from its beginning.
func (s *spool) canReplay() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return !s.full && !s.closed && (s.ended == nil || s.ended == io.EOF)
}

// Read reads the kept bytes, then on from the source.
func (r *spoolReader) Read(p []byte) (int, error) {
	for {
		n, err := r.readKept(p)
		if n == 0 && err == nil {
			n, err = r.readOn(p)
		}
		if n > 0 || err != nil {
			r.at += int64(n)
			return n, err
		}
	}
}

// readKept reads nothing, without an error, where nothing is kept yet.
func (r *spoolReader) readKept(p []byte) (int, error) {
	s := r.spool
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.closed, s.full && r != s.last:
		return 0, ErrBodyGone
	case s.full, r.at >= s.size:
		return 0, s.ended
	case s.file == nil:
		return copy(p, s.memory[r.at:]), nil
	}
	n, err := s.file.ReadAt(p[:min(int64(len(p)), s.size-r.at)], r.at)
	if n > 0 {
		return n, nil
	}
	return 0, fmt.Errorf("%w: %w", ErrBodyGone, err)
}

// readOn reads from the source and keeps it; nothing where another reader has meanwhile.
func (r *spoolReader) readOn(p []byte) (int, error) {
	s := r.spool
	s.reading.Lock()
	defer s.reading.Unlock()
	if there, err := s.prepare(r); there || err != nil {
		return 0, err
	}
	n, err := s.source.Read(p)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ended = err
	s.keep(r, p[:n])
	if err == io.EOF && !s.full && !s.closed {
		close(s.whole)
	}
	return n, err
}

// prepare reports whether there is something for the reader already, or why there never will be. Of a
// spool that is full, the first to ask becomes the last reader.
func (s *spool) prepare(r *spoolReader) (there bool, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if r.at < s.size || s.ended != nil {
		return true, nil
	}
	if s.full && s.last == nil {
		s.last = r
	}
	if s.closed || r.retired.Load() || s.full && s.last != r {
		return false, ErrBodyGone
	}
	return false, nil
}

// keep adds a piece that r has read. With the one that passes the limit, or that there is no
// capacity for, it ends: r has the piece and goes on; for the others it is lost.
func (s *spool) keep(r *spoolReader, piece []byte) {
	if s.closed || s.full {
		return
	}
	if s.size+int64(len(piece)) <= s.limit && s.add(piece) == nil {
		s.size += int64(len(piece))
		return
	}
	s.full, s.last = true, r
	s.free()
}

func (s *spool) add(piece []byte) error {
	n := int64(len(piece))
	if s.file == nil && s.size+n <= spoolMemory && s.all.takeMemory(n) {
		s.memory = append(s.memory, piece...)
		return nil
	}
	if s.file == nil {
		if err := s.spill(); err != nil {
			return err
		}
	}
	if !s.all.takeDisk(n) {
		return errSpoolsFull
	}
	s.onDisk += n
	_, err := s.file.WriteAt(piece, s.size)
	return err
}

// spill moves the kept bytes to a file. It has no name: it goes with the program.
func (s *spool) spill() error {
	file, err := os.CreateTemp(s.all.Folder, ".faas-docker-body-")
	if err != nil {
		return err
	}
	s.file = file
	if err := os.Remove(file.Name()); err != nil {
		return err
	}
	kept := s.memory
	s.memory = nil
	s.all.give(int64(len(kept)), 0)
	if !s.all.takeDisk(int64(len(kept))) {
		return errSpoolsFull
	}
	s.onDisk = int64(len(kept))
	_, err = file.Write(kept)
	return err
}

func (s *spool) close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
	s.free()
}

func (s *spool) free() {
	s.all.give(int64(len(s.memory)), s.onDisk)
	s.memory, s.onDisk = nil, 0
	if s.file != nil {
		s.file.Close()
		s.file = nil
	}
}
