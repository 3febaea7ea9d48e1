package front

import (
	"encoding/binary"
	"errors"
	"time"
)

const (
	// maxIdleFrames is how many frames of HTTP/2 a client may send in a row that bring no
	// request on: empty pieces of bodies and heads, priorities, frames of unknown kinds.
	maxIdleFrames = 10_000
	// maxControls is how many pings and settings it may send within a second.
	maxControls = 10_000
	// frameHead is the length of a frame's head, prefaceLength of a connection's preface (RFC 9113, 4.1 and 3.4).
	frameHead     = 9
	prefaceLength = len(wholePreface)
)

// The kinds and flags of frames (RFC 9113, 6).
const (
	frameData, frameHeaders, frameReset, frameSettings = 0, 1, 3, 4
	framePing, frameWindow, frameContinuation          = 6, 8, 9

	flagEndStream, flagEndHeaders, flagPadded = 0x1, 0x4, 0x8
)

var errIdleFrames = errors.New("client sends frames that bring no request on")

// frames follows the frames that a client sends, without keeping them. net/http reads for ever
// what brings no request on.
type frames struct {
	// skip is the number of bytes until the end of the present frame, or of the preface.
	skip int
	// head are the bytes that have come of the next frame's, and padding is set when its first byte of
	// payload says how much of it is padding.
	head    []byte
	flags   byte
	padding bool

	idle, controls int
	since          time.Time
}

func newFrames() *frames { return &frames{skip: prefaceLength, head: make([]byte, 0, frameHead)} }

func (f *frames) follow(piece []byte) error {
	for len(piece) > 0 {
		switch {
		case f.padding:
			f.padding = false
			f.skip--
			if err := f.data(f.skip - int(piece[0])); err != nil {
				return err
			}
			piece = piece[1:]
		case f.skip > 0:
			n := min(f.skip, len(piece))
			f.skip -= n
			piece = piece[n:]
		default:
			n := min(frameHead-len(f.head), len(piece))
			f.head = append(f.head, piece[:n]...)
			piece = piece[n:]
			if len(f.head) < frameHead {
				return nil
			}
			if err := f.begin(); err != nil {
				return err
			}
			f.head = f.head[:0]
		}
	}
	return nil
}

// begin judges a frame by its head.
func (f *frames) begin() error {
	f.skip = int(binary.BigEndian.Uint32(f.head) >> 8)
	f.flags = f.head[4]
	switch kind := f.head[3]; kind {
	case frameData:
		if f.padding = f.flags&flagPadded != 0 && f.skip > 0; f.padding {
			return nil
		}
		return f.data(f.skip)
	case frameHeaders:
		f.idle = 0
	case frameContinuation:
		if f.skip == 0 && f.flags&flagEndHeaders == 0 {
			return f.fruitless()
		}
	case framePing, frameSettings:
		return f.control()
	case frameReset, frameWindow:
	default:
		return f.fruitless()
	}
	return nil
}

func (f *frames) data(length int) error {
	if length <= 0 && f.flags&flagEndStream == 0 {
		return f.fruitless()
	}
	f.idle = 0
	return nil
}

func (f *frames) fruitless() error {
	if f.idle++; f.idle > maxIdleFrames {
		return errIdleFrames
	}
	return nil
}

func (f *frames) control() error {
	if f.controls++; f.controls < maxControls {
		return nil
	}
	if now := time.Now(); now.Sub(f.since) > time.Second {
		f.since, f.controls = now, 0
		return nil
	}
	return errIdleFrames
}
