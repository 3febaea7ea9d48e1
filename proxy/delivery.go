package proxy

import (
	"errors"
	"net/http"
	"sync"
	"time"

	"faas-docker/proxy/upstream"
)

// pace is how the pieces of an answer's body are sent on.
type pace uint8

const (
	// gathered: as the server likes; the function was not waited for yet.
	gathered pace = iota
	// flushed: whenever the function has to be waited for.
	flushed
	// spaced: when an interval has passed since the first that waits.
	spaced
	// prompt: each at once.
	prompt
)

// delivery passes the body of an answer on. It begins as gathered or prompt, and from gathered becomes
// flushed, or spaced where there is an interval, once the function is waited for.
type delivery struct {
	w http.ResponseWriter
	// interval is how long what is spaced may wait.
	interval time.Duration
	stall    stall
	// late sends what is spaced or prompt.
	late *promptWriter
	pace pace
	// unsent is set when something was written that may lie in a buffer still.
	unsent bool
}

// newDelivery serves an answer whose head is about to be written.
func (h *Handler) newDelivery(w http.ResponseWriter) delivery {
	patient := stall{w: w, limit: h.stallTimeout()}
	return delivery{w: w, interval: max(0, h.FlushInterval), stall: patient, unsent: true}
}

// speedUp sends each piece at once, or when the interval has passed.
func (d *delivery) speedUp() {
	d.pace = prompt
	d.late = &promptWriter{w: d.w, interval: d.interval, stall: stall{w: d.w, limit: d.stall.limit}}
}

func (d *delivery) write(piece []byte) error {
	switch d.pace {
	case spaced, prompt:
		d.unsent = false
		return d.late.write(piece)
	case flushed:
		d.stall.begin()
		defer d.stall.end()
	}
	d.unsent = true
	_, err := d.w.Write(piece)
	return err
}

// flush sends what lies in a buffer on our side: the function has to be waited for.
func (d *delivery) flush() error {
	if d.pace == gathered && d.interval > 0 {
		d.speedUp()
		d.pace = spaced
	} else if d.pace == gathered {
		d.pace = flushed
	}
	if !d.unsent {
		return nil
	}
	d.unsent = false
	if d.late != nil {
		d.late.sendSoon()
		return nil
	}
	d.stall.begin()
	defer d.stall.end()
	if err := http.NewResponseController(d.w).Flush(); err != nil && !errors.Is(err, errors.ErrUnsupported) {
		return err
	}
	return nil
}

// end lets nothing more be sent behind the handler's back; a second call does nothing.
func (d *delivery) end() {
	pace, late := d.pace, d.late
	d.pace, d.late = gathered, nil
	if late != nil {
		late.stop()
	}
	if pace == flushed || pace == spaced {
		// What is left the server sends behind us. It takes the deadline back then.
		d.stall.setDeadline(d.stall.limit)
	}
}

// stall cuts off a client that does not read what it is sent. A deadline would in HTTP/2 end the stream
// also while nothing is being sent because the function is silent.
type stall struct {
	w http.ResponseWriter
	// limit is how long the client may take to accept a piece.
	limit time.Duration
	// timer is nil until a client is waited for.
	timer *time.Timer
}

// begin and end are called around a write.
func (s *stall) begin() {
	if s.timer != nil {
		s.timer.Reset(s.limit)
		return
	}
	s.timer = time.AfterFunc(s.limit, func() { s.setDeadline(0) })
}

func (s *stall) end() { s.timer.Stop() }

// setDeadline ends the writing after a time. Not every writer can.
func (s *stall) setDeadline(after time.Duration) {
	_ = http.NewResponseController(s.w).SetWriteDeadline(time.Now().Add(after))
}

// headPause is how long the head of an answer waits for the first piece of its
// body: both together cost half as much.
const headPause = time.Millisecond

// promptWriter sends each piece of an answer at once, or when an interval has
// passed, and its head soon. It cuts off a client that does not read.
type promptWriter struct {
	// interval is how long a piece may wait for others; zero means not at all.
	interval time.Duration

	// mu protects the fields below: waiting is nil while nothing waits to be sent.
	mu      sync.Mutex
	w       http.ResponseWriter
	stall   stall
	waiting *time.Timer
	// panicked is what a filter of the answer did to the timer's goroutine.
	panicked upstream.Transported
}

// sendSoon sends the head of an answer, which waits a moment for the first piece of the body.
func (p *promptWriter) sendSoon() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.waiting = time.AfterFunc(max(headPause, p.interval), p.sendWaiting)
}

func (p *promptWriter) sendWaiting() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.waiting != nil {
		p.waiting = nil
		defer p.panicked.Catch()
		p.stall.begin()
		defer p.stall.end()
		// A failure shows with the next write.
		_ = http.NewResponseController(p.w).Flush()
	}
}

func (p *promptWriter) write(piece []byte) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.stall.begin()
	defer p.stall.end()
	if p.interval > 0 {
		return p.writeLater(piece)
	}
	p.forgetWaiting()
	if _, err := p.w.Write(piece); err != nil {
		return err
	}
	return http.NewResponseController(p.w).Flush()
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
	p.forgetWaiting()
	p.panicked.Rethrow()
}
