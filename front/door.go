package front

import (
	"errors"
	"fmt"
	"net"
	"net/http"

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
