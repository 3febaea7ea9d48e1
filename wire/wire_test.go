package wire

import (
	"bytes"
	"crypto/rand"
	"errors"
	"io"
	"net"
	"os"
	"runtime"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// pair is a connection and its other end.
func pair(t testing.TB) (*Conn, *net.TCPConn) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	dialed, err := net.Dial("tcp", listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	accepted, err := listener.Accept()
	if err != nil {
		t.Fatal(err)
	}
	c, err := New(dialed.(*net.TCPConn))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		c.Close()
		accepted.Close()
	})
	return c, accepted.(*net.TCPConn)
}

func TestConn_ReadsAndWritesPiecesOfAnyLength(t *testing.T) {
	for _, length := range []int{1, 13, maxShort - 1, maxShort, maxShort + 1, 4 << 20} {
		c, other := pair(t)
		sent := make([]byte, length)
		_, _ = rand.Read(sent)
		echoed := make(chan error, 1)
		go func() {
			_, err := io.CopyN(other, other, int64(length))
			echoed <- err
		}()
		var wrote sync.WaitGroup
		wrote.Go(func() {
			if n, err := c.Write(sent); n != length || err != nil {
				t.Errorf("Write of %d bytes = %d, %v", length, n, err)
			}
		})
		got := make([]byte, length)
		if _, err := io.ReadFull(c, got); err != nil || !bytes.Equal(got, sent) {
			t.Errorf("%d bytes came back otherwise: %v", length, err)
		}
		wrote.Wait()
		if err := <-echoed; err != nil {
			t.Errorf("the other end: %v", err)
		}
	}
}

// TestConn_WaitsForAReaderThatIsSlow writes more than the kernel keeps, in short
// pieces.
func TestConn_WaitsForAReaderThatIsSlow(t *testing.T) {
	c, other := pair(t)
	sent := make([]byte, 8<<20)
	_, _ = rand.Read(sent)
	go func() {
		for rest := sent; len(rest) > 0; {
			n, err := c.Write(rest[:min(len(rest), 31<<10)])
			if err != nil {
				t.Errorf("Write: %v", err)
				break
			}
			rest = rest[n:]
		}
		c.Close()
	}()
	got, err := io.ReadAll(other)
	if err != nil || !bytes.Equal(got, sent) {
		t.Errorf("read %d of %d bytes, or others: %v", len(got), len(sent), err)
	}
}

func TestConn_ReadsTheEnd(t *testing.T) {
	c, other := pair(t)
	if _, err := io.WriteString(other, "last"); err != nil {
		t.Fatal(err)
	}
	other.Close()
	got, err := io.ReadAll(c)
	if string(got) != "last" || err != nil {
		t.Errorf("ReadAll = %q, %v", got, err)
	}
	if n, err := c.Read(make([]byte, 1)); n != 0 || err != io.EOF {
		t.Errorf("Read after the end = %d, %v, want io.EOF", n, err)
	}
}

// TestConn_FailsAsConnectionsDo compares with what package net reports.
func TestConn_FailsAsConnectionsDo(t *testing.T) {
	past := time.Unix(1, 0)
	for name, test := range map[string]struct {
		spoil func(c *Conn, other *net.TCPConn)
		fails func(c *Conn) (int, error)
		want  error
	}{
		"a read that takes too long": {
			func(c *Conn, _ *net.TCPConn) { _ = c.SetReadDeadline(time.Now().Add(time.Millisecond)) },
			func(c *Conn) (int, error) { return c.Read(make([]byte, 1)) }, os.ErrDeadlineExceeded,
		},
		"a write after its deadline": {
			func(c *Conn, _ *net.TCPConn) { _ = c.SetWriteDeadline(past) },
			func(c *Conn) (int, error) { return c.Write([]byte("x")) }, os.ErrDeadlineExceeded,
		},
		"a read of what is closed": {
			func(c *Conn, _ *net.TCPConn) { c.Close() },
			func(c *Conn) (int, error) { return c.Read(make([]byte, 1)) }, net.ErrClosed,
		},
		"a write to what is closed": {
			func(c *Conn, _ *net.TCPConn) { c.Close() },
			func(c *Conn) (int, error) { return c.Write([]byte("x")) }, net.ErrClosed,
		},
		"a read of what was reset": {
			func(_ *Conn, other *net.TCPConn) {
				_ = other.SetLinger(0)
				other.Close()
			},
			func(c *Conn) (int, error) { return c.Read(make([]byte, 1)) }, syscall.ECONNRESET,
		},
	} {
		t.Run(name, func(t *testing.T) {
			c, other := pair(t)
			test.spoil(c, other)
			n, err := test.fails(c)
			if n != 0 || !errors.Is(err, test.want) {
				t.Errorf("= %d, %v, want %v", n, err, test.want)
			}
			var worded *net.OpError
			if !errors.As(err, &worded) || worded.Op != "read" && worded.Op != "write" {
				t.Errorf("the error is %#v, want a *net.OpError of a read or a write", err)
			}
		})
	}
}

