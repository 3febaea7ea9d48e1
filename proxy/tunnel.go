package proxy

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"sync"
)

// tunnels keeps track of the connections that were upgraded: the server has
// forgotten them. The zero value is ready for use.
type tunnels struct {
	mu     sync.Mutex
	open   map[*tunnel]struct{}
	closed bool
	// empty is closed when the last one has ended; nil while nobody waits.
	empty chan struct{}
}

// add reports false when no more tunnels are wanted.
func (t *tunnels) add(one *tunnel) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.closed {
		return false
	}
	if t.open == nil {
		t.open = map[*tunnel]struct{}{}
	}
	t.open[one] = struct{}{}
	return true
}

func (t *tunnels) remove(one *tunnel) {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.open, one)
	if len(t.open) == 0 && t.empty != nil {
		close(t.empty)
		t.empty = nil
	}
}

// drain refuses newcomers and returns a channel that is closed when none is left.
func (t *tunnels) drain() <-chan struct{} {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.closed = true
	if len(t.open) == 0 {
		none := make(chan struct{})
		close(none)
		return none
	}
	if t.empty == nil {
		t.empty = make(chan struct{})
	}
	return t.empty
}

// cut closes all that are left.
func (t *tunnels) cut() {
	t.mu.Lock()
	defer t.mu.Unlock()
	for one := range t.open {
		one.close()
	}
}

// shutdown waits for the tunnels to end, and cuts them when ctx ends first.
func (t *tunnels) shutdown(ctx context.Context) error {
	drained := t.drain()
	select {
	case <-drained:
		return nil
	case <-ctx.Done():
	}
	t.cut()
	<-drained
	return ctx.Err()
}

// tunnel joins a client and a function that have agreed on another protocol.
type tunnel struct {
	client   net.Conn
	function *conn
	silence  *silence
}

func (t *tunnel) close() {
	t.client.Close()
	t.function.Close()
}

// switchProtocols passes a 101 on and then bytes, in both directions, until both
// sides have ended.
func (x *exchange) switchProtocols(h head) error {
	if err := x.checkUpgrade(h); err != nil {
		return x.blame(err)
	}
	if !x.stopWatching() {
		return errClientGone
	}
	if err := x.conn.arrived(true); err != nil {
		return x.broken(err)
	}
	client, buffered, err := http.NewResponseController(x.call.w).Hijack()
	if err != nil {
		return fmt.Errorf("take over the client's connection: %w", err)
	}
	x.call.code = h.code
	t := &tunnel{client: client, function: x.conn}
	t.silence = watchSilence(x.call.policy.IdleTimeout, t.close)
	defer t.silence.stop()
	defer t.close()
	if !x.call.handler.tunnels.add(t) {
		return nil
	}
	defer x.call.handler.tunnels.remove(t)
	t.run(x.switchHead(h), x.reader, buffered.Reader)
	return nil
}

func (x *exchange) checkUpgrade(h head) error {
	if x.out.upgrade == "" || !hasToken(x.out.upgrade, h.upgrade) {
		return fmt.Errorf("%w: switches to %q when %q was asked for", errBadAnswer, h.upgrade, x.out.upgrade)
	}
	if x.pump != nil && !x.settle() {
		return fmt.Errorf("%w: switches protocols within a request", errBadAnswer)
	}
	return nil
}

// switchHead is the head of a 101 as the client gets it.
func (x *exchange) switchHead(h head) []byte {
	b := append([]byte("HTTP/1.1 "), strconv.Itoa(h.code)...)
	b = append(b, " Switching Protocols\r\nConnection: Upgrade\r\n"...)
	b = appendField(b, "Upgrade", h.upgrade)
	for _, f := range h.fields {
		if !isConnection(f.key) && !isIdentity(f.key) && !framesMessage(f.key) && !h.listed(f.key) {
			b = appendField(b, f.key, f.value)
		}
	}
	b = appendField(b, "X-Call-Id", x.call.id)
	b = appendField(b, "X-Start-Time", x.call.start)
	return append(b, "\r\n"...)
}

// run writes first to each side what has come already, then joins them.
func (t *tunnel) run(first []byte, fromFunction, fromClient *bufio.Reader) {
	var upward sync.WaitGroup
	upward.Go(func() { t.pass(t.function.TCPConn, t.client, taken(fromClient)) })
	t.pass(t.client, t.function.TCPConn, append(first, taken(fromFunction)...))
	upward.Wait()
}

// taken is what a reader has read ahead.
func taken(reader *bufio.Reader) []byte {
	ahead, _ := reader.Peek(reader.Buffered())
	return ahead
}

// pass copies one direction. Its end is passed on; a failure ends both.
func (t *tunnel) pass(to, from net.Conn, first []byte) {
	if _, err := to.Write(first); err != nil {
		t.close()
		return
	}
	if _, err := io.Copy(to, t.silence.from(from)); err != nil {
		t.close()
		return
	}
	half, ok := to.(interface{ CloseWrite() error })
	if !ok || t.function.severed.Load() || half.CloseWrite() != nil {
		t.close()
	}
}
