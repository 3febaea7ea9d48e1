package proxy

import (
	"io"
	"net"
	"net/http"
	"path/filepath"
	"testing"
)

func TestListener_ConnectionsCanStillBeTakenOver(t *testing.T) {
	t.Parallel()
	address := serveBoth(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		conn, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		defer conn.Close()
		if _, copies := conn.(io.ReaderFrom); !copies {
			t.Error("the kernel cannot copy to it")
		}
		if _, copies := conn.(io.WriterTo); !copies {
			t.Error("the kernel cannot copy from it")
		}
		io.WriteString(conn, "taken over")
		if err := conn.(interface{ CloseWrite() error }).CloseWrite(); err != nil {
			t.Error(err)
		}
		io.Copy(io.Discard, conn)
	}))
	conn, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	io.WriteString(conn, "GET / HTTP/1.1\r\nHost: x\r\n\r\n")
	if got, err := io.ReadAll(conn); err != nil || string(got) != "taken over" {
		t.Errorf("read %q, %v", got, err)
	}
}

func TestListener_KnowsWhatAClientSpeaks(t *testing.T) {
	t.Parallel()
	inner, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer inner.Close()
	for said, want := range map[string]bool{"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n": true, "GET / HTTP/1.1\r\n\r\n": false, "PRINT / HTTP/1.1\r\n\r\n": false, "P": false} {
		client, err := net.Dial("tcp", inner.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer client.Close()
		io.WriteString(client, said)
		conn, err := Listener{inner}.Accept()
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		if _, err := io.ReadFull(conn, make([]byte, len(said))); err != nil {
			t.Fatal(err)
		}
		if got := conn.(*clientConn).http2; got != want {
			t.Errorf("%q: HTTP/2 is %v", said, got)
		}
	}
}

func TestListener_TakesTCPOnly(t *testing.T) {
	t.Parallel()
	inner, err := net.Listen("unix", filepath.Join(t.TempDir(), "socket"))
	if err != nil {
		t.Fatal(err)
	}
	defer inner.Close()
	client, err := net.Dial("unix", inner.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	if conn, err := (Listener{inner}).Accept(); err == nil {
		conn.Close()
		t.Error("accepted")
	}
}
