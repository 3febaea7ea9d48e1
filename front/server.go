// Package front takes plain HTTP/1.1 requests off the wire, and hands everything
// else to net/http.
//
// Most requests are plain: a head that is in order, and a body with a length, or in
// chunks, or none. Those it reads and answers itself, one goroutine to a connection,
// at about half of what they cost in net/http. Whatever is not plain beyond doubt
// (HTTP/2, HTTP/1.0, upgrades, announced trailers, all that is malformed) goes to
// net/http with the bytes that were read, and is served by the same handler.
package front

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"faas-docker/wire"
)

// Server is a server of net/http with a faster way for plain requests. Set HTTP
// before use. A Server serves one listener, of TCP, once. The writers that it gives to the
// handler have a method HasBegun() bool: whether the answer has a status already. Those of
// plain requests also have Reuse(*http.Request), by which a handler whose request and writer
// nobody keeps gives their memory to later requests; and their bodies have HasArrived() bool:
// whether all of it is here already.
type Server struct {
	// HTTP serves what is not plain. Its Handler, ReadHeaderTimeout, IdleTimeout
	// and ErrorLog hold for what is; its ReadTimeout and WriteTimeout must be zero,
	// and its BaseContext, ConnContext and ConnState are not called for plain
	// requests. Its own Serve, Shutdown and Close are the Server's to call, and so are
	// its Handler and HTTP2 once it serves. A zero ReadHeaderTimeout or IdleTimeout means
	// no limit, as in net/http.
	HTTP *http.Server
	// StallTimeout is how long a client may take to accept a piece of an answer; one
	// that takes longer is cut off: in HTTP/2 the stream, or the connection when that
	// takes nothing at all. For plain requests it is looked after once a second. Zero
	// means 60 s.
	StallTimeout time.Duration

	// handler answers the requests.
	handler http.Handler
	// once serves what is left of HTTP/1: one request to a connection, so that no
	// later one passes by the rules of this package.
	once *http.Server
	clock
	buffers   buffers
	exchanges exchanges
	turns     wire.Turns
	// stopping is set, under mu, when no further request is wanted.
	stopping atomic.Bool

	// mu protects the fields below.
	mu       sync.Mutex
	listener net.Listener
	conns    map[*conn]struct{}
	// empty is closed when the last connection has ended and no other will come; closed is
	// by end, when the server is told to close.
	empty, closed chan struct{}
	end           func()
}

// Serve accepts connections until Shutdown or Close is called, then returns
// http.ErrServerClosed; any other error is the listener's. It closes the listener.
func (s *Server) Serve(listener net.Listener) error {
	streams, single := newHandover(listener.Addr()), newHandover(listener.Addr())
	if !s.start(listener) {
		listener.Close()
		return http.ErrServerClosed
	}
	var servers sync.WaitGroup
	servers.Go(func() { _ = s.HTTP.Serve(streams) })
	servers.Go(func() { _ = s.once.Serve(single) })
	// It outlives the listener: what is being answered still wants it.
	go s.sweep()
	err := s.accept(listener, streams, single)
	if !errors.Is(err, http.ErrServerClosed) {
		s.Close()
	}
	servers.Wait()
	return err
}

// start claims the server for a listener.
func (s *Server) start(listener net.Listener) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.prepare()
	s.listener = listener
	return !s.stopping.Load()
}

// prepare makes what the zero value lacks.
func (s *Server) prepare() {
	if s.conns != nil {
		return
	}
	s.conns = map[*conn]struct{}{}
	s.empty, s.closed = make(chan struct{}), make(chan struct{})
	s.end = sync.OnceFunc(func() { close(s.closed) })
	s.clock.start()
	s.handler = s.HTTP.Handler
	s.HTTP.Handler = s.watchOver(s.handler)
	s.HTTP.HTTP2 = boundedWrites(s.HTTP.HTTP2, s.stallTimeout())
	s.once = &http.Server{
		Handler:           s.HTTP.Handler,
		MaxHeaderBytes:    s.HTTP.MaxHeaderBytes,
		ReadHeaderTimeout: s.HTTP.ReadHeaderTimeout,
		ErrorLog:          s.HTTP.ErrorLog,
	}
	s.once.SetKeepAlivesEnabled(false)
}

