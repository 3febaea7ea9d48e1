package proxy

import (
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/http2"
)

// answersStill checks that a server that was attacked serves others.
func answersStill(t *testing.T, address string) {
	t.Helper()
	began := time.Now()
	answer, text := fetch(t, "GET", "http://"+address+"/function/figlet", nil)
	if answer.StatusCode != 200 || text != "ok" || time.Since(began) > 5*time.Second {
		t.Errorf("answered %d %q after %s", answer.StatusCode, text, time.Since(began))
	}
}

func TestFlood_RapidResetsDoNotTakeTheServerDown(t *testing.T) {
	h := newHandler(t)
	deploy(t, h, "figlet", serve(t, okFunction()))
	address := serveBoth(t, h)
	f := dialFrames(t, address)
	go func() {
		for {
			if _, err := f.ReadFrame(); err != nil {
				return
			}
		}
	}()
	for range 5000 {
		block := f.request(":method", "GET", ":scheme", "http", ":authority", "x", ":path", "/function/figlet")
		if f.WriteHeaders(http2.HeadersFrameParam{StreamID: f.stream, BlockFragment: block, EndStream: true, EndHeaders: true}) != nil {
			break
		}
		if f.WriteRSTStream(f.stream, http2.ErrCodeCancel) != nil {
			break
		}
		f.stream += 2
	}
	answersStill(t, address)
}

func TestFlood_EndlessContinuationsDoNotTakeTheServerDown(t *testing.T) {
	h := newHandler(t)
	deploy(t, h, "figlet", serve(t, okFunction()))
	address := serveBoth(t, h)
	f := dialFrames(t, address)
	block := f.request(":method", "GET", ":scheme", "http", ":authority", "x", ":path", "/function/figlet")
	if err := f.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: block, EndStream: true}); err != nil {
		t.Fatal(err)
	}
	more, sent := f.request("x-filler", strings.Repeat("x", 8<<10)), 0
	for sent < 64<<20 && f.WriteContinuation(1, false, more) == nil {
		sent += len(more)
	}
	if sent >= 64<<20 {
		t.Errorf("the server took %d bytes of a header", sent)
	}
	answersStill(t, address)
}

func TestFlood_PingsAndSettingsDoNotTakeTheServerDown(t *testing.T) {
	h := newHandler(t)
	deploy(t, h, "figlet", serve(t, okFunction()))
	address := serveBoth(t, h)
	f := dialFrames(t, address)
	// Nobody reads the acknowledgements.
	f.conn.SetDeadline(time.Now().Add(3 * time.Second))
	for range 20000 {
		if f.WritePing(false, [8]byte{}) != nil || f.WriteSettings() != nil {
			break
		}
	}
	answersStill(t, address)
}

// A field that was sent before costs a byte, and counts as much as when it was sent first.
func TestFlood_ManyFieldsOverHTTP2AreRefused(t *testing.T) {
	h := newHandler(t)
	deploy(t, h, "figlet", serve(t, okFunction()))
	address := serveFront(t, h)
	f := dialFrames(t, address)
	pairs := []string{":method", "GET", ":scheme", "http", ":authority", "x", ":path", "/function/figlet"}
	for range 5000 {
		pairs = append(pairs, "x-filler", "0123456789")
	}
	if result := f.result(f.send(nil, pairs...)); result != "431" {
		t.Errorf("answered %s", result)
	}
	answersStill(t, address)
}

func TestFlood_AWindowThatGrowsByNothingEndsTheStreamOrTheConnection(t *testing.T) {
	h := newHandler(t)
	waiting := make(chan struct{}, 1)
	deploy(t, h, "figlet", serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/wait" {
			waiting <- struct{}{}
			<-r.Context().Done()
		}
		io.WriteString(w, "ok")
	})))
	address := serveFront(t, h)
	for name, of := range map[string]func(id uint32) uint32{
		"reset: PROTOCOL_ERROR": func(id uint32) uint32 { return id },
		"gone: PROTOCOL_ERROR":  func(uint32) uint32 { return 0 },
	} {
		f := dialFrames(t, address)
		id := f.send(nil, ":method", "GET", ":scheme", "http", ":authority", "x", ":path", "/function/figlet/wait")
		receiveIn(t, waiting, "the function is called")
		if err := f.WriteRawFrame(http2.FrameWindowUpdate, 0, of(id), make([]byte, 4)); err != nil {
			t.Fatal(err)
		}
		if result := f.result(id); result != name {
			t.Errorf("ended with %s, want %s", result, name)
		}
	}
	answersStill(t, address)
}
