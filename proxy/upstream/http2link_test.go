package upstream

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

func request(t *testing.T, method, url string, body io.Reader) *http.Request {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, url, body)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// inMemory is a link over a pipe, and the function's end of it, which reads all
// that the link says.
func inMemory(t *testing.T) (*link, net.Conn) {
	t.Helper()
	ours, theirs := net.Pipe()
	go io.Copy(io.Discard, theirs)
	go http2.NewFramer(theirs, nil).WriteSettings()
	l, err := newLink(ours, time.Second)
	if err != nil {
		t.Fatal(err)
	}
	return l, theirs
}

// The end of a body goes along with its last piece when both are there before the link is
// written, and else in a frame of its own.
func TestLink_EndsABodyWithItsLastPiece(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		written bool
		want    string
	}{{false, "[one false][two true]"}, {true, "[one false][two false][ true]"}} {
		l := &link{streams: map[uint32]*stream{}}
		l.out.setUp(l.end)
		s := &stream{link: l, id: 1, window: 1 << 20, writable: make(chan struct{}, 1)}
		var sent bytes.Buffer
		for _, piece := range []string{"one", "two"} {
			if err := s.write(t.Context(), []byte(piece), time.Second); err != nil {
				t.Fatal(err)
			}
		}
		if row.written {
			sent.Write(l.out.nextBatch())
		}
		if err := s.finish(nil); err != nil {
			t.Fatal(err)
		}
		sent.Write(l.out.nextBatch())
		got := ""
		for frames := http2.NewFramer(nil, &sent); ; {
			frame, err := frames.ReadFrame()
			if err != nil {
				break
			}
			data := frame.(*http2.DataFrame)
			got += fmt.Sprintf("[%s %t]", data.Data(), data.StreamEnded())
		}
		if got != row.want {
			t.Errorf("written in between %t: %s, want %s", row.written, got, row.want)
		}
	}
}

func TestLink_ClosesWhenNobodyNeedsIt(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l, f := inMemory(t)
		r := request(t, "GET", "http://x/", nil)
		time.Sleep(idleTimeout - time.Second)
		s, err := l.open(&outgoing{Request: &Request{HTTP: r}})
		if err != nil || s == nil {
			t.Fatalf("open: %v", err)
		}
		time.Sleep(3 * idleTimeout)
		if l.gone.Load() {
			t.Error("it ended during a call")
		}
		s.close()
		time.Sleep(idleTimeout - time.Second)
		if l.gone.Load() {
			t.Error("it ended early")
		}
		time.Sleep(2 * time.Second)
		if !l.gone.Load() {
			t.Error("it lives on")
		}
		f.Close()
		synctest.Wait()
	})
}

func TestLink_PingsOfAFunctionThatDoesNotListenEndIt(t *testing.T) {
	t.Parallel()
	ours, theirs := net.Pipe()
	defer theirs.Close()
	go func() {
		// The greeting is the last that it reads.
		io.ReadFull(theirs, make([]byte, len(http2.ClientPreface)))
		greeting := http2.NewFramer(nil, theirs)
		greeting.ReadFrame()
		greeting.ReadFrame()
	}()
	go http2.NewFramer(theirs, nil).WriteSettings()
	l, err := newLink(ours, 5*time.Second)
	if err != nil {
		t.Fatal(err)
	}
	var pings bytes.Buffer
	for framer := http2.NewFramer(&pings, nil); pings.Len() < linkReader; {
		framer.WritePing(false, [8]byte{})
	}
	for err == nil {
		_, err = theirs.Write(pings.Bytes())
	}
	<-l.closed
	if l.mu.Lock(); !errors.Is(l.err, ErrBadAnswer) {
		t.Errorf("it ended with %v", l.err)
	}
	l.mu.Unlock()
}

// Whatever the function sends: every call ends, and the answer is as long as it
// was announced to be.
func FuzzLink(f *testing.F) {
	var seed bytes.Buffer
	framer := http2.NewFramer(&seed, nil)
	var block bytes.Buffer
	coder := hpack.NewEncoder(&block)
	for _, field := range []hpack.HeaderField{{Name: ":status", Value: "200"}, {Name: "content-length", Value: "2"}} {
		coder.WriteField(field)
	}
	framer.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: block.Bytes(), EndHeaders: true})
	framer.WriteData(1, true, []byte("ok"))
	framer.WriteGoAway(1, http2.ErrCodeNo, nil)
	framer.WritePing(false, [8]byte{})
	framer.WriteSettings(http2.Setting{ID: http2.SettingInitialWindowSize, Val: 1})
	framer.WriteRSTStream(3, http2.ErrCodeRefusedStream)
	framer.WriteWindowUpdate(0, 1)
	f.Add(seed.Bytes())
	f.Add([]byte("HTTP/1.1 400 Bad Request\r\n\r\n"))
	f.Fuzz(func(t *testing.T, sent []byte) {
		l, function := inMemory(t)
		var streams []*stream
		for _, method := range []string{"POST", "HEAD"} {
			s, err := l.open(&outgoing{Request: &Request{HTTP: request(t, method, "http://x/", nil)}, hasBody: method == "POST"})
			if err != nil || s == nil {
				t.Fatalf("open: %v", err)
			}
			streams = append(streams, s)
		}
		function.Write(sent)
		function.Close()
		for _, s := range streams {
			checkEnd(t, s)
			s.close()
		}
	})
}

// checkEnd reads an answer to its end.
func checkEnd(t *testing.T, s *stream) {
	var h *Head
	for total := 0; ; {
		if h == nil {
			_, h, _, _ = s.takeHead()
		}
		piece, ended, err := s.takeBody()
		total += len(piece)
		if ended && len(piece) == 0 || err != nil {
			if ended && (h == nil || s.method != "HEAD" && !h.Bodyless(s.method) && h.Length >= 0 && int64(total) != h.Length) {
				t.Errorf("%d bytes behind %+v", total, h)
			}
			return
		}
		if len(piece) == 0 {
			if err := s.await(t.Context(), 5*time.Second); err != nil {
				t.Fatalf("the call hangs: %v", err)
			}
		}
	}
}
