package proxy

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"sync"
	"time"

	"faas-docker/function"
)

// maxRecording is how much of a request's body is kept while its replica thaws, so
// that it can be sent to another.
const maxRecording = 256 << 10

// failureMemory is how long a thaw that failed is remembered for a call that was
// given the replica a moment before.
const failureMemory = time.Minute

// Why a call to a replica that was asleep was broken off.
var (
	errNeverThawed = errors.New("replica could not be thawed")
	errMaybeThawed = errors.New("replica may not have been thawed")
)

// Abandon breaks off the calls that wait for a replica to thaw, which it will not.
// With untouched the function has seen nothing of them, and they go to another
// replica; else only those do that may be repeated.
func (h *Handler) Abandon(replica function.Replica, untouched bool) {
	why := errMaybeThawed
	if untouched {
		why = errNeverThawed
	}
	h.thaws.fail(replica.ID, why)
	h.Drop(replica)
}

// thaws knows the calls that were sent to replicas which are asleep still. The zero
// value is ready for use.
type thaws struct {
	mu      sync.Mutex
	waiting map[*thaw]struct{}
	failed  map[string]failedThaw // by replica
}

// thaw is one call's wait.
type thaw struct {
	replica string
	abandon context.CancelCauseFunc
}

type failedThaw struct {
	at  time.Time
	why error
}

// await has abandon called if the replica's thaw fails, or has failed, until forget
// is.
func (t *thaws) await(replica string, abandon context.CancelCauseFunc) (forget func()) {
	w := &thaw{replica: replica, abandon: abandon}
	t.mu.Lock()
	defer t.mu.Unlock()
	if failed, ok := t.failed[replica]; ok {
		abandon(failed.why)
		return func() {}
	}
	if t.waiting == nil {
		t.waiting = map[*thaw]struct{}{}
	}
	t.waiting[w] = struct{}{}
	return func() {
		t.mu.Lock()
		defer t.mu.Unlock()
		delete(t.waiting, w)
	}
}

func (t *thaws) fail(replica string, why error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	now := time.Now()
	maps.DeleteFunc(t.failed, func(_ string, f failedThaw) bool { return now.Sub(f.at) > failureMemory })
	if t.failed == nil {
		t.failed = map[string]failedThaw{}
	}
	t.failed[replica] = failedThaw{at: now, why: why}
	for w := range t.waiting {
		if w.replica == replica {
			w.abandon(why)
		}
	}
}

// sendAsleep is send to a replica that may not have thawed yet. When its thaw fails
// the call is as it was before, and the error says whether it may be sent again.
func (c *call) sendAsleep(replica *function.Replica) error {
	before, body := c.r, c.body
	ctx, abandon := context.WithCancelCause(before.Context())
	defer abandon(nil)
	record := &recording{Reader: body}
	if hasBody := newOutgoing(c).hasBody; hasBody {
		c.body = record
	}
	c.r = before.WithContext(ctx)
	defer c.handler.thaws.await(replica.ID, abandon)()
	err := c.send(replica)
	c.r = before
	why := context.Cause(ctx)
	if err == nil || c.code != 0 || !errors.Is(why, errNeverThawed) && !errors.Is(why, errMaybeThawed) {
		return err
	}
	if !c.rewind(record) {
		return fmt.Errorf("%w: %w", errDied, why)
	}
	out := newOutgoing(c)
	switch {
	case errors.Is(why, errNeverThawed):
		return fmt.Errorf("%w: %w", errUnreachable, why)
	case out.replayable():
		return fmt.Errorf("%w: %w: %w", errUnanswered, errDied, why)
	}
	return fmt.Errorf("%w: %w", errDied, why)
}

// rewind makes the request's body what it was before it was sent, and reports
// whether it could.
func (c *call) rewind(record *recording) bool {
	if c.body != io.Reader(record) {
		return true
	}
	if c.interrupted.Load() {
		return false
	}
	if !c.retireUpload() || record.cut {
		return false
	}
	c.body = io.MultiReader(bytes.NewReader(record.read), record.Reader)
	return true
}

// retireUpload ends the reading of the body, and reports whether it has ended. A
// client that is silent for long is not waited for.
func (c *call) retireUpload() bool {
	if c.upload == nil {
		return true
	}
	retired := make(chan struct{})
	go func() {
		defer close(retired)
		c.upload.retire()
	}()
	select {
	case <-retired:
		return true
	case <-time.After(lingerTime):
		return false
	}
}

// recording remembers what was read, up to maxRecording.
type recording struct {
	io.Reader
	read []byte
	// cut is set when more was read.
	cut bool
}

func (r *recording) Read(p []byte) (int, error) {
	n, err := r.Reader.Read(p)
	if r.cut = r.cut || len(r.read)+n > maxRecording; r.cut {
		r.read = nil
		return n, err
	}
	r.read = append(r.read, p[:n]...)
	return n, err
}
