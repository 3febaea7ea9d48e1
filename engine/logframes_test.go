package engine

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"time"

	"faas-docker/function"
)

// written encodes a frame as Docker does; at counts seconds.
func written(stream byte, at int, text string) []byte {
	payload := time.Unix(int64(at), 0).UTC().Format(time.RFC3339Nano) + " " + text
	header := make([]byte, 8, 8+len(payload))
	header[0] = stream
	binary.BigEndian.PutUint32(header[4:], uint32(len(payload)))
	return append(header, payload...)
}

func linesOf(t *testing.T, r *lineReader) []string {
	t.Helper()
	var lines []string
	for {
		line, err := r.next()
		if errors.Is(err, io.EOF) {
			return lines
		}
		if err != nil {
			t.Fatal(err)
		}
		if line.Instance != "a" {
			t.Errorf("a line of %q, want a", line.Instance)
		}
		lines = append(lines, fmt.Sprintf("%d %s", line.Time.Unix(), line.Text))
	}
}

func logOf(frames ...[]byte) io.Reader { return bytes.NewReader(slices.Concat(frames...)) }

func TestLineReader_JoinsPartsOfEachStream(t *testing.T) {
	t.Parallel()
	r := newLineReader(logOf(
		written(1, 1, "long "), written(2, 2, "error\n"), written(1, 1, "line "), written(1, 1, "ends\n"),
		written(1, 3, "\n"), written(1, 4, "no newline"),
	), "a", nil)
	got := linesOf(t, r)
	want := []string{"2 error", "1 long line ends", "3 ", "4 no newline"}
	if !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestLineReader_GoesOnWhereAnotherStopped(t *testing.T) {
	t.Parallel()
	all := [][]byte{
		written(1, 1, "one\n"), written(1, 2, "two a\n"), written(2, 2, "err\n"), written(1, 2, "two b\n"),
		written(1, 2, "two c "), written(1, 2, "and more\n"), written(2, 3, "three\n"), written(1, 4, "four\n"),
	}
	want := linesOf(t, newLineReader(logOf(all...), "a", nil))
	for cut := range len(all) + 1 {
		before := newLineReader(logOf(all[:cut]...), "a", nil)
		before.goesOn = true
		got := linesOf(t, before)
		got = append(got, linesOf(t, newLineReader(logOf(all...), "a", before.position()))...)
		if !slices.Equal(got, want) {
			t.Errorf("cut after %d frames: got %q, want %q", cut, got, want)
		}
	}
}

func TestLineReader_BoundsALineWithoutEnd(t *testing.T) {
	t.Parallel()
	part := strings.Repeat("x", 1<<20)
	var frames [][]byte
	for range 17 {
		frames = append(frames, written(1, 1, part))
	}
	r := newLineReader(logOf(frames...), "a", nil)
	line, err := r.next()
	if err != nil || len(line.Text) != maxLine {
		t.Errorf("got %d bytes, %v, want a piece of %d", len(line.Text), err, maxLine)
	}
}

func TestLineReader_RefusesWhatIsNoLog(t *testing.T) {
	t.Parallel()
	for name, log := range map[string]string{
		"plain text":     "this is not a multiplexed stream",
		"engine's error": string(written(systemFrame, 1, "disk gone")),
		"cut off":        string(written(1, 1, "text\n")[:20]),
	} {
		_, err := newLineReader(strings.NewReader(log), "a", nil).next()
		if err == nil || errors.Is(err, io.EOF) && name != "cut off" {
			t.Errorf("%s: got %v, want an error", name, err)
		}
	}
}

func TestPosition_AsksForALittleMoreThanIsMissing(t *testing.T) {
	t.Parallel()
	at := func(s int64) time.Time { return time.Unix(s, 0) }
	cases := []struct {
		name     string
		position position
		earliest time.Time
		want     time.Time
	}{
		{"nothing was read", nil, at(5), at(5)},
		{"the stream that is behind decides", position{1: {at: at(100), seen: 1}, 2: {at: at(50), seen: 1}}, at(5), at(49)},
		{"never before what was asked for", position{1: {at: at(50), seen: 1}}, at(50), at(50)},
	}
	for _, c := range cases {
		if got := c.position.since(c.earliest); !got.Equal(c.want) {
			t.Errorf("%s: got %v, want %v", c.name, got, c.want)
		}
	}
}

func TestMergeLines_SortsByTime(t *testing.T) {
	t.Parallel()
	source := func(times ...int64) lineSource {
		return func() (function.LogLine, error) {
			if len(times) == 0 {
				return function.LogLine{}, io.EOF
			}
			line := function.LogLine{Time: time.Unix(times[0], 0)}
			times = times[1:]
			return line, nil
		}
	}
	var got []int64
	err := mergeLines([]lineSource{source(1, 4, 9), source(), source(2, 3, 10, 11)}, func(line function.LogLine) error {
		got = append(got, line.Time.Unix())
		return nil
	})
	if want := []int64{1, 2, 3, 4, 9, 10, 11}; err != nil || !slices.Equal(got, want) {
		t.Errorf("got %v, %v, want %v", got, err, want)
	}
	stop := errors.New("stop")
	if err := mergeLines([]lineSource{source(1)}, func(function.LogLine) error { return stop }); !errors.Is(err, stop) {
		t.Errorf("got %v, want the error of emit", err)
	}
}

func TestClip_KeepsWholeCharacters(t *testing.T) {
	t.Parallel()
	if got := clip("aé", 2); got != "a" {
		t.Errorf("got %q, want the character that does not fit left out", got)
	}
	if got, want := harmless("a\tb\x1b]52;c;aGk=\x07\r\u009b1m é"), "a\tb\uFFFD]52;c;aGk=\uFFFD\uFFFD\uFFFD1m é"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if got := clip("ab", 2); got != "ab" {
		t.Errorf("got %q, want all of it", got)
	}
}
