package fleet

import "sync"

// mailbox is how others reach a worker. It has a reader while there is something in it:
// most functions rest most of the time, and a goroutine for each would cost the memory of
// its stack, and the collector the time to look at that. Its methods are safe for concurrent
// use.
type mailbox struct {
	// attend starts the reader, which calls take until nothing is left.
	attend func()

	// mu protects the fields below: rung is set when the worker is to look, and attended
	// while there is a reader.
	mu             sync.Mutex
	mail           []func(*worker)
	rung, attended bool
}

// post leaves mail, if any, and rings. It never blocks.
func (b *mailbox) post(act func(*worker)) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if act != nil {
		b.mail = append(b.mail, act)
	}
	b.rung = true
	if !b.attended {
		b.attended = true
		b.attend()
	}
}

// take empties the mailbox. When it has not been rung since the last time, the reader has to
// end: the next ring starts another.
func (b *mailbox) take() (mail []func(*worker), rung bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	mail, rung = b.mail, b.rung
	b.mail, b.rung, b.attended = nil, false, rung
	return mail, rung
}

func (b *mailbox) isRung() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.rung
}
