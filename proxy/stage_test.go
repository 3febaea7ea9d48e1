package proxy

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"faas-docker/front"
)

// stage is a raw client before the handler and a raw function behind it. Both
// speak bytes: no library corrects them.
type stage struct {
	*testing.T
	handler *Handler
	seen    *witness
	client  *peerConn
	address string
	arrived chan *peerConn
}

// peerConn is one end of a connection, with deadlines on everything.
type peerConn struct {
	net.Conn
	t *testing.T
	*bufio.Reader
}

func newPeer(t *testing.T, conn net.Conn) *peerConn {
	conn.SetDeadline(time.Now().Add(5 * time.Second))
	return &peerConn{Conn: conn, t: t, Reader: bufio.NewReader(conn)}
}

func (p *peerConn) Read(b []byte) (int, error) { return p.Reader.Read(b) }

func (p *peerConn) say(format string, args ...any) {
	p.t.Helper()
	if _, err := fmt.Fprintf(p.Conn, format, args...); err != nil {
		p.t.Fatalf("write: %v", err)
	}
}

// head reads up to and with the blank line.
func (p *peerConn) head() string {
	p.t.Helper()
	var text strings.Builder
	for {
		line, err := p.ReadString('\n')
		text.WriteString(line)
		if err != nil {
			p.t.Fatalf("read head: %v after %q", err, text.String())
		}
		if line == "\r\n" {
			return text.String()
		}
	}
}

func (p *peerConn) bytes(n int) string {
	p.t.Helper()
	b := make([]byte, n)
	if got, err := io.ReadFull(p.Reader, b); err != nil {
		p.t.Fatalf("read %d bytes: %v after %q", n, err, b[:got])
	}
	return string(b)
}

// rest reads to the end of the connection; a reset is an end, too.
func (p *peerConn) rest() string {
	p.t.Helper()
	b, err := io.ReadAll(p.Reader)
	if timeout, ok := err.(net.Error); ok && timeout.Timeout() {
		p.t.Fatalf("the connection stays open after %q", b)
	}
	return string(b)
}

// newStage has the server that the program has.
func newStage(t *testing.T) *stage {
	t.Helper()
	return newStageWith(t, serveFront)
}

// serveFront runs a handler behind the program's own server.
func serveFront(t testing.TB, h http.Handler) string {
	t.Helper()
	lane, _ := h.(front.Lane)
	return serveWith(t, h, func(full *http.Server) server {
		return &front.Server{HTTP: full, Lane: lane, StallTimeout: time.Second}
	})
}

// serveFull runs a handler behind net/http alone.
func serveFull(t testing.TB, h http.Handler) string {
	t.Helper()
	return serveWith(t, h, func(full *http.Server) server { return full })
}

type server interface {
	Serve(net.Listener) error
	Close() error
}

func serveWith(t testing.TB, h http.Handler, wrap func(*http.Server) server) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	protocols := new(http.Protocols)
	protocols.SetHTTP1(true)
	protocols.SetUnencryptedHTTP2(true)
	s := wrap(&http.Server{Handler: h, Protocols: protocols, MaxHeaderBytes: 64 << 10, ReadHeaderTimeout: 10 * time.Second})
	ended := make(chan struct{})
	go func() { defer close(ended); _ = s.Serve(listener) }()
	t.Cleanup(func() { s.Close(); <-ended })
	return listener.Addr().String()
}

func newStageWith(t *testing.T, serve func(testing.TB, http.Handler) string) *stage {
	t.Helper()
	s := &stage{T: t, handler: newHandler(t), seen: newWitness(), arrived: make(chan *peerConn, 10)}
	s.handler.Observer = s.seen
	release := make(chan struct{})
	t.Cleanup(func() { close(release) })
	prove(t, s.handler, deploy(t, s.handler, "f", rawFunction(t, func(conn net.Conn) { s.arrived <- newPeer(t, conn); <-release })))
	s.address = serve(t, s.handler)
	s.client = s.dial()
	return s
}

func (s *stage) dial() *peerConn {
	s.Helper()
	conn, err := net.Dial("tcp", s.address)
	if err != nil {
		s.Fatal(err)
	}
	s.Cleanup(func() { conn.Close() })
	return newPeer(s.T, conn)
}

// function waits until the handler connects to the function.
func (s *stage) function() *peerConn {
	s.Helper()
	select {
	case conn := <-s.arrived:
		return conn
	case <-time.After(5 * time.Second):
		s.Fatal("the function was not called")
		return nil
	}
}

// untouched fails when the function was called after all.
func (s *stage) untouched() {
	s.Helper()
	select {
	case <-s.arrived:
		s.Error("the function was called")
	default:
	}
}

func (s *stage) has(text string, wanted ...string) {
	s.Helper()
	for _, want := range wanted {
		if !strings.Contains(text, want) {
			s.Errorf("missing %q in\n%s", want, text)
		}
	}
}

func (s *stage) hasNot(text string, unwanted ...string) {
	s.Helper()
	for _, not := range unwanted {
		if strings.Contains(strings.ToLower(text), strings.ToLower(not)) {
			s.Errorf("unwanted %q in\n%s", not, text)
		}
	}
}

const getF = "GET /function/f HTTP/1.1\r\nHost: x\r\n\r\n"

// get sends a plain request and returns the function's end.
func (s *stage) get() *peerConn {
	s.Helper()
	s.client.say(getF)
	f := s.function()
	f.head()
	return f
}
