package front

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync/atomic"
	"time"

	"faas-docker/wire"
)

// door is the listener that net/http accepts from.
type door struct {
	net.Listener
	server *Server
}

// Accept waits for the next client that can be served. net/http waits while descriptors are lacking.
func (d *door) Accept() (net.Conn, error) {
	for {
		accepted, err := d.Listener.Accept()
		if isPassing(err) {
			d.server.tracker.closeOneIdle(d.server.clock.now())
		}
		if err != nil && d.server.tracker.stopping.Load() {
			return nil, http.ErrServerClosed
		}
		if err != nil {
			return nil, err
		}
		tcp, ok := accepted.(*net.TCPConn)
		if !ok {
			accepted.Close()
			return nil, fmt.Errorf("accept a connection of %T: want TCP", accepted)
		}
		if c := d.server.take(tcp); c != nil {
			return c, nil
		}
	}
}

// Close closes the listener, which the tracker may have done before.
func (d *door) Close() error {
	if err := d.Listener.Close(); !errors.Is(err, net.ErrClosed) {
		return err
	}
	return nil
}

// take lets a client in, or turns it away and returns nil.
func (s *Server) take(tcp *net.TCPConn) *conn {
	if !s.mayServeMore() {
		s.turnAway(tcp)
		return nil
	}
	socket, err := wire.New(tcp)
	if err != nil {
		return nil // it is closed already
	}
	s.crowd.enter(socket)
	c := newConn(s, socket)
	if !s.tracker.add(c) {
		socket.Close()
		return nil
	}
	return c
}

// isPassing reports whether accepting may succeed later.
func isPassing(err error) bool {
	var passing interface{ Temporary() bool }
	return errors.As(err, &passing) && passing.Temporary()
}

const (
	// restTime is how long a client must have been idle before its connection is closed in
	// favour of another client's.
	restTime = 2 * tickTime
	// looksAt is how many connections are looked at for an idle one.
	looksAt = 64
	// farewells bounds how many clients are given time to read that they were turned away.
	farewells = 16
)

// crowd counts the connections of clients, those that were handed on or upgraded included.
// The zero value is ready for use.
type crowd struct {
	open, leaving atomic.Int64
	// told is when Crowded was last called, by the server's clock.
	told atomic.Int64
}

// enter counts a connection until it is closed.
func (c *crowd) enter(socket interface{ OnClose(func()) }) {
	c.open.Add(1)
	socket.OnClose(func() { c.open.Add(-1) })
}

// mayServeMore reports whether another client may be served, perhaps because one that was idle
// had to go.
func (s *Server) mayServeMore() bool {
	return s.MaxConns <= 0 || s.crowd.open.Load() < int64(s.MaxConns) || s.tracker.closeOneIdle(s.clock.now())
}

// tellTime is the time between two reports of clients that were turned away.
const tellTime = 10 * time.Second

// tell reports that clients are turned away, now and then.
func (s *Server) tell() {
	now, before := int64(s.clock.now()+tellTime), s.crowd.told.Load()
	if s.Crowded != nil && now-before >= int64(tellTime) && s.crowd.told.CompareAndSwap(before, now) {
		s.Crowded(int(s.crowd.open.Load()))
	}
}

// turnAway tells a client that there are too many. Most get no time to read it, which takes descriptors.
func (s *Server) turnAway(tcp *net.TCPConn) {
	s.tell()
	_ = tcp.SetDeadline(time.Now().Add(drainTime))
	_, _ = io.WriteString(tcp, "HTTP/1.1 503 Service Unavailable\r\nContent-Type: text/plain; charset=utf-8\r\n"+
		"Retry-After: 1\r\nX-OpenFaaS-Internal: proxy\r\nConnection: close\r\n\r\n"+
		"too many connections: the provider's limit of open files allows no more: try again, or raise it (ulimit -n)\n")
	if s.crowd.leaving.Add(1) > farewells {
		s.crowd.leaving.Add(-1)
		tcp.Close()
		return
	}
	go func() {
		defer s.crowd.leaving.Add(-1)
		defer tcp.Close()
		if tcp.CloseWrite() == nil {
			_, _ = io.Copy(io.Discard, io.LimitReader(tcp, drainLimit))
		}
	}()
}
