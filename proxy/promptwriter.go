package proxy

import (
	"net/http"
	"sync"
	"time"

	"faas-docker/proxy/upstream"
)

// headPause is how long the head of an answer waits for the first piece of its
// body: both together cost half as much.
const headPause = time.Millisecond

// promptWriter sends each piece of an answer at once, or when an interval has
// passed, and its head soon. It cuts off a client that does not read.
type promptWriter struct {
	control *http.ResponseController
	limit   time.Duration
	// interval is how long a piece may wait for others; zero means not at all.
	interval time.Duration
	stalled  *time.Timer

	// mu protects the fields below: waiting is nil while nothing waits to be sent.
	mu      sync.Mutex
	w       http.ResponseWriter
	waiting *time.Timer
	// panicked is what a filter of the answer did to the timer's goroutine.
	panicked upstream.Transported
}

// newPromptWriter serves an answer of which something was written already, its
// head at least; limit is how long the client may take to accept a piece.
func newPromptWriter(w http.ResponseWriter, limit, interval time.Duration) *promptWriter {
	p := &promptWriter{control: http.NewResponseController(w), limit: limit, interval: max(0, interval), w: w}
	p.stalled = time.AfterFunc(limit, p.cutOff)
	p.stalled.Stop()
	return p
}

// sendSoon sends what was written before: the head of an answer, which waits a
// moment for the first piece of the body.
func (p *promptWriter) sendSoon() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.waiting = time.AfterFunc(max(headPause, p.interval), p.sendWaiting)
}

// cutOff ends a write that takes too long. Not every writer can.
func (p *promptWriter) cutOff() { _ = p.control.SetWriteDeadline(time.Now()) }

func (p *promptWriter) sendWaiting() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.waiting != nil {
		p.waiting = nil
		defer p.panicked.Catch()
		p.stalled.Reset(p.limit)
		defer p.stalled.Stop()
		// A failure shows with the next write.
		_ = p.control.Flush()
	}
}

func (p *promptWriter) write(piece []byte) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.stalled.Reset(p.limit)
	defer p.stalled.Stop()
	if p.interval > 0 {
		return p.writeLater(piece)
	}
	p.forgetWaiting()
	if _, err := p.w.Write(piece); err != nil {
		return err
	}
	return p.control.Flush()
}

// writeLater sends the piece with the next ones, when its time has come.
func (p *promptWriter) writeLater(piece []byte) error {
	if p.waiting == nil {
		p.waiting = time.AfterFunc(p.interval, p.sendWaiting)
	}
	_, err := p.w.Write(piece)
	return err
}

func (p *promptWriter) forgetWaiting() {
	if p.waiting != nil {
		p.waiting.Stop()
		p.waiting = nil
	}
}

// stop ends the writer: nothing is sent behind the handler's back any more.
func (p *promptWriter) stop() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.stalled.Stop()
	p.forgetWaiting()
	p.panicked.Rethrow()
}
