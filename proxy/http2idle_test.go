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

	"golang.org/x/net/http2"

	"faas-docker/proxy/upstream"
)

// TestLink_FramesWithoutEndEndIt has a function begin to answer, and then send for ever what
// brings the call no further.
func TestLink_FramesWithoutEndEndIt(t *testing.T) {
	t.Parallel()
	const other = 1 // a stream that is over
	for name, send := range map[string]func(f *frames, id uint32) error{
		"empty data":           func(f *frames, id uint32) error { return f.WriteData(id, false, nil) },
		"padding":              func(f *frames, id uint32) error { return f.WriteDataPadded(id, false, nil, []byte{0}) },
		"data of another call": func(f *frames, _ uint32) error { return f.WriteData(other, false, []byte("x")) },
		"end of another call":  func(f *frames, _ uint32) error { return f.WriteData(other, true, nil) },
		"head of another call": func(f *frames, _ uint32) error { return f.tell(other) },
		"reset of another":     func(f *frames, _ uint32) error { return f.WriteRSTStream(other, http2.ErrCodeCancel) },
		"window of another":    func(f *frames, _ uint32) error { return f.WriteWindowUpdate(other, 1) },
		"priority": func(f *frames, id uint32) error {
			return f.WritePriority(id, http2.PriorityParam{StreamDep: 0, Weight: 1})
		},
		"unknown kind":        func(f *frames, id uint32) error { return f.WriteRawFrame(0x77, 0, id, nil) },
		"unknown kind, large": func(f *frames, _ uint32) error { return f.WriteRawFrame(0xbe, 0, 0, make([]byte, 1<<10)) },
		"pings":               func(f *frames, _ uint32) error { return f.WritePing(false, [8]byte{1}) },
		"answers to no ping":  func(f *frames, _ uint32) error { return f.WritePing(true, [8]byte{1}) },
		"settings":            func(f *frames, _ uint32) error { return f.WriteSettings() },
		"thanks for settings": func(f *frames, _ uint32) error { return f.WriteSettingsAck() },
		"goodbyes":            func(f *frames, id uint32) error { return f.WriteGoAway(id, http2.ErrCodeNo, nil) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ended := make(chan error, 1)
			_, base := h2cFiglet(t, framedFunction(t, func(f *frames) {
				first := f.call()
				f.answerOK(first)
				id := f.call()
				go f.drain()
				f.head(id, false, ":status", "200")
				ended <- f.flood(func() error { return send(f, id) })
			}))
			if answer, text := fetch(t, "GET", base, nil); text != "ok" {
				t.Fatalf("%d %q", answer.StatusCode, text)
			}
			// A client that has used its connection before would repeat the call.
			fresh := &http.Transport{DisableKeepAlives: true}
			answer, err := fresh.RoundTrip(request(t, "GET", base, nil))
			var text []byte
			if err == nil {
				text, err = io.ReadAll(answer.Body)
				answer.Body.Close()
			}
			if err == nil && answer.StatusCode != 502 {
				t.Errorf("answered %d %q, which looks whole", answer.StatusCode, text)
			}
			if err := <-ended; err == nil {
				t.Error("the function could go on for ever")
			}
		})
	}
}

// flood sends until the other side has had enough; it gives up after a million frames.
func (f *frames) flood(send func() error) error {
	f.conn.SetDeadline(time.Now().Add(30 * time.Second))
	for range 1_000_000 {
		if err := send(); err != nil {
			return err
		}
	}
	return nil
}

// tell sends a head.
func (f *frames) tell(id uint32) error {
	return f.WriteHeaders(http2.HeadersFrameParam{StreamID: id, BlockFragment: f.request(":status", "200"), EndStream: true, EndHeaders: true})
}

// A head may consist of many parts, but not of any number.
func TestLink_ContinuationsWithoutEndEndIt(t *testing.T) {
	t.Parallel()
	for name, piece := range map[string]string{"empty": "", "short": "\x00\x01x\x01y", "long": strings.Repeat("\x00\x01x\x01y", 3000)} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ended := make(chan error, 1)
			_, base := h2cFiglet(t, framedFunction(t, func(f *frames) {
				id := f.call()
				f.WriteHeaders(http2.HeadersFrameParam{StreamID: id, BlockFragment: f.request(":status", "200")})
				ended <- f.flood(func() error { return f.WriteContinuation(id, false, []byte(piece)) })
			}))
			if answer, text := fetch(t, "POST", base, nil); answer.StatusCode != 502 {
				t.Errorf("answered %d %q", answer.StatusCode, text)
			}
			if err := <-ended; err == nil {
				t.Error("the function could go on for ever")
			}
		})
	}
}

// What interim answers may take is bounded for all of a call together.
func TestInterim_IsBoundedInBytes(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		count, size int
		code        int
		want        int
	}{
		{count: 99, size: 200 << 10, code: 103, want: 502},
		{count: 2, size: 200 << 10, code: 103, want: 502},
		{count: 50, size: 10 << 10, code: 102, want: 502},
		{count: 99, size: 4 << 10, code: 199, want: 502},
		{count: 3, size: 100 << 10, code: 100, want: 502},
		{count: 1, size: 300 << 10, code: 103, want: 502},
		{count: upstream.MaxInformational + 1, size: 1, code: 103, want: 502},
		{count: 1, size: 200 << 10, code: 103, want: 200},
		{count: 20, size: 8 << 10, code: 103, want: 200},
		{count: 50, size: 100, code: 102, want: 200},
		{count: 90, size: 1 << 10, code: 100, want: 200},
	} {
		head := func(size int) string { return strings.Repeat("x", size) }
		http1 := func(conn net.Conn) {
			for reader := bufio.NewReader(conn); ; {
				if _, err := http.ReadRequest(reader); err != nil {
					return
				}
				for range row.count {
					fmt.Fprintf(conn, "HTTP/1.1 %d X\r\nX-Filler: %s\r\n\r\n", row.code, head(row.size))
				}
				fmt.Fprint(conn, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
			}
		}
		framed := func(f *frames) {
			id := f.call()
			for range row.count {
				f.split(id, ":status", fmt.Sprint(row.code), "x-filler", head(row.size))
			}
			f.answerOK(id)
			f.drain()
		}
		name := fmt.Sprintf("%d times %d bytes of %d", row.count, row.size, row.code)
		check := func(t *testing.T, base string) {
			t.Parallel()
			if answer, text := fetch(t, "POST", base, nil); answer.StatusCode != row.want {
				t.Errorf("answered %d %.100q", answer.StatusCode, text)
			}
		}
		t.Run("HTTP1 "+name, func(t *testing.T) {
			h := newHandler(t)
			deploy(t, h, "figlet", rawFunction(t, http1))
			check(t, "http://"+serve(t, h)+"/function/figlet")
		})
		t.Run("HTTP2 "+name, func(t *testing.T) {
			_, base := h2cFiglet(t, framedFunction(t, framed))
			check(t, base)
		})
	}
}

// split sends a head in as many frames as it needs.
func (f *frames) split(id uint32, pairs ...string) {
	block := f.request(pairs...)
	first := block[:min(len(block), upstream.MaxFrame)]
	block = block[len(first):]
	f.WriteHeaders(http2.HeadersFrameParam{StreamID: id, BlockFragment: first, EndHeaders: len(block) == 0})
	for len(block) > 0 {
		next := block[:min(len(block), upstream.MaxFrame)]
		block = block[len(next):]
		f.WriteContinuation(id, len(block) == 0, next)
	}
}
