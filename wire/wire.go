// Package wire moves bytes over TCP connections in system calls so short that the
// scheduler need not hear of them.
//
// Around every system call the runtime prepares to run something else meanwhile. Where
// nothing else ran, it wakes the thread that would see to that; where the call takes
// more than 20 µs, that thread does, and the goroutine has to queue for a processor
// before it can go on. Calls on a socket that do not block are over sooner, but for the
// odd one in which the kernel runs the receiver: each time, two changes of threads would
// be for nothing, and a goroutine that carries an invocation makes half a dozen such
// calls.
package wire

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"runtime"
	"sync"
	"sync/atomic"
	"syscall"
)

// Conn is a TCP connection whose Read and Write move short pieces without telling the
// scheduler. Everything else is the connection's own. It is made by New, and as safe
// for concurrent use as other connections.
type Conn struct {
	*net.TCPConn
	raw     syscall.RawConn
	in, out transfer
	// probe looks whether the connection is quiet, and says so in quiet.
	probe func(fd uintptr)
	quiet bool
	// closed is called by the first Close; nil means that nothing is.
	closed func()
}

// transfer is one Read or Write under way.
type transfer struct {
	// mu is held by the goroutine that reads, or writes.
	mu sync.Mutex
	// step moves as much as the socket takes, and reports whether that was the end.
	step  func(fd uintptr) bool
	piece []byte
	n     int
	errno syscall.Errno
}

// New returns a connection over tcp, which is the connection's alone from then on.
func New(tcp *net.TCPConn) (*Conn, error) {
	raw, err := tcp.SyscallConn()
	if err != nil {
		return nil, fmt.Errorf("use the socket of %s: %w", tcp.RemoteAddr(), err)
	}
	c := &Conn{TCPConn: tcp, raw: raw}
	// Made once, these cost the calls nothing.
	c.in.step, c.out.step = c.in.read, c.out.write
	c.probe = func(fd uintptr) { _, c.quiet = peek(fd) }
	return c, nil
}

// OnClose has act called by the first Close. It is called before the connection is used by
// more than one goroutine, at most once.
func (c *Conn) OnClose(act func()) { c.closed = sync.OnceFunc(act) }

// Close closes the connection; more than once does no harm but for the error.
func (c *Conn) Close() error {
	err := c.TCPConn.Close()
	if c.closed != nil {
		c.closed()
	}
	return err
}

// Read implements io.Reader.
func (c *Conn) Read(into []byte) (int, error) {
	if !isShort(into) {
		return c.TCPConn.Read(into)
	}
	n, err := c.in.run(into, c.raw.Read)
	if n == 0 && err == nil {
		return 0, io.EOF
	}
	return n, c.explain("read", err)
}

// Write implements io.Writer.
func (c *Conn) Write(piece []byte) (int, error) {
	if !isShort(piece) {
		return c.TCPConn.Write(piece)
	}
	n, err := c.out.run(piece, c.raw.Write)
	return n, c.explain("write", err)
}

// Batching has goroutines that are about to write, or to look for what is still on its way, do
// so together. The zero value is ready to use, by any number of them.
type Batching struct{ waiting atomic.Int32 }

// maxWaiting is how many may wait for others at a time. More of them save little, and
// the slowest calls of a crowd pay for it.
const maxWaiting = 8

// Gather lets other goroutines that can go on do so first, as a rule all of them, unless
// enough are waiting for that already. When the caller goes on, what it looks for has
// more often arrived, so that the look is not in vain; and what many write goes out in one
// burst: its receiver wakes once for all of it, and not for each, which can be most
// of what a short call costs the machine. With no other goroutine to go on it costs a fraction of a
// microsecond.
func (t *Batching) Gather() {
	if t.waiting.Add(1) <= maxWaiting {
		runtime.Gosched()
	}
	t.waiting.Add(-1)
}

func isShort(piece []byte) bool { return len(piece) > 0 && len(piece) <= maxShort }

// run moves a piece. await takes step after step, and waits for the socket in between.
func (t *transfer) run(piece []byte, await func(step func(fd uintptr) bool) error) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.piece, t.n, t.errno = piece, 0, 0
	err := await(t.step)
	t.piece = nil
	if err == nil && t.errno != 0 {
		err = t.errno
	}
	return t.n, err
}

func (t *transfer) read(fd uintptr) bool {
	n, errno := read(fd, t.piece)
	for errno == syscall.EINTR {
		n, errno = read(fd, t.piece)
	}
	switch errno {
	case 0:
		t.n = n
		return true
	case syscall.EAGAIN:
		return false
	}
	t.errno = errno
	return true
}

func (t *transfer) write(fd uintptr) bool {
	for t.n < len(t.piece) {
		n, errno := write(fd, t.piece[t.n:])
		switch errno {
		case 0:
			t.n += n
		case syscall.EINTR:
		case syscall.EAGAIN:
			return false
		default:
			t.errno = errno
			return true
		}
	}
	return true
}

// explain words an error as package net does for a connection's own Read and Write.
func (c *Conn) explain(op string, err error) error {
	switch cause := err.(type) {
	case syscall.Errno:
		err = os.NewSyscallError(op, cause)
	case *net.OpError:
		err = cause.Err
	default:
		return err
	}
	return &net.OpError{Op: op, Net: "tcp", Source: c.LocalAddr(), Addr: c.RemoteAddr(), Err: err}
}

// IsQuiet reports whether the connection is open and nothing has arrived that was not
// read. One goroutine may ask at a time.
func (c *Conn) IsQuiet() bool {
	c.quiet = false
	return c.raw.Control(c.probe) == nil && c.quiet
}

// AwaitEnd waits until the other side has ended the connection, or it was closed here, and reports
// whether it has ended: it is false when something has arrived that was not read, or a read deadline has passed. Nothing is
// taken. One goroutine may ask at a time, and not beside a Read.
func (c *Conn) AwaitEnd() bool {
	ended := false
	err := c.raw.Read(func(fd uintptr) bool {
		arrived, waits := peek(fd)
		ended = !arrived && !waits
		return !waits
	})
	return err == nil && ended || errors.Is(err, net.ErrClosed)
}

// AwaitDeadline waits until a read deadline passes, or the connection is closed, and returns the
// error of that. It reads nothing.
func (c *Conn) AwaitDeadline() error {
	return c.explain("read", c.raw.Read(func(uintptr) bool { return false }))
}

// HasEnded reports whether the other side has ended the connection, or we have closed
// it: all that will ever be read has arrived. Where the system does not tell, it is
// false.
func (c *Conn) HasEnded() bool {
	ended := false
	err := c.raw.Control(func(fd uintptr) { ended = hasEnded(fd) })
	return ended || err != nil
}
