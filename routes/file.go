package routes

import (
	"bytes"
	"context"
	"crypto/sha256"
	"fmt"
	"os"
	"sync"
	"time"

	"faas-docker/function/clock"
	"faas-docker/routes/eskip"
	"faas-docker/routes/files"
)

const (
	// maxFile is the size of the largest file that is read.
	maxFile = 16 << 20
	// settleTime is how long a changed file must stay the same: editors empty a file before they fill it.
	settleTime = 50 * time.Millisecond
)

// File is a Source that reads a file of rules. It is polled, and looks at the content
// alone: replacing the file, a link to it or a mounted directory all work.
type File struct {
	path string
	// mu protects the fields below.
	mu    sync.Mutex
	hash  [sha256.Size]byte // of what was read last
	rules []eskip.Rule
}

// NewFile makes a source of the file at path, which need not exist yet.
func NewFile(path string) *File { return &File{path: path} }

// Name returns the path.
func (f *File) Name() string { return f.path }

// Changed is nil: a file is polled.
func (f *File) Changed() <-chan struct{} { return nil }

// LoadAll reads the file if it has changed. A file that is missing is an error.
func (f *File) LoadAll(ctx context.Context) ([]eskip.Rule, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	content, err := readFile(f.path)
	if err != nil {
		return nil, err
	}
	if sha256.Sum256(content) == f.hash {
		return f.rules, nil
	}
	if content, err = f.settled(ctx, content); err != nil {
		return nil, err
	}
	f.hash, f.rules = sha256.Sum256(content), eskip.ParseEach(string(content))
	return f.rules, nil
}

func (f *File) settled(ctx context.Context, content []byte) ([]byte, error) {
	for {
		if err := clock.Sleep(ctx, settleTime); err != nil {
			return nil, fmt.Errorf("read %q: it keeps changing: %w", f.path, err)
		}
		again, err := readFile(f.path)
		if err != nil || bytes.Equal(content, again) {
			return again, err
		}
		content = again
	}
}

func readFile(path string) ([]byte, error) {
	file, _, err := files.OpenRegular(path, os.Stat, os.OpenFile)
	if err != nil {
		return nil, fmt.Errorf("read routes: %w", err)
	}
	defer func() { _ = file.Close() }()
	content, err := files.ReadAtMost(file, path, maxFile)
	if err != nil {
		return nil, fmt.Errorf("read routes: %w", err)
	}
	return content, nil
}