// accept gives every connection a goroutine.
func (s *Server) accept(listener net.Listener, streams, single *handover) error {
	backoff := time.Duration(0)
	for {
		accepted, err := listener.Accept()
		if err != nil && s.stopping.Load() {
			return http.ErrServerClosed
		}
		if err != nil && isPassing(err) {
			// There are too many open files, most likely: others will be closed.
			backoff = min(max(2*backoff, 5*time.Millisecond), time.Second)
			time.Sleep(backoff)
			continue
		}
		if err != nil {
			return err
		}
		backoff = 0
		tcp, ok := accepted.(*net.TCPConn)
		if !ok {
			accepted.Close()
			return fmt.Errorf("accept a connection of %T: want TCP", accepted)
		}
		socket, err := wire.New(tcp)
		if err != nil {
			// It is closed already.
			continue
		}
		c := newConn(s, socket, streams, single)
		if !s.add(c) {
			tcp.Close()
			return http.ErrServerClosed
		}
		go c.serve()
	}
}

// isPassing reports whether accepting may succeed later.
func isPassing(err error) bool {
	var passing interface{ Temporary() bool }
	return errors.As(err, &passing) && passing.Temporary()
}

// Shutdown stops to accept connections, closes those that are idle, and waits until
// the requests under way have been answered, or ctx ends; then it returns the
// context's error and leaves them to Close. Upgraded connections are not waited for.
func (s *Server) Shutdown(ctx context.Context) error {
	empty := s.stop()
	err := errors.Join(s.HTTP.Shutdown(ctx), s.once.Shutdown(ctx))
	select {
	case <-empty:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Close closes the listener and every connection at once, upgraded ones excepted.
func (s *Server) Close() error {
	s.stop()
	s.end()
	s.mu.Lock()
	for c := range s.conns {
		c.tcp.Close()
	}
	s.mu.Unlock()
	return errors.Join(s.HTTP.Close(), s.once.Close())
}

// stop closes what is idle and returns a channel that is closed when no connection
// is left.
func (s *Server) stop() <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.prepare()
	stopped := s.stopping.Swap(true)
	if s.listener != nil {
		s.listener.Close()
	}
	for c := range s.conns {
		c.closeIfIdle(never)
	}
	if !stopped && len(s.conns) == 0 {
		close(s.empty)
	}
	return s.empty
}

func (s *Server) add(c *conn) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.stopping.Load() {
		return false
	}
	s.conns[c] = struct{}{}
	return true
}

func (s *Server) remove(c *conn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.conns, c)
	if len(s.conns) == 0 && s.stopping.Load() {
		close(s.empty)
	}
}

// sweep closes connections that have been idle for too long, or whose clients do not
// read: once a second for all of them, which costs the requests nothing. It also moves
// the clock. It ends with the last connection, or when the server is closed.
func (s *Server) sweep() {
	ticker := time.NewTicker(tickTime)
	defer ticker.Stop()
	for {
		select {
		case <-s.empty:
			return
		case <-s.closed:
			return
		case <-ticker.C:
		}
		s.clock.tick()
		now := s.clock.now()
		s.mu.Lock()
		for c := range s.conns {
			c.closeIfIdle(now)
			c.closeIfStalled(now)
		}
		s.mu.Unlock()
	}
}

// tickTime is the time between two ticks.
const tickTime = time.Second

// clock tells the time as it was when it last ticked, which costs nothing, and words it
// for the Date field.
type clock struct {
	began time.Time
	// ticked is the time of the last tick since the server began; a wall clock that
	// jumps does not move it.
	ticked atomic.Int64
	date   atomic.Pointer[string]
}

func (c *clock) start() {
	c.began = time.Now()
	c.tick()
}

// tick takes a look at the clock.
func (c *clock) tick() {
	now := time.Now()
	c.ticked.Store(int64(now.Sub(c.began)))
	date := "Date: " + now.UTC().Format(http.TimeFormat) + "\r\n"
	c.date.Store(&date)
}

func (c *clock) now() time.Duration { return time.Duration(c.ticked.Load()) }

// dateField is the line "Date: ..." with its end.
func (c *clock) dateField() string { return *c.date.Load() }
