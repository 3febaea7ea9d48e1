package upstream

import (
	"context"
	"io"
	"net"
	"testing"
	"time"

	"faas-docker/wire"
)

func TestSocket_SeveredYieldsWhatHasArrivedFirst(t *testing.T) {
	t.Parallel()
	for _, ended := range []bool{false, true} {
		listener, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer listener.Close()
		var all sockets
		u := &Pool{host: listener.Addr().String()}
		ours, err := u.DialTCP(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		s := &socket{Conn: ours, among: &all}
		all.add(s)
		theirs, err := listener.Accept()
		if err != nil {
			t.Fatal(err)
		}
		defer theirs.Close()
		io.WriteString(theirs, "last")
		if ended {
			theirs.Close()
			awaitEnd(t, ours)
		}
		s.sever(time.Now())
		if got, err := io.ReadAll(s); string(got) != "last" || err != nil {
			t.Errorf("ended=%t: read %q, %v", ended, got, err)
		}
		if s.IsSevered() == ended {
			t.Errorf("ended=%t: severed=%t", ended, !ended)
		}
		s.Close()
		if left := all.all(); len(left) > 0 {
			t.Errorf("%d sockets are open still", len(left))
		}
	}
}

// awaitEnd waits until the other side's end of a connection has arrived.
func awaitEnd(t *testing.T, c *wire.Conn) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	for !c.HasEnded() {
		if ctx.Err() != nil {
			t.Fatal("its end does not arrive")
		}
		select {
		case <-ctx.Done():
		case <-time.After(time.Millisecond):
		}
	}
}
