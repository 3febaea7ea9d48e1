package front

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"testing"
	"time"
)

// rawFrame is a frame of HTTP/2 on stream 1, or of the connection.
func rawFrame(kind, flags byte, id uint32, payload string) string {
	head := binary.BigEndian.AppendUint32(nil, uint32(len(payload))<<8|uint32(kind))
	return string(binary.BigEndian.AppendUint32(append(head, flags), id)) + payload
}

func TestFrames_AreCutThatBringNoRequestOn(t *testing.T) {
	t.Parallel()
	for name, row := range map[string]struct {
		frame string
		cut   bool
	}{
		"empty data":              {rawFrame(frameData, 0, 1, ""), true},
		"padding":                 {rawFrame(frameData, flagPadded, 1, "\x03\x00\x00\x00"), true},
		"padding of nothing":      {rawFrame(frameData, flagPadded, 1, "\x00"), true},
		"more padding than frame": {rawFrame(frameData, flagPadded, 1, "\x09\x00"), true},
		"priority":                {rawFrame(2, 0, 1, "\x00\x00\x00\x00\x01"), true},
		"unknown kind":            {rawFrame(0x77, 0, 1, ""), true},
		"unknown kind, long":      {rawFrame(0xfe, 0xff, 0, "payload that looks like \x00\x00\x01\x00\x00"), true},
		"promise":                 {rawFrame(5, 0, 1, "\x00\x00\x00\x02"), true},
		"empty continuation":      {rawFrame(frameContinuation, 0, 1, ""), true},
		"goodbye":                 {rawFrame(7, 0, 0, "\x00\x00\x00\x00\x00\x00\x00\x00"), true},
		"pings":                   {rawFrame(framePing, 0, 0, "12345678"), true},
		"settings":                {rawFrame(frameSettings, 0, 0, ""), true},
		"data":                    {rawFrame(frameData, 0, 1, "x"), false},
		"data with padding":       {rawFrame(frameData, flagPadded, 1, "\x02x\x00\x00"), false},
		"end of a body":           {rawFrame(frameData, flagEndStream, 1, ""), false},
		"head":                    {rawFrame(frameHeaders, flagEndHeaders, 1, "\x82"), false},
		"end of a head":           {rawFrame(frameContinuation, flagEndHeaders, 1, ""), false},
		"continuation":            {rawFrame(frameContinuation, 0, 1, "\x82"), false},
		"window":                  {rawFrame(frameWindow, 0, 0, "\x00\x00\x00\x01"), false},
		"reset":                   {rawFrame(frameReset, 0, 1, "\x00\x00\x00\x08"), false},
		"nine empty to one":       {rawFrame(frameData, 0, 1, "x") + rawFrame(frameData, 0, 1, "") + rawFrame(2, 0, 1, "\x00\x00\x00\x00\x01"), false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f, random := newFrames(), rand.New(rand.NewPCG(1, 2))
			err := f.follow([]byte("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + rawFrame(frameSettings, 0, 0, "")))
			for range 3 * maxIdleFrames {
				if err != nil {
					break
				}
				for rest := []byte(row.frame); len(rest) > 0 && err == nil; {
					n := 1 + random.IntN(len(rest))
					err = f.follow(rest[:n])
					rest = rest[n:]
				}
			}
			if cut := errors.Is(err, errIdleFrames); cut != row.cut {
				t.Errorf("cut: %t, want %t", cut, row.cut)
			}
		})
	}
}

// Pings that come one after the other are answered for as long as they come.
func TestFrames_PingsNowAndThenAreFine(t *testing.T) {
	t.Parallel()
	f := newFrames()
	f.skip = 0
	for range 5 * maxControls {
		// Each a hundredth of a second after the other.
		f.since = f.since.Add(-10 * time.Millisecond)
		if err := f.follow([]byte(rawFrame(framePing, 0, 0, "12345678"))); err != nil {
			t.Fatal(err)
		}
	}
}

// A client that floods a server is cut, and others are served.
func TestFrames_AFloodEndsItsConnection(t *testing.T) {
	t.Parallel()
	_, address := start(t, func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		io.WriteString(w, "ok")
	})
	conn, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(20 * time.Second))
	// POST / of x, without its body.
	fmt.Fprint(conn, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"+rawFrame(frameSettings, 0, 0, "")+rawFrame(frameHeaders, flagEndHeaders, 1, "\x83\x86\x84\x41\x01x"))
	go io.Copy(io.Discard, conn)
	for range 2_000_000 {
		if _, err = io.WriteString(conn, rawFrame(frameData, 0, 1, "")); err != nil {
			break
		}
	}
	if err == nil {
		t.Error("the client could go on for ever")
	}
	_, reader := visit(t, address, getting("/"))
	if status, _, _ := readCode(t, reader); status != 200 {
		t.Errorf("another client is answered %d", status)
	}
}
