package policy

import (
	"bytes"
	"errors"
	"io"
	"math/rand/v2"
	"os"
	"strings"
	"sync"
	"testing"
	"testing/iotest"
)

// noise is n bytes that repeat nowhere.
func noise(n int) []byte {
	b := make([]byte, n)
	source := rand.NewChaCha8([32]byte{1})
	_, _ = source.Read(b)
	return b
}

func TestSpool_GivesTheSameBytesAgain(t *testing.T) {
	for _, size := range []int{0, 1, spoolMemory - 1, spoolMemory, spoolMemory + 1, 3*spoolMemory + 7} {
		sent := noise(size)
		s := newSpool(bytes.NewReader(sent), 10<<20, &Spools{Folder: t.TempDir()})
		for try := range 3 {
			if got, err := io.ReadAll(&spoolReader{spool: s}); err != nil || !bytes.Equal(got, sent) {
				t.Errorf("%d bytes, try %d: got %d, %v", size, try, len(got), err)
			}
		}
		if onDisk := s.file != nil; onDisk != (size > spoolMemory) || !isClosed(s.whole) {
			t.Errorf("%d bytes: in a file %t, whole %t", size, onDisk, isClosed(s.whole))
		}
		if left, _ := os.ReadDir(s.all.Folder); len(left) != 0 {
			t.Errorf("the file has a name: %v", left)
		}
		s.close()
		if _, err := (&spoolReader{spool: s}).Read(make([]byte, 1)); !errors.Is(err, ErrBodyGone) {
			t.Errorf("after the end: %v", err)
		}
	}
}

func TestSpool_GoesOnWhereTheTryBeforeStopped(t *testing.T) {
	sent := noise(2 * spoolMemory)
	s := newSpool(iotest.HalfReader(bytes.NewReader(sent)), 10<<20, &Spools{Folder: t.TempDir()})
	defer s.close()
	for _, part := range []int{1, 1000, spoolMemory, spoolMemory + 1} {
		reader := &spoolReader{spool: s}
		got := make([]byte, part)
		if _, err := io.ReadFull(reader, got); err != nil || !bytes.Equal(got, sent[:part]) {
			t.Fatalf("the first %d bytes: %v", part, err)
		}
		reader.retired.Store(true)
	}
	if got, err := io.ReadAll(&spoolReader{spool: s}); err != nil || !bytes.Equal(got, sent) {
		t.Errorf("at last: %d bytes, %v", len(got), err)
	}
}

func TestSpool_HasSeveralReadersAtOnce(t *testing.T) {
	sent := noise(2*spoolMemory + 3)
	s := newSpool(iotest.HalfReader(bytes.NewReader(sent)), 10<<20, &Spools{Folder: t.TempDir()})
	defer s.close()
	var readers sync.WaitGroup
	for range 4 {
		readers.Go(func() {
			if got, err := io.ReadAll(&spoolReader{spool: s}); err != nil || !bytes.Equal(got, sent) {
				t.Errorf("%d bytes, %v", len(got), err)
			}
		})
	}
	readers.Wait()
}

// A body past the limit reaches its end, once.
func TestSpool_PastTheLimitThereIsNoOtherTry(t *testing.T) {
	for name, folder := range map[string]string{"limit": t.TempDir(), "no file": "/does/not/exist"} {
		sent := noise(3 * spoolMemory)
		s := newSpool(bytes.NewReader(sent), 2*spoolMemory, &Spools{Folder: folder})
		first := &spoolReader{spool: s}
		if got, err := io.ReadAll(first); err != nil || !bytes.Equal(got, sent) {
			t.Errorf("%s: the first try: %d bytes, %v", name, len(got), err)
		}
		if s.canReplay() || isClosed(s.whole) {
			t.Errorf("%s: it can be replayed", name)
		}
		s.close()
	}
}

// The limit may be passed after another try has begun: that goes on, and those
// before it take nothing away from it.
func TestSpool_TheLimitIsPassedByALaterTry(t *testing.T) {
	sent := noise(100)
	s := newSpool(iotest.OneByteReader(bytes.NewReader(sent)), 50, &Spools{})
	first, second := &spoolReader{spool: s}, &spoolReader{spool: s}
	if _, err := io.ReadFull(first, make([]byte, 20)); err != nil || !s.canReplay() {
		t.Fatal(err)
	}
	first.retired.Store(true)
	got := make([]byte, 60)
	if _, err := io.ReadFull(second, got); err != nil {
		t.Fatal(err)
	}
	if n, err := io.Copy(io.Discard, first); n > 31 || !errors.Is(err, ErrBodyGone) {
		t.Errorf("the first try read on: %d bytes, %v", n, err)
	}
	rest, err := io.ReadAll(second)
	if err != nil || !bytes.Equal(append(got, rest...), sent) {
		t.Errorf("got %d bytes, %v", len(got)+len(rest), err)
	}
}

func TestSpool_PassesFailuresOn(t *testing.T) {
	broken := errors.New("broken")
	s := newSpool(io.MultiReader(strings.NewReader("abc"), iotest.ErrReader(broken)), 50, &Spools{})
	for range 2 {
		if got, err := io.ReadAll(&spoolReader{spool: s}); string(got) != "abc" || err != broken {
			t.Errorf("got %q, %v", got, err)
		}
	}
	if s.canReplay() {
		t.Error("half a body can be replayed")
	}
}

func isClosed(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}
