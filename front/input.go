package front

import (
	"sync"
	"sync/atomic"
	"time"

	"faas-docker/wire"
)

// input is what a client sends, as far as it was read and is still to be given. One goroutine reads
// at a time; deadlines may be set by any.
type input struct {
	socket *wire.Conn
	// buffer[begin:end] are the bytes that were read.
	buffer     []byte
	begin, end int
	// large lends buffers for long heads and bodies; small is the connection's own meanwhile, and
	// nil while it is in use.
	large *largeBuffers
	small []byte
	// timed is set when a deadline was set.
	timed atomic.Bool
}

func newInput(socket *wire.Conn, large *largeBuffers) input {
	return input{socket: socket, buffer: make([]byte, readerSize), large: large}
}

func (i *input) setReadDeadline(at time.Time) {
	i.timed.Store(true)
	// It fails only on a closed connection, which the next read notices.
	_ = i.socket.SetReadDeadline(at)
}

// liftDeadlines takes back those that were set.
func (i *input) liftDeadlines() {
	if i.timed.Swap(false) {
		_ = i.socket.SetDeadline(time.Time{})
	}
}

// ahead are the bytes that were read and not used yet.
func (i *input) ahead() []byte { return i.buffer[i.begin:i.end] }

func (i *input) skip(n int) {
	if i.begin += n; i.begin == i.end {
		i.begin, i.end = 0, 0
	}
}

func (i *input) fill() (int, error) {
	if i.end == len(i.buffer) {
		i.reserve(len(i.ahead()) + readerSize)
	}
	n, err := i.socket.Read(i.buffer[i.end:])
	i.end += n
	return n, err
}

// reserve makes room for so many bytes in all.
func (i *input) reserve(total int) {
	if len(i.buffer)-i.begin >= total {
		return
	}
	ahead := i.ahead()
	if len(i.buffer) < total {
		i.grow(total)
	}
	i.end = copy(i.buffer, ahead)
	i.begin = 0
}

// grow takes a longer buffer. What is ahead is still in the one before.
func (i *input) grow(total int) {
	if i.small == nil {
		i.small = i.buffer
	}
	if total <= largeSize {
		i.buffer = i.large.get()
		return
	}
	i.buffer = make([]byte, max(total, 2*len(i.buffer)))
}

// shrink goes back to the connection's own buffer as soon as that is enough.
func (i *input) shrink() {
	if i.small == nil || len(i.ahead()) > len(i.small) {
		return
	}
	large := i.buffer
	i.end = copy(i.small, i.ahead())
	i.begin, i.buffer, i.small = 0, i.small, nil
	i.large.put(large)
}

// largeSize is the length of the buffers that connections share, in bytes: a head, and a body
// that goes along with it.
const largeSize = 72 << 10

// largeBuffers lends them. The zero value is ready for use.
type largeBuffers struct{ pool sync.Pool }

func (l *largeBuffers) get() []byte {
	if lent, ok := l.pool.Get().(*[]byte); ok {
		return *lent
	}
	return make([]byte, largeSize)
}

func (l *largeBuffers) put(lent []byte) {
	if len(lent) == largeSize {
		l.pool.Put(&lent)
	}
}

// await waits until so many bytes of the client's are here, but not for long.
func (i *input) await(total int, patience time.Duration) bool {
	if len(i.ahead()) >= total {
		return true
	}
	i.reserve(total)
	i.setReadDeadline(time.Now().Add(patience))
	defer i.liftDeadlines()
	for len(i.ahead()) < total {
		if _, err := i.fill(); err != nil {
			return false
		}
	}
	return true
}
