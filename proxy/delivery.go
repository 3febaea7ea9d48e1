package proxy

import (
	"errors"
	"net/http"
	"time"
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

// delivery passes the body of an answer on to the client, and cuts off one that does not
// read. It begins as gathered or prompt, and from gathered becomes flushed, or spaced where
// there is an interval, once the function is waited for.
type delivery struct {
	w http.ResponseWriter
	// times have how long the client may take to accept a piece, and what is spaced may wait.
	times *Timeouts
	// late sends what is spaced or prompt.
	late *promptWriter
	// stalled cuts off a client that does not read; nil until one is waited for.
	stalled *time.Timer
	pace    pace
	// unsent is set when something was written that may lie in a buffer still.
	unsent bool
}

// newDelivery serves an answer whose head is about to be written.
func (h *Handler) newDelivery(w http.ResponseWriter) delivery {
	return delivery{w: w, times: &h.Timeouts, unsent: true}
}

// speedUp sends each piece at once, or when the interval has passed.
func (d *delivery) speedUp() {
	d.pace = prompt
	d.late = newPromptWriter(d.w, d.times.stallTimeout(), d.times.FlushInterval)
}

func (d *delivery) write(piece []byte) error {
	switch d.pace {
	case spaced, prompt:
		d.unsent = false
		return d.late.write(piece)
	case flushed:
		d.watchClient()
		defer d.stalled.Stop()
	}
	d.unsent = true
	_, err := d.w.Write(piece)
	return err
}

// flush sends what lies in a buffer on our side: the function has to be waited for.
func (d *delivery) flush() error {
	if d.pace == gathered && d.times.FlushInterval > 0 {
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
	d.watchClient()
	defer d.stalled.Stop()
	if err := http.NewResponseController(d.w).Flush(); err != nil && !errors.Is(err, errors.ErrUnsupported) {
		return err
	}
	return nil
}

// watchClient gives the client time to read what it is about to be sent. A deadline
// would do that, too, but in HTTP/2 one that passes ends the stream, also while nothing
// is being sent because the function is silent.
func (d *delivery) watchClient() {
	if d.stalled != nil {
		d.stalled.Reset(d.times.stallTimeout())
		return
	}
	control := http.NewResponseController(d.w)
	// Not every writer can.
	d.stalled = time.AfterFunc(d.times.stallTimeout(), func() { _ = control.SetWriteDeadline(time.Now()) })
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
		_ = http.NewResponseController(d.w).SetWriteDeadline(time.Now().Add(d.times.stallTimeout()))
	}
}
