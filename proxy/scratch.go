package proxy

import (
	"bufio"
	"sync"
)

const (
	// readerSize is the size of the buffer that answers are read through.
	readerSize = 4 << 10
	// copySize is the size of the buffers that long bodies are copied with.
	copySize = 32 << 10
	// minCopySize is the size below which a buffer of somebody else's is no use.
	minCopySize = 512
	// keepSize is the size up to which a grown buffer is kept for later.
	keepSize = 64 << 10
)

// scratches lends out what every exchange needs for a short time. The zero value
// is ready for use.
type scratches struct{ pool, copies, calls sync.Pool }

// scratch is the working memory of one exchange.
type scratch struct {
	// reader reads the answer.
	reader *bufio.Reader
	// out is the head of the request.
	out []byte
	// raw is the head of an answer, and fields is what stands in it.
	raw    []byte
	fields []field
	// exchange is the one that all this serves.
	exchange exchange
}

func (s *scratches) get() *scratch {
	if found, ok := s.pool.Get().(*scratch); ok {
		return found
	}
	return &scratch{
		reader: bufio.NewReaderSize(nil, readerSize),
		out:    make([]byte, 0, 1<<10),
		raw:    make([]byte, 0, 1<<10),
		fields: make([]field, 0, 16),
	}
}

// put takes working memory back. What it pointed to is let go.
func (s *scratches) put(used *scratch) {
	if cap(used.raw) > keepSize || cap(used.out) > keepSize {
		return
	}
	used.reader.Reset(nil)
	used.exchange = exchange{}
	clear(used.fields[:cap(used.fields)])
	s.pool.Put(used)
}

// call lends a call that has not begun, perhaps with room for a small body.
func (s *scratches) call() *call {
	if found, ok := s.calls.Get().(*call); ok {
		return found
	}
	return &call{}
}

// putCall takes the room of a call back that is over.
func (s *scratches) putCall(used *call) {
	*used = call{small: used.small[:0]}
	s.calls.Put(used)
}

// getCopy lends a buffer of minCopySize bytes at least.
func (h *Handler) getCopy() *[]byte {
	if h.BufferPool != nil {
		lent := h.BufferPool.Get()
		if len(lent) < minCopySize {
			lent = make([]byte, copySize)
		}
		return &lent
	}
	if found, ok := h.scratches.copies.Get().(*[]byte); ok {
		return found
	}
	buffer := make([]byte, copySize)
	return &buffer
}

func (h *Handler) putCopy(buffer *[]byte) {
	if h.BufferPool != nil {
		h.BufferPool.Put(*buffer)
		return
	}
	h.scratches.copies.Put(buffer)
}
