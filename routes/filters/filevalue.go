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

// fileGrace is how long the last value of an unreadable file counts: an editor may be writing it.
const fileGrace = 10 * time.Second

// fileValue is a file's content, parsed, and read again when the file has changed. Of one that is gone or
// says nothing sensible the last value counts for fileGrace, then the zero value, which lets nobody in.
type fileValue[T any] struct {
	folder files.Folder
	path   string
	parse  func(content []byte) (T, error)
	failed func(error)
	value  atomic.Pointer[T]
	// mu protects the fields below: when the file was looked at last, and what it was when it was read.
	mu     sync.Mutex
	looked time.Time
	stamp  fileStamp
	// failing is since when the file cannot be read; zero means that it can.
	failing time.Time
}

type fileStamp struct {
	changed time.Time
	size    int64
}

// newFileValue reads a file for a filter, which is told of in the log if that fails later.
func newFileValue[T any](o Options, filter string, path any, parse func([]byte) (T, error)) (*fileValue[T], error) {
	f := &fileValue[T]{folder: o.Files, path: argument.Text(path), parse: parse, looked: time.Now()}
	f.failed = func(err error) {
		o.Logger.Error("file of a filter not read: what it said last counts a while longer, then nobody is let in", "filter", filter, "for", fileGrace, "err", err)
	}
	return f, f.read()
}

func (f *fileValue[T]) get() T {
	if f.mu.TryLock() { // while one looks, the others take what was there last
		defer f.mu.Unlock()
		if time.Since(f.looked) > fileCheck {
			f.look()
		}
	}
	return *f.value.Load()
}

// look reads the file again. The caller holds mu.
func (f *fileValue[T]) look() {
	f.looked = time.Now()
	err := f.read()
	switch {
	case err == nil:
		f.failing = time.Time{}
	case f.failing.IsZero():
		f.failing = f.looked
		f.failed(err)
	case f.looked.Sub(f.failing) > fileGrace:
		f.value.Store(new(T))
		f.stamp = fileStamp{}
	}
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
