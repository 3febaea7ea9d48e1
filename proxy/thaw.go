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
	"faas-docker/proxy/upstream"
)

// maxRecording is how much of a body is kept for another try, in bytes.
const maxRecording = 256 << 10

// failureMemory is how long a failed thaw is remembered, for calls that got the replica just before.
const failureMemory = time.Minute

// Why a call to a replica that was frozen was broken off.
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

// thaws are the calls that were sent to frozen replicas. The zero value is ready for use.
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

// await has abandon called if the replica's thaw fails, or has failed, until forget is.
func (t *thaws) await(replica string, abandon context.CancelCauseFunc) (forget func()) {
	w := &thaw{replica: replica, abandon: abandon}
	t.mu.Lock()
	defer t.mu.Unlock()
	if failed, ok := t.failed[replica]; ok && time.Since(failed.at) <= failureMemory {
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

// openFrozen is openOn for a replica that may not have thawed yet. When its thaw
// fails the attempt is as it was before, and the error says whether it may be sent again.
func (a *attempt) openFrozen(replica *function.Replica) (upstream.Answer, error) {
	c := a.call
	ctx, abandon := context.WithCancelCause(a.out.Context)
	frozen, record := *a, &recording{Body: a.out.Body}
	frozen.out.Context, frozen.out.Client = ctx, &frozen
	if record.Body != nil {
		frozen.out.Body = record
	}
	forget := c.handler.thaws.await(replica.ID, abandon)
	got, err := frozen.openOn(replica)
	a.out.Sent = frozen.out.Sent
	forget()
	if err == nil {
		return heldAnswer{got, func() { abandon(nil) }}, nil
	}
	defer abandon(nil)
	why := context.Cause(ctx)
	if !errors.Is(why, errNeverThawed) && !errors.Is(why, errMaybeThawed) {
		return nil, err // one that was outrun may not even look at the call
	}
	if c.code != 0 {
		return nil, err
	}
	if record.Body != nil && (c.isInterrupted() || !record.rewind(a)) {
		return nil, fmt.Errorf("%w: %w", upstream.ErrDied, why)
	}
	switch {
	case errors.Is(why, errNeverThawed):
		return nil, fmt.Errorf("%w: %w", upstream.ErrUnreachable, why)
	case a.out.IsReplayable():
		return nil, fmt.Errorf("%w: %w: %w", upstream.ErrUnanswered, upstream.ErrDied, why)
	}
	return nil, fmt.Errorf("%w: %w", upstream.ErrDied, why)
}

// heldAnswer is an answer that needs something for as long as it lasts.
type heldAnswer struct {
	upstream.Answer
	// end lets go of that.
	end func()
}

func (a heldAnswer) Pass() error {
	defer a.end()
	return a.Answer.Pass()
}

func (a heldAnswer) Drop() {
	defer a.end()
	a.Answer.Drop()
}

// recording remembers what was read, up to maxRecording.
type recording struct {
	upstream.Body

	// mu is held while it is read; it protects the fields below.
	mu   sync.Mutex
	read []byte
	// cut is set when more was read.
	cut bool
	// retired is set when nothing more is to be read.
	retired bool
}

func (r *recording) Read(p []byte) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.retired {
		return 0, upstream.ErrClientGone
	}
	n, err := r.Body.Read(p)
	if r.cut = r.cut || len(r.read)+n > maxRecording; r.cut {
		r.read = nil
		return n, err
	}
	r.read = append(r.read, p[:n]...)
	return n, err
}

// rewind makes the body of an attempt what it was before it was sent, and reports whether it could. It
// ends the reading of the body, but does not wait for a client that is silent for long.
func (r *recording) rewind(a *attempt) bool {
	retired := make(chan struct{})
	go func() {
		defer close(retired)
		r.mu.Lock()
		defer r.mu.Unlock()
		r.retired = true
	}()
	select {
	case <-retired:
	case <-time.After(lingerTime):
		return false
	}
	if r.cut {
		return false
	}
	a.out.Body = rewound{r.Body, io.MultiReader(bytes.NewReader(r.read), r.Body)}
	return true
}

// rewound is a body of which something was read before.
type rewound struct {
	upstream.Body
	all io.Reader
}

func (r rewound) Read(p []byte) (int, error) { return r.all.Read(p) }
