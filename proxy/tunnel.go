package proxy

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"os"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"faas-docker/grammar"
	"faas-docker/proxy/upstream"
)

// tunnels keeps track of the connections that were upgraded: the server has
// forgotten them. The zero value is ready for use.
type tunnels struct {
	mu     sync.Mutex
	open   map[*tunnel]struct{}
	closed bool
	// ended waits for those that are open.
	ended sync.WaitGroup
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
	t.ended.Add(1)
	return true
}

func (t *tunnels) remove(one *tunnel) {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.open, one)
	t.ended.Done()
}

// drain refuses newcomers and returns a channel that is closed when none is left.
func (t *tunnels) drain() <-chan struct{} {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.closed = true
	drained := make(chan struct{})
	go func() {
		t.ended.Wait()
		close(drained)
	}()
	return drained
}

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
	function *upstream.Conn
	silence  *silence
	// patience is how long nothing may move when one side has ended, and alone watches over
	// that then; nil before.
	patience time.Duration
	alone    atomic.Pointer[silence]
}

func (t *tunnel) close() {
	t.client.Close()
	t.function.Close()
}

// Switch passes a 101 on and then bytes, in both directions, until both sides have ended.
func (a *attempt) Switch(h upstream.Head, function *upstream.Conn, ahead []byte) error {
	c := a.call
	// Whoever stands around the call sees the head of the answer before it goes out.
	c.copyFields(c.w.Header(), h)
	client, buffered, err := http.NewResponseController(c.w).Hijack()
	if err != nil {
		return fmt.Errorf("take over the client's connection: %w", err)
	}
	c.code = h.Code
	t := &tunnel{client: client, function: function, patience: c.handler.stallTimeout()}
	t.silence = watchSilence(c.policy.IdleTimeout, t.close)
	defer t.silence.stop()
	// The call's own time, and whoever cancels the request, end it.
	defer context.AfterFunc(c.r.Context(), t.close)()
	defer t.close()
	if !c.handler.tunnels.add(t) {
		return nil
	}
	defer c.handler.tunnels.remove(t)
	t.run(append(c.switchHead(h), ahead...), buffered.Reader)
	return nil
}

// switchHead is the head of a 101 as the client gets it.
func (c *client) switchHead(h upstream.Head) []byte {
	b := append([]byte("HTTP/1.1 "), strconv.Itoa(h.Code)...)
	b = append(b, " Switching Protocols\r\nConnection: Upgrade\r\n"...)
	b = upstream.AppendField(b, "Upgrade", h.Upgrade)
	header := c.w.Header()
	for _, key := range slices.Sorted(maps.Keys(header)) {
		if grammar.RoleOf(key) == grammar.OfConnection || grammar.Frames(key) {
			continue
		}
		for _, value := range header[key] {
			b = upstream.AppendField(b, key, value)
		}
	}
	return append(b, "\r\n"...)
}

// run writes first to each side what has come already, then joins them.
func (t *tunnel) run(first []byte, fromClient *bufio.Reader) {
	ahead, _ := fromClient.Peek(fromClient.Buffered())
	var upward sync.WaitGroup
	upward.Go(func() { t.pass(t.function.TCPConn, t.client, ahead) })
	t.pass(t.client, t.function.TCPConn, first)
	upward.Wait()
	if alone := t.alone.Load(); alone != nil {
		alone.stop()
	}
}

// pass copies one direction. Its end is passed on; a failure ends both.
func (t *tunnel) pass(to, from net.Conn, first []byte) {
	if _, err := to.Write(first); err != nil {
		t.close()
		return
	}
	if err := t.copy(to, from); err != nil {
		t.close()
		return
	}
	half, ok := to.(interface{ CloseWrite() error })
	if !ok || t.function.IsSevered() || half.CloseWrite() != nil {
		t.close()
		return
	}
	t.hasten(to)
}

// copy copies one direction to its end. The kernel does so, until the other direction has ended.
func (t *tunnel) copy(to, from net.Conn) error {
	_, err := io.Copy(to, t.silence.from(from))
	alone := t.alone.Load()
	if alone == nil || !errors.Is(err, os.ErrDeadlineExceeded) {
		return err
	}
	if err := from.SetReadDeadline(time.Time{}); err != nil {
		return err
	}
	_, err = io.Copy(to, alone.from(t.silence.from(from)))
	return err
}

// hasten bounds the silence of the side that may not have noticed that the other has ended.
func (t *tunnel) hasten(from net.Conn) {
	if t.alone.CompareAndSwap(nil, watchSilence(t.patience, t.close)) {
		// It has copy look at what passes. It fails only on a closed connection.
		_ = from.SetReadDeadline(time.Unix(1, 0))
	}
}
