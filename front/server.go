// Package front accepts the clients' connections: plain calls are carried by its Lane, and every
// other request is net/http's, once its head has been judged.
package front

import (
	"cmp"
	"context"
	"errors"
	"net"
	"net/http"
	"sync/atomic"
	"time"

	"faas-docker/wire"
)

// Server is a server of net/http with a Lane before it. Set HTTP before use. A Server serves one
// listener, of TCP, once. The writers that it gives to the handler have a method
// HasBegun() bool: whether the answer has a status already.
type Server struct {
	// HTTP serves the requests that the Lane does not carry. Its Handler, ReadHeaderTimeout,
	// IdleTimeout and ErrorLog hold; its ReadTimeout and WriteTimeout must be zero. Its own
	// Serve, Shutdown and Close are the Server's to call, and so are its Handler, ConnState,
	// ConnContext and HTTP2 once it serves. A zero ReadHeaderTimeout or IdleTimeout means no limit.
	HTTP *http.Server
	// Lane is given every request of HTTP/1 first; nil means that there is none.
	Lane Lane
	// StallTimeout is how long a client may take to accept a piece of an answer; one
	// that takes longer is cut off: in HTTP/2 the stream, or the connection when that
	// takes nothing at all. For calls of the Lane it is looked after once a second. Zero
	// means 60 s.
	StallTimeout time.Duration
	// MaxConns bounds the connections of clients, upgraded ones included. With more, idle
	// ones are closed, and without any the newcomers are answered 503. Zero means no bound.
	MaxConns int
	// Crowded is called when clients are turned away, with the number of those that are
	// connected, and no more often than every ten seconds. It must return soon; nil means
	// that nothing is.
	Crowded func(open int)
	// Underscores says what becomes of request fields with an underscore in their names.
	Underscores Underscores

	clock
	batching wire.Batching
	large    largeBuffers
	crowd    crowd
	tracker  tracker
}

// Serve accepts connections until Shutdown or Close is called, then returns
// http.ErrServerClosed; any other error is the listener's. It closes the listener.
func (s *Server) Serve(listener net.Listener) error {
	s.tracker.mu.Lock()
	s.prepare()
	s.tracker.listener = listener
	stopping := s.tracker.stopping.Load()
	s.tracker.mu.Unlock()
	if stopping {
		listener.Close()
		return http.ErrServerClosed
	}
	// It outlives the listener: requests under way still want it.
	go s.sweep()
	err := s.HTTP.Serve(&door{Listener: listener, server: s})
	if !errors.Is(err, http.ErrServerClosed) {
		s.Close()
	}
	return err
}

// prepare completes the zero value. The caller holds the tracker's mu.
func (s *Server) prepare() {
	if !s.tracker.prepare() {
		return
	}
	s.clock.start()
	s.HTTP.Handler = s.watchOver(s.HTTP.Handler)
	s.HTTP.HTTP2 = boundedWrites(s.HTTP.HTTP2, s.stallTimeout())
	s.HTTP.ConnState = s.follow
	s.HTTP.ConnContext = withCall
}

// speaksHTTP2 reports whether HTTP's Protocols have HTTP/2 without TLS.
func (s *Server) speaksHTTP2() bool {
	return s.HTTP.Protocols != nil && s.HTTP.Protocols.UnencryptedHTTP2()
}

// longestHead is how much net/http reads of a head, in bytes, before it answers 431.
func (s *Server) longestHead() int {
	// Twice what it does not count: what lies in its buffer already.
	const slop = 8 << 10
	return cmp.Or(s.HTTP.MaxHeaderBytes, http.DefaultMaxHeaderBytes) + slop
}

// follow hears from net/http when it has done with a request, or with a connection.
func (s *Server) follow(of net.Conn, state http.ConnState) {
	c := of.(*conn)
	switch state {
	case http.StateIdle:
		c.leave()
	case http.StateHijacked:
		c.enter(through)
		s.tracker.remove(c)
	case http.StateClosed:
		c.Conn.Close() // it may think that the Lane does
		s.tracker.remove(c)
	}
}

// Shutdown stops to accept connections, closes those that are idle, and waits until
// the requests under way have been answered, or ctx ends; then it returns the
// context's error and leaves them to Close. Upgraded connections are not waited for.
func (s *Server) Shutdown(ctx context.Context) error {
	empty := s.stop()
	err := s.HTTP.Shutdown(ctx)
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
	s.tracker.closeAll()
	return s.HTTP.Close()
}

func (s *Server) stallTimeout() time.Duration { return cmp.Or(max(0, s.StallTimeout), 60*time.Second) }

// stop lets no further request begin, and returns a channel that is closed when no connection is left.
func (s *Server) stop() <-chan struct{} {
	s.tracker.mu.Lock()
	defer s.tracker.mu.Unlock()
	s.prepare()
	return s.tracker.stop()
}

// sweep moves the clock, and closes connections that have been idle for too long, or whose clients do not
// read: once a second, which costs the requests nothing. It ends with the last connection, or by Close.
func (s *Server) sweep() {
	ticker := time.NewTicker(tickTime)
	defer ticker.Stop()
	for {
		select {
		case <-s.tracker.empty:
			return
		case <-s.tracker.closed.Done():
			return
		case <-ticker.C:
		}
		s.clock.tick()
		s.tracker.sweep(s.clock.now(), s.stallTimeout())
	}
}

// tickTime is the time between two ticks.
const tickTime = time.Second

// clock tells the time as it was when it last ticked, which costs nothing, and the Date field.
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

func (c *clock) tick() {
	now := time.Now()
	c.ticked.Store(int64(now.Sub(c.began)))
	date := "Date: " + now.UTC().Format(http.TimeFormat) + "\r\n"
	c.date.Store(&date)
}

func (c *clock) now() time.Duration { return time.Duration(c.ticked.Load()) }

// dateField is the line "Date: ..." with its end.
func (c *clock) dateField() string { return *c.date.Load() }
