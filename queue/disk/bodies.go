package disk

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/google/uuid"

	"faas-docker/queue"
)

// maxInline is how long a body may be that is kept with its call, in bytes.
const maxInline = 32 << 10

// bodies are the long bodies, each a file of its own.
type bodies struct{ folder string }

// Keep implements queue.Backend. A long body is on the disk when it returns.
func (q *Queue) Keep(body io.Reader) (queue.Body, error) {
	inline, err := io.ReadAll(io.LimitReader(body, maxInline+1))
	if err != nil {
		return queue.Body{}, err
	}
	if len(inline) <= maxInline {
		return queue.Body{Inline: inline, Size: int64(len(inline))}, nil
	}
	room := &quota{queue: q}
	defer room.giveBack()
	return q.bodies.keep(io.TeeReader(io.MultiReader(bytes.NewReader(inline), body), room))
}

// quota refuses what a Queue has no room for. It counts what is kept until a call has it.
type quota struct {
	queue *Queue
	taken int64
}

func (r *quota) Write(piece []byte) (int, error) {
	size := int64(len(piece))
	r.taken += size
	if total, most := r.queue.bytes.Load()+r.queue.keeping.Add(size), r.queue.options.MaxBytes; most > 0 && total > most {
		return 0, queue.ErrFull
	}
	return len(piece), nil
}

func (r *quota) giveBack() { r.queue.keeping.Add(-r.taken) }

func (b bodies) keep(body io.Reader) (kept queue.Body, err error) {
	name := uuid.NewString()
	file, err := os.OpenFile(b.path(name), os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return queue.Body{}, explain("keep a body", err)
	}
	defer func() {
		if err != nil {
			file.Close()
			os.Remove(b.path(name))
		}
	}()
	size, err := io.Copy(file, body)
	if err != nil {
		return queue.Body{}, explain("keep a body", err)
	}
	if err = errors.Join(file.Sync(), file.Close(), syncFolder(b.folder)); err != nil {
		return queue.Body{}, explain("keep a body", err)
	}
	return queue.Body{File: name, Size: size}, nil
}

// syncFolder makes the names of the files in a folder durable.
func syncFolder(path string) error {
	folder, err := os.Open(path)
	if err != nil {
		return err
	}
	defer folder.Close()
	return folder.Sync()
}

func (b bodies) path(name string) string { return filepath.Join(b.folder, name) }

// Drop implements queue.Backend.
func (q *Queue) Drop(body queue.Body) { q.bodies.remove(body) }

// remove removes the file of a body. One that stays is removed at the next start.
func (b bodies) remove(body queue.Body) {
	if body.File != "" {
		_ = os.Remove(b.path(body.File))
	}
}

// Open implements queue.Backend.
func (q *Queue) Open(body queue.Body) (io.ReadCloser, error) {
	if body.File == "" {
		return io.NopCloser(bytes.NewReader(body.Inline)), nil
	}
	file, err := os.Open(q.bodies.path(body.File))
	if err != nil {
		return nil, fmt.Errorf("open the body of a call: %w", err)
	}
	return file, nil
}

// sweep removes the files that no call has.
func (b bodies) sweep(wanted map[string]bool) error {
	entries, err := os.ReadDir(b.folder)
	if err != nil {
		return fmt.Errorf("look for bodies: %w", err)
	}
	for _, entry := range entries {
		if !wanted[entry.Name()] {
			b.remove(queue.Body{File: entry.Name()})
		}
	}
	return nil
}
