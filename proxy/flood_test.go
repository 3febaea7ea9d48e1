package proxy

import (
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
