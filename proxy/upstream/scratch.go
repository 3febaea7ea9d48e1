package upstream

import (
	"bufio"
	"net/http/httputil"
	"sync"
)

const (
	// ReaderSize is the size of the buffers that answers are read through.
	ReaderSize = 4 << 10
	// copySize is the size of the buffers that long bodies are copied with.
	copySize = 32 << 10
	// MinCopySize is the size below which a buffer of somebody else's is no use.
	MinCopySize = 512
	// keepSize is the size up to which a grown buffer is kept for later.
	keepSize = 64 << 10
	// keepFields is the number of fields up to which their list is kept for later.
	keepFields = 1 << 10
)

// scratches lends out what every exchange needs for a short time. The zero value is ready for use.
type scratches struct{ pool sync.Pool }

// scratch is the working memory of one exchange.
type scratch struct {
	reader *bufio.Reader
	// out is the head of the request.
	out []byte
	// raw is the head of an answer, and fields is what stands in it.
	raw    []byte
	fields []Field
	// exchange is the one that all this serves.
	exchange exchange
}

func (s *scratches) get() *scratch {
	if found, ok := s.pool.Get().(*scratch); ok {
		return found
	}
	return &scratch{
		reader: bufio.NewReaderSize(nil, ReaderSize),
		out:    make([]byte, 0, 1<<10),
		raw:    make([]byte, 0, 1<<10),
		fields: make([]Field, 0, 16),
	}
}

// put takes working memory back. What it pointed to is let go.
func (s *scratches) put(used *scratch) {
	if cap(used.raw) > keepSize || cap(used.out) > keepSize || cap(used.fields) > keepFields {
		return
	}
	used.reader.Reset(nil)
	used.exchange = exchange{}
	clear(used.fields[:cap(used.fields)])
	s.pool.Put(used)
}

// Buffers lends the buffers that long bodies are copied with. The zero value is ready for use.
type Buffers struct {
	// Pool lends and gets back the buffers; nil means one of our own.
	Pool httputil.BufferPool

	own sync.Pool
}

// Get lends a buffer of MinCopySize bytes at least.
func (b *Buffers) Get() *[]byte {
	if b.Pool != nil {
		lent := b.Pool.Get()
		if len(lent) < MinCopySize {
			lent = make([]byte, copySize)
		}
		return &lent
	}
	if found, ok := b.own.Get().(*[]byte); ok {
		return found
	}
	buffer := make([]byte, copySize)
	return &buffer
}

// Put takes a buffer back.
func (b *Buffers) Put(buffer *[]byte) {
	if b.Pool != nil {
		b.Pool.Put(*buffer)
		return
	}
	b.own.Put(buffer)
}
