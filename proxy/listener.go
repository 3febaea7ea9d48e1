package proxy

import (
	"bytes"
	"fmt"
	"net"
	"runtime"
)

// Listener accepts connections on which many HTTP/2 answers go out in few pieces.
// The standard server writes whenever it has nothing else to do at that moment, be
// it one frame of a call that is about to write two more; giving way before each
// small write lets it, and the calls beside it, add theirs to the next one.
// HTTP/1 is not changed, and neither is what else a connection can do.
type Listener struct {
	// Listener is the one that accepts them; it must be of TCP.
	net.Listener
}

// Accept waits for the next connection.
func (l Listener) Accept() (net.Conn, error) {
	conn, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	tcp, ok := conn.(*net.TCPConn)
	if !ok {
		conn.Close()
		return nil, fmt.Errorf("accept a connection of %T: want TCP", conn)
	}
	return &clientConn{TCPConn: tcp}, nil
}

// clientConn is a connection from a client. All that it does not do itself, such
// as copying within the kernel, is TCP's.
type clientConn struct {
	*net.TCPConn
	// known is set when the client has said what it speaks, and http2 when that is
	// HTTP/2. They are set before anything is written in HTTP/2.
	known, http2 bool
}

// smallWrite is the size up to which a write waits for others.
const smallWrite = 4 << 10

func (c *clientConn) Read(into []byte) (int, error) {
	n, err := c.TCPConn.Read(into)
	if !c.known && n > 0 {
		c.known = true
		// No method of HTTP/1 begins so. A preface that comes in shreds goes unnoticed,
		// which costs nothing but time.
		c.http2 = bytes.HasPrefix(into[:n], []byte("PRI "))
	}
	return n, err
}

func (c *clientConn) Write(piece []byte) (int, error) {
	if c.http2 && len(piece) <= smallWrite {
		runtime.Gosched()
	}
	return c.TCPConn.Write(piece)
}
