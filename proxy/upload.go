package proxy

import (
	"io"
	"sync"
	"sync/atomic"

	"faas-docker/proxy/upstream"
)

// upload is the body of a request on its way to the function. Closing it does not close what it reads
// from: before anything was read, that may be needed for another try.
type upload struct {
	io.Reader
	// begun is set when something was read, or was to be, over when all was, and interrupted
	// when we ended the reading, not the client.
	begun, over, interrupted atomic.Bool
	// reading is held during a read; it protects retired.
	reading sync.Mutex
	retired bool
	// mu protects the fields below.
	mu sync.Mutex
	// ended is called at the end, once; nil means that nothing is.
	ended func()
	// from is the client whose reads are interrupted; nil means that none is, or not any more.
	from *client
}

var _ upstream.Body = (*upload)(nil)

func (b *upload) Read(p []byte) (int, error) {
	b.begun.Store(true)
	n, err := b.read(p)
	if err == nil {
		return n, nil
	}
	b.over.Store(err == io.EOF)
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.ended != nil {
		b.ended()
		b.ended = nil
	}
	return n, err
}

func (b *upload) read(p []byte) (int, error) {
	b.reading.Lock()
	defer b.reading.Unlock()
	if b.retired {
		return 0, upstream.ErrClientGone
	}
	return b.Reader.Read(p)
}

// retire ends the reading. It waits for the present read, which the client's connection must bound.
func (b *upload) retire() {
	b.reading.Lock()
	defer b.reading.Unlock()
	b.retired = true
}

// Interrupt ends a read that is under way: the function wants no more, or has died,
// and whoever sends the body waits for that read before it says so.
func (b *upload) Interrupt() {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.from != nil && b.begun.Load() && !b.over.Load() {
		b.interrupted.Store(true)
		b.from.interrupt()
	}
}

func (b *upload) IsInterrupted() bool { return b.interrupted.Load() }

// Close is Interrupt, for transports of net/http.
func (b *upload) Close() error {
	b.Interrupt()
	return nil
}

// release keeps the body from touching the client's connection: its call is over.
func (b *upload) release() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.from = nil
}

// forget keeps the body from telling its end.
func (b *upload) forget() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.ended = nil
}

// keptBody is a body that policies keep to send it again. They end its reading.
type keptBody struct{ io.Reader }

var _ upstream.Body = keptBody{}

func (keptBody) Interrupt() {}

func (keptBody) IsInterrupted() bool { return false }
