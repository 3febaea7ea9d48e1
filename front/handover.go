package front

import (
	"io"
	"net"
	"sync"

	"faas-docker/wire"
)

// handover is a listener whose connections were accepted, and perhaps read from,
// already.
type handover struct {
	address net.Addr
	conns   chan net.Conn
	closed  chan struct{}
	close   func()
}

func newHandover(address net.Addr) *handover {
	h := &handover{address: address, conns: make(chan net.Conn), closed: make(chan struct{})}
	h.close = sync.OnceFunc(func() { close(h.closed) })
	return h
}

// hand gives a connection to whoever accepts; when nobody does any more, it closes it.
func (h *handover) hand(conn net.Conn) {
	select {
	case h.conns <- conn:
	case <-h.closed:
		conn.Close()
	}
}

func (h *handover) Accept() (net.Conn, error) {
	select {
	case conn := <-h.conns:
		return conn, nil
	case <-h.closed:
		return nil, net.ErrClosed
	}
}

func (h *handover) Close() error {
	h.close()
	return nil
}

func (h *handover) Addr() net.Addr { return h.address }

// handed is a connection of which some bytes have been read already.
type handed struct {
	*wire.Conn
	// ahead is what was read and is still to be given.
	ahead []byte
}

func (h *handed) Read(into []byte) (int, error) {
	if len(h.ahead) == 0 {
		return h.Conn.Read(into)
	}
	n := copy(into, h.ahead)
	h.ahead = h.ahead[n:]
	return n, nil
}

// WriteTo is what io.Copy uses; the connection's own would forget what was read.
func (h *handed) WriteTo(to io.Writer) (int64, error) {
	n, err := to.Write(h.ahead)
	h.ahead = h.ahead[n:]
	if err != nil {
		return int64(n), err
	}
	more, err := h.Conn.WriteTo(to)
	return int64(n) + more, err
}

// smallWrite is the size up to which a write of HTTP/2 waits for others.
const smallWrite = 4 << 10

// stream is a connection that speaks HTTP/2. The server of net/http writes whenever
// it has nothing else to do at that moment, be it one frame of a call that is about to
// write two more; giving way before each small write lets it, and the calls beside it,
// add theirs to the next one.
type stream struct {
	*handed
	turns *wire.Turns
}

func (s stream) Write(piece []byte) (int, error) {
	if len(piece) <= smallWrite {
		s.turns.GiveWay()
	}
	return s.Conn.Write(piece)
}