// TestConn_CloseEndsAReadThatWaits also shows that a Write goes on beside it.
func TestConn_CloseEndsAReadThatWaits(t *testing.T) {
	c, other := pair(t)
	read := make(chan error, 1)
	go func() {
		_, err := c.Read(make([]byte, 1))
		read <- err
	}()
	if _, err := io.WriteString(c, "beside"); err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadFull(other, make([]byte, len("beside"))); err != nil {
		t.Fatal(err)
	}
	c.Close()
	if err := <-read; !errors.Is(err, net.ErrClosed) {
		t.Errorf("Read = %v, want %v", err, net.ErrClosed)
	}
}

// TestConn_SaysHowMuchWasWritten fills what the kernel keeps, until nothing more goes in
// for a while.
func TestConn_SaysHowMuchWasWritten(t *testing.T) {
	c, other := pair(t)
	var written int64
	for {
		if err := c.SetWriteDeadline(time.Now().Add(50 * time.Millisecond)); err != nil {
			t.Fatal(err)
		}
		n, err := c.Write(make([]byte, 31<<10))
		written += int64(n)
		if err == nil {
			continue
		}
		if !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Fatalf("Write = %v, want %v", err, os.ErrDeadlineExceeded)
		}
		break
	}
	c.Close()
	if read, err := io.Copy(io.Discard, other); read != written || err != nil {
		t.Errorf("%d bytes were said to be written, %d came: %v", written, read, err)
	}
}

func TestConn_IsQuiet(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("Windows does not tell; there no connection is used twice")
	}
	c, other := pair(t)
	if !c.IsQuiet() {
		t.Error("a new connection is not quiet")
	}
	if _, err := io.WriteString(other, "unasked"); err != nil {
		t.Fatal(err)
	}
	awaitNoise(t, c)
	if _, err := io.ReadFull(c, make([]byte, len("unasked"))); err != nil {
		t.Fatal(err)
	}
	if !c.IsQuiet() {
		t.Error("it is not quiet again when all has been read")
	}
	other.Close()
	awaitNoise(t, c)
	c.Close()
	if c.IsQuiet() {
		t.Error("it is quiet when it is closed")
	}
}

// awaitNoise waits until what the other end did has arrived.
func awaitNoise(t *testing.T, c *Conn) {
	t.Helper()
	for deadline := time.Now().Add(5 * time.Second); c.IsQuiet(); {
		if time.Now().After(deadline) {
			t.Fatal("the connection stays quiet")
		}
		time.Sleep(time.Millisecond)
	}
}

// goesFirst counts in how many of 100 attempts a goroutine that can go on does so before
// Gather returns.
func goesFirst(batching *Batching) (count int) {
	for range 100 {
		var done atomic.Bool
		var other sync.WaitGroup
		other.Go(func() { done.Store(true) })
		batching.Gather()
		if done.Load() {
			count++
		}
		other.Wait()
	}
	return count
}

func TestBatching_LetOthersGoOnUnlessEnoughAreWaiting(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	var batching Batching
	if count := goesFirst(&batching); count < 50 {
		t.Errorf("with no goroutine waiting, others went on in %d of 100 turns", count)
	}
	batching.waiting.Store(maxWaiting)
	if count := goesFirst(&batching); count > 50 {
		t.Errorf("with enough waiting, others went on in %d of 100 turns all the same", count)
	}
	if waiting := batching.waiting.Load(); waiting != maxWaiting {
		t.Errorf("%d are counted as waiting, want the %d from before", waiting, maxWaiting)
	}
}

// BenchmarkConn compares a request and its answer of 13 bytes with what package net
// needs for it.
func BenchmarkConn(b *testing.B) {
	for name, of := range map[string]func(*Conn) net.Conn{
		"wire": func(c *Conn) net.Conn { return c },
		"net":  func(c *Conn) net.Conn { return c.TCPConn },
	} {
		b.Run(name, func(b *testing.B) {
			c, other := pair(b)
			go func() { _, _ = io.Copy(struct{ io.Writer }{other}, struct{ io.Reader }{other}) }()
			conn, piece := of(c), make([]byte, 13)
			b.ReportAllocs()
			for b.Loop() {
				if _, err := conn.Write(piece); err != nil {
					b.Fatal(err)
				}
				if _, err := io.ReadFull(conn, piece); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
