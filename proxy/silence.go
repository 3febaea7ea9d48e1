package proxy

import (
	"io"
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

// watchSilence calls act when broken was not called for as long as limit. A limit of zero means never.
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
	return &idleReader{source, s}
}

type idleReader struct {
	io.Reader
	silence *silence
}

func (n *idleReader) Read(p []byte) (int, error) {
	count, err := n.Reader.Read(p)
	if err == nil {
		n.silence.broken()
	}
	return count, err
}
