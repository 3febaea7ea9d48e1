package filters

import (
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"faas-docker/routes/argument"
	"faas-docker/routes/files"
)

// fileCheck is how often a file of keys is looked at, when it is in use.
const fileCheck = time.Second

// longestFile is the size of the largest file that a filter reads, in bytes.
const longestFile = 1 << 20

// fileValue is the content of a file, parsed. It is read again when the file has changed; a file
// that has gone, or says nothing sensible any more, keeps its last value.
type fileValue[T any] struct {
	folder files.Folder
	path   string
	parse  func(content []byte) (T, error)
	failed func(error)
	value  atomic.Pointer[T]
	// mu protects when the file was looked at last, and what it was then.
	mu     sync.Mutex
	looked time.Time
	stamp  fileStamp
}

// fileStamp tells one content of a file from another.
type fileStamp struct {
	changed time.Time
	size    int64
}

// newFileValue reads a file for a filter, which is told of in the log if that fails later.
func newFileValue[T any](o Options, filter string, path any, parse func([]byte) (T, error)) (*fileValue[T], error) {
	f := &fileValue[T]{folder: o.Files, path: argument.Text(path), parse: parse, looked: time.Now()}
	f.failed = func(err error) {
		o.Logger.Warn("file of a filter not read: what it said last stays", "filter", filter, "err", err)
	}
	return f, f.read()
}

// get returns the last good content.
func (f *fileValue[T]) get() T {
	if f.mu.TryLock() { // while one looks, the others take what was there last
		defer f.mu.Unlock()
		if time.Since(f.looked) > fileCheck {
			f.looked = time.Now()
			if err := f.read(); err != nil {
				f.failed(err)
			}
		}
	}
	return *f.value.Load()
}

// read reads the file if it is another than before. The caller holds mu, or is alone.
func (f *fileValue[T]) read() error {
	file, info, err := f.folder.Open(f.path)
	if err != nil {
		return err
	}
	defer func() { _ = file.Close() }()
	stamp := fileStamp{info.ModTime(), info.Size()}
	if stamp == f.stamp {
		return nil
	}
	content, err := files.ReadAtMost(file, f.path, longestFile)
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
