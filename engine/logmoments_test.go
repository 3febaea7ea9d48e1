package engine

import (
	"encoding/binary"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"time"
)

// framed encodes a frame that was written at a moment, in nanoseconds after some other.
func framed(stream byte, at int64, text string) []byte {
	payload := time.Unix(1_700_000_000, at).UTC().Format(time.RFC3339Nano) + " " + text
	header := make([]byte, 8, 8+len(payload))
	header[0] = stream
	binary.BigEndian.PutUint32(header[4:], uint32(len(payload)))
	return append(header, payload...)
}

// sequence is frames of one stream: "a@101" is the line a, written at 101; without "." at its
// end, which stands for no newline.
func sequence(text string) []byte {
	var all []byte
	for _, word := range strings.Fields(text) {
		stream := byte(1)
		if rest, found := strings.CutPrefix(word, "!"); found {
			stream, word = 2, rest
		}
		line, at, _ := strings.Cut(word, "@")
		var moment int64
		fmt.Sscan(at, &moment)
		line, part := strings.CutSuffix(line, ".")
		if !part {
			line += "\n"
		}
		all = append(all, framed(stream, moment, line)...)
	}
	return all
}

func TestLineReader_WhatIsReadTwiceComesOnce(t *testing.T) {
	t.Parallel()
	for name, row := range map[string]struct{ frames, want string }{
		"in order":                          {"a@101 b@102 c@103", "a b c"},
		"read again from the beginning":     {"a@101 b@102 c@103 a@101 b@102 c@103 d@104", "a b c d"},
		"read again in part":                {"a@101 b@102 c@103 b@102 c@103 d@104", "a b c d"},
		"only the last again":               {"a@101 b@102 b@102 c@103", "a b c"},
		"again and again":                   {"a@101 b@102 a@101 b@102 c@103 a@101 b@102 c@103 d@104", "a b c d"},
		"again within what comes again":     {"a@101 b@102 c@103 a@101 a@101 b@102 c@103 d@104", "a b c d"},
		"a line in parts":                   {"a.@101 b.@101 c@101 d@102", "abc d"},
		"a line in parts, read again":       {"a.@101 b.@101 c@101 d@102 a.@101 b.@101 c@101 d@102 e@103", "abc d e"},
		"read again within a line in parts": {"x@101 a.@103 b.@103 x@101 a.@103 b.@103 c@103 d@104", "x abc d"},
		"a line in equal parts":             {"a.@101 a.@101 a@101 a@102", "aaa a"},
		"the other stream in between":       {"a@101 !x@102 b@103 a@101 !x@102 b@103 !y@104 c@105", "a x b y c"},
		"only the other stream again":       {"a@101 !x@102 !y@103 !x@102 !y@103 b@104", "a x y b"},
		"the same text at other times":      {"a@101 a@102 a@103 a@104", "a a a a"},
		"a clock set back":                  {"a@2000101 b@2000102 c@1000107 d@1000108", "a b c d"},
		"a clock set back, then read again": {"a@2000101 b@2000102 c@1000107 d@1000108 c@1000107 d@1000108 e@1000109", "a b c d e"},
		"of one microsecond":                {"a@1000 b@1000 a@1000 c@2000", "a b a c"},
		"of one microsecond, read again":    {"a@1000 b@1000 c@2000 a@1000 b@1000 c@2000 d@3000", "a b c d"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newLineReader(strings.NewReader(string(sequence(row.frames))), "a", nil)
			var got []string
			for {
				line, err := r.next()
				if err == io.EOF {
					break
				}
				if err != nil {
					t.Fatal(err)
				}
				got = append(got, line.Text)
			}
			if want := strings.Fields(row.want); !slices.Equal(got, want) {
				t.Errorf("got %q, want %q", got, want)
			}
		})
	}
}

// A follow may end and go on anywhere; what was read before does not come again, nor when it
// is read twice then.
func TestLineReader_GoesOnExactlyOnce(t *testing.T) {
	t.Parallel()
	all := sequence("a@101 !x@102 b@103 c.@104 d@104 !y@105 e@106 f@107")
	var frames [][]byte
	for rest := all; len(rest) > 0; {
		size := 8 + int(binary.BigEndian.Uint32(rest[4:]))
		frames, rest = append(frames, rest[:size]), rest[size:]
	}
	for first := range frames {
		for from := range frames {
			r := newLineReader(strings.NewReader(string(slices.Concat(frames[:first+1]...))), "a", nil)
			r.goesOn = true
			got := linesText(t, r)
			again := slices.Concat(slices.Concat(frames[:from]...), all)
			r = newLineReader(strings.NewReader(string(again)), "a", r.position())
			got = append(got, linesText(t, r)...)
			slices.Sort(got)
			if want := []string{"a", "b", "cd", "e", "f", "x", "y"}; !slices.Equal(got, want) {
				t.Errorf("after %d frames, and %d read twice: %q", first+1, from, got)
			}
		}
	}
}

func linesText(t *testing.T, r *lineReader) []string {
	t.Helper()
	var all []string
	for {
		line, err := r.next()
		if err == io.EOF {
			return all
		}
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, line.Text)
	}
}

func TestMoments_ForgetWhatIsLongAgo(t *testing.T) {
	t.Parallel()
	var m moments
	at := func(i int) time.Time { return time.Unix(1_700_000_000, int64(i)*1_000_001+1) }
	for i := range 3 * maxMoments {
		if m.repeats(at(i), false) {
			t.Fatalf("%d is said to be old", i)
		}
	}
	if len(m.times) > maxMoments {
		t.Errorf("%d moments are kept", len(m.times))
	}
	for _, i := range []int{0, 1, maxMoments, 3*maxMoments - 2} {
		if m.last = at(3 * maxMoments).Sub(m.origin); !m.repeats(at(i), false) {
			t.Errorf("%d is said to be new", i)
		}
	}
}
