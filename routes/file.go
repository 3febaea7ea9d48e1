package routes

import (
	"bytes"
	"context"
	"crypto/sha256"
	"fmt"
	"io"
	"os"
	"sync"
	"time"
)

const (
	// maxFile is the size of the largest file that is read.
	maxFile = 16 << 20
	// settleTime is how long a changed file must stay the same to be believed: an
	// editor empties a file before it fills it.
	settleTime = 50 * time.Millisecond
)

// File is a Source that reads a file of rules. It is polled, and looks at the content
// alone: replacing the file, a link to it or a mounted directory all work.
type File struct {
	path string
	// mu protects the fields below.
	mu    sync.Mutex
	hash  [sha256.Size]byte
	rules []Rule
	read  bool
}

// NewFile makes a source of the file at path, which need not exist yet.
func NewFile(path string) *File { return &File{path: path} }

// Name returns the path.
func (f *File) Name() string { return f.path }

// Changed is nil: a file is polled.
func (f *File) Changed() <-chan struct{} { return nil }

// LoadAll reads the file if it has changed. A file that is missing is an error.
func (f *File) LoadAll(ctx context.Context) ([]Rule, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	content, err := readFile(f.path)
	if err != nil {
		return nil, err
	}
	if f.read && sha256.Sum256(content) == f.hash {
		return f.rules, nil
	}
	if content, err = f.settled(ctx, content); err != nil {
		return nil, err
	}
	f.hash, f.rules, f.read = sha256.Sum256(content), parseEach(string(content)), true
	return f.rules, nil
}

// settled reads the file until it stays the same.
func (f *File) settled(ctx context.Context, content []byte) ([]byte, error) {
	for {
		select {
		case <-time.After(settleTime):
		case <-ctx.Done():
			return nil, fmt.Errorf("read %q: it keeps changing: %w", f.path, ctx.Err())
		}
		again, err := readFile(f.path)
		if err != nil || bytes.Equal(content, again) {
			return again, err
		}
		content = again
	}
}

func readFile(path string) ([]byte, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("read routes: %w", err)
	}
	defer func() { _ = file.Close() }()
	content, err := io.ReadAll(io.LimitReader(file, maxFile+1))
	if err != nil {
		return nil, fmt.Errorf("read routes: %w", err)
	}
	if len(content) > maxFile {
		return nil, fmt.Errorf("read routes: %q is larger than %d MiB", path, maxFile>>20)
	}
	return content, nil
}
