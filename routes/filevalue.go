package routes

import (
	"fmt"
	"os"
	"sync"
	"sync/atomic"
	"time"
)

// fileCheck is how often a file of keys is looked at, when it is in use.
const fileCheck = time.Second

// fileValue is what a file says. It is read again when the file has changed; a file
// that has gone, or says nothing sensible any more, keeps its last value.
type fileValue[T any] struct {
	path   string
	parse  func(content []byte) (T, error)
	failed func(error)
	value  atomic.Pointer[T]
	began  time.Time
	// due is when to look again, in nanoseconds since it began.
	due atomic.Int64
	// mu protects stamp.
	mu    sync.Mutex
	stamp fileStamp
}

// fileStamp tells one content of a file from another.
type fileStamp struct {
	changed time.Time
	size    int64
}

// newFileValue reads a file. Later failures are told to failed.
func newFileValue[T any](path string, parse func([]byte) (T, error), failed func(error)) (*fileValue[T], error) {
	f := &fileValue[T]{path: path, parse: parse, failed: failed, began: time.Now()}
	f.due.Store(int64(fileCheck))
	return f, f.read()
}

// get returns what the file said last.
func (f *fileValue[T]) get() T {
	now, due := int64(time.Since(f.began)), f.due.Load()
	if now > due && f.due.CompareAndSwap(due, now+int64(fileCheck)) {
		if err := f.read(); err != nil {
			f.failed(err)
		}
	}
	return *f.value.Load()
}

// read reads the file if it is another than before.
func (f *fileValue[T]) read() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	info, err := os.Stat(f.path)
	if err != nil {
		return err
	}
	stamp := fileStamp{info.ModTime(), info.Size()}
	if stamp == f.stamp {
		return nil
	}
	content, err := os.ReadFile(f.path)
	if err != nil {
		return err
	}
	value, err := f.parse(content)
	if err != nil {
		return fmt.Errorf("%s: %w", f.path, err)
	}
	f.value.Store(&value)
	f.stamp = stamp
	return nil
}
