package disk

import (
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"faas-docker/function"
	"faas-docker/queue"
	"faas-docker/queue/queuetest"
)

func open(t testing.TB, folder string, options Options) *Queue {
	t.Helper()
	q, err := Open(folder, options)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { q.Close() })
	return q
}

func TestQueue_KeepsTheContract(t *testing.T) {
	queuetest.Run(t, func(t *testing.T) queuetest.Opened {
		folder := t.TempDir()
		var reopen func() queuetest.Opened
		var last *Queue
		reopen = func() queuetest.Opened {
			if last != nil {
				last.Close()
			}
			last = open(t, folder, Options{})
			return queuetest.Opened{Backend: last, Reopen: reopen}
		}
		return reopen()
	})
}

func TestQueue_RefusesWhatHasNoRoom(t *testing.T) {
	q := open(t, t.TempDir(), Options{MaxBytes: 10 << 10})
	accepted := 0
	for range 100 {
		if err := q.Accept(t.Context(), sample("a", 512)); err == nil {
			accepted++
		}
	}
	if accepted < 5 || accepted > 10 {
		t.Errorf("%d calls of about 1 KiB were accepted, want those that 10 KiB hold", accepted)
	}
	if _, err := q.Keep(strings.NewReader(strings.Repeat("x", 1<<20))); !errors.Is(err, queue.ErrFull) {
		t.Errorf("a long body: got %v, want ErrFull", err)
	}
	if left, _ := filepath.Glob(filepath.Join(q.bodies.folder, "*")); len(left) != 0 || q.keeping.Load() != 0 {
		t.Errorf("of a long body without room %v is left, %d bytes are counted", left, q.keeping.Load())
	}
	var together []*queue.Call
	for range 100 {
		together = append(together, sample("b", 512))
	}
	if err := q.Accept(t.Context(), together...); !errors.Is(err, queue.ErrFull) {
		t.Errorf("a hundred at once: got %v, want ErrFull", err)
	}
	claimed, _ := q.Claim("a", 100)
	for _, c := range claimed {
		c.State = queue.Done
		if err := q.Settle(t.Context(), queue.Settlement{Call: c, Then: []*queue.Call{sample("callbacks", 512)}}); err != nil {
			t.Fatal("what is over cannot be written down, or not what follows it: ", err)
		}
	}
	if claimed, _ = q.Claim("callbacks", 100); len(claimed) != accepted {
		t.Errorf("%d callbacks, want %d", len(claimed), accepted)
	}
	for _, c := range claimed {
		c.State = queue.Done
		if err := q.Settle(t.Context(), queue.Settlement{Call: c}); err != nil {
			t.Fatal(err)
		}
	}
	q.options.MaxBytes *= 2 // what is done is remembered, and counts
	if err := q.Accept(t.Context(), sample("a", 512)); err != nil {
		t.Errorf("after all were done: %v", err)
	}
}

func TestQueue_RemovesBodiesThatNoCallHas(t *testing.T) {
	folder := t.TempDir()
	q := open(t, folder, Options{})
	kept, err := q.Keep(strings.NewReader(strings.Repeat("x", 1<<20)))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := q.Keep(strings.NewReader(strings.Repeat("y", 1<<20))); err != nil {
		t.Fatal(err)
	}
	c := sample("a", 0)
	c.Request.Body = kept
	if err := q.Accept(t.Context(), c); err != nil {
		t.Fatal(err)
	}
	q.Close()
	open(t, folder, Options{})
	left, _ := filepath.Glob(filepath.Join(folder, "bodies", "*"))
	if len(left) != 1 || filepath.Base(left[0]) != kept.File {
		t.Errorf("left are %v, want %s", left, kept.File)
	}
}

func TestQueue_SaysWhyItCannotBeOpened(t *testing.T) {
	folder := t.TempDir()
	open(t, folder, Options{})
	if _, err := Open(folder, Options{}); err == nil || !strings.Contains(err.Error(), "open the queue") {
		t.Errorf("a second time: %v", err)
	}
	other := t.TempDir()
	if err := os.WriteFile(filepath.Join(other, "queue.db"), []byte("not a queue at all"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(other, Options{}); err == nil {
		t.Error("a file of something else was opened")
	}
}

func TestQueue_GivesBackTheRoomOfWhatIsOver(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	q := open(t, folder, Options{})
	var calls []*queue.Call
	for range 3000 {
		calls = append(calls, sample("a", 30<<10))
	}
	kept := calls[1234]
	if err := q.Accept(t.Context(), calls...); err != nil {
		t.Fatal(err)
	}
	var over []queue.Settlement
	for _, c := range calls {
		if c != kept {
			c.State, c.Last.Ended = queue.Cancelled, time.Unix(1, 0)
			over = append(over, queue.Settlement{Call: c})
		}
	}
	if err := q.Settle(t.Context(), over...); err != nil {
		t.Fatal(err)
	}
	for {
		gone, err := q.Sweep(queue.Cancelled, time.Now(), 1000)
		if err != nil {
			t.Fatal(err)
		}
		if gone == 0 {
			break
		}
	}
	size := func() int64 {
		info, err := os.Stat(filepath.Join(folder, "queue.db"))
		if err != nil {
			t.Fatal(err)
		}
		return info.Size()
	}
	before := size()
	q.Close()
	q = open(t, folder, Options{})
	if after := size(); before < minCompact || after > 1<<20 {
		t.Errorf("the file had %d bytes, and has %d, want 64 MiB at least, and 1 MiB at most", before, after)
	}
	if got, err := q.Find(kept.ID); err != nil || got.State != queue.Ready || len(got.Request.Body.Inline) != 30<<10 {
		t.Errorf("the one that was left: %v", err)
	}
	if q.bytes.Load() > 40<<10 {
		t.Errorf("%d bytes are counted, want those of one call", q.bytes.Load())
	}
}

func sample(lane string, size int) *queue.Call {
	return &queue.Call{
		Lane: lane, Function: function.Name{Name: lane, Namespace: "openfaas-fn"}, CallID: "0b5bcb3c-3f3e-4c1c-9a2f-2f9f4bd5a1aa",
		Request: queue.Request{
			Method: http.MethodPost, Path: "/", Host: "gateway:8080",
			Header: http.Header{"Content-Type": {"application/json"}, "User-Agent": {"curl/8.0"}, "Accept": {"*/*"}},
			Body:   queue.Body{Inline: make([]byte, size), Size: int64(size)},
		},
	}
}

// BenchmarkAccept accepts calls of 1 KiB by so many callers.
func BenchmarkAccept(b *testing.B) {
	for _, callers := range []int{1, 16, 64, 128} {
		b.Run(fmt.Sprintf("%d callers", callers), func(b *testing.B) {
			q := open(b, b.TempDir(), Options{})
			var left atomic.Int64
			left.Store(int64(b.N))
			ended := make(chan error, callers)
			b.ResetTimer()
			for range callers {
				go func() {
					for left.Add(-1) >= 0 {
						if err := q.Accept(b.Context(), sample("a", 1<<10)); err != nil {
							ended <- err
							return
						}
					}
					ended <- nil
				}()
			}
			for range callers {
				if err := <-ended; err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "calls/s")
		})
	}
}
