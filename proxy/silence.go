package proxy

import (
	"io"
	"sync"
	"sync/atomic"
	"time"
)

// silence acts when nothing has moved for a while.
type silence struct {
	limit time.Duration
	timer *time.Timer
	// lasted is set when it acted.
	lasted atomic.Bool
}

// watchSilence calls act when broken was not called for as long as limit. A limit
// of zero means never.
func watchSilence(limit time.Duration, act func()) *silence {
	s := &silence{limit: limit}
	if limit > 0 {
		s.timer = time.AfterFunc(limit, func() { s.lasted.Store(true); act() })
	}
	return s
}

// broken begins the wait anew.
func (s *silence) broken() {
	if s.timer != nil {
		s.timer.Reset(s.limit)
	}
}

func (s *silence) stop() {
	if s.timer != nil {
		s.timer.Stop()
	}
}

// from reads from a connection and breaks the silence with each piece. Without a
// limit it is the connection itself, so that the kernel can do the copying.
func (s *silence) from(source io.Reader) io.Reader {
	if s.timer == nil {
		return source
	}
	return &noise{source, s}
}

// noise is a reader that breaks a silence.
type noise struct {
	io.Reader
	silence *silence
}

func (n *noise) Read(p []byte) (int, error) {
	count, err := n.Reader.Read(p)
	if err == nil {
		n.silence.broken()
	}
	return count, err
}

// requestBody is a body that tells when it ends. Closing it does not close what it
// reads from: before anything was read, that may be needed for another try.
type requestBody struct {
	io.Reader
	// begun is set when something was read, or was to be, and over when all was.
	begun, over atomic.Bool
	// reading is held during a read; it protects retired.
	reading sync.Mutex
	retired bool
	// mu protects the fields below. Nil means nobody wants to know, or not any more.
	mu sync.Mutex
	// ended is called at the end, once.
	ended func()
	// interrupt ends a read that waits for the client.
	interrupt func()
}

func (b *requestBody) Read(p []byte) (int, error) {
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

func (b *requestBody) read(p []byte) (int, error) {
	b.reading.Lock()
	defer b.reading.Unlock()
	if b.retired {
		return 0, errClientGone
	}
	return b.Reader.Read(p)
}

func (b *requestBody) isOver() bool { return b.over.Load() }

func (b *requestBody) retire() {
	b.reading.Lock()
	defer b.reading.Unlock()
	b.retired = true
}

// Close ends a read that is under way: the function wants no more, or has died,
// and the transport waits for that read before it says so.
func (b *requestBody) Close() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.interrupt != nil && b.begun.Load() && !b.over.Load() {
		b.interrupt()
	}
	return nil
}

// release keeps the body from touching the client's connection: its call is over.
func (b *requestBody) release() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.interrupt = nil
}

// forget keeps the body from telling its end.
func (b *requestBody) forget() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.ended = nil
}
