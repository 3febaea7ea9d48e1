package fleet

import (
	"context"
	"slices"
	"sync"
	"time"

	"faas-docker/function"
)

// pages is how many notes are kept of one function.
const pages = 100

// diary keeps what the provider has to say about each function: the last notes,
// and the reason why it is not as it should be. It is safe for concurrent use.
type diary struct {
	mu      sync.Mutex
	entries map[function.Name]*entry
}

type entry struct {
	notes   []function.Note
	reason  string
	readers map[chan function.Note]struct{}
}

func newDiary() *diary { return &diary{entries: map[function.Name]*entry{}} }

// note writes one line and hands it to whoever watches. A watcher that does not
// keep up misses lines; it never holds the fleet.
func (d *diary) note(name function.Name, text string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	e := d.entry(name)
	note := function.Note{Time: time.Now().UTC(), Text: text}
	e.notes = append(e.notes, note)
	if len(e.notes) > pages {
		e.notes = slices.Delete(e.notes, 0, len(e.notes)-pages)
	}
	for reader := range e.readers {
		select {
		case reader <- note:
		default:
		}
	}
}

// explain sets the reason why the function is not as it should be; an empty text
// says that it is.
func (d *diary) explain(name function.Name, reason string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.entry(name).reason = reason
}

func (d *diary) reason(name function.Name) string {
	d.mu.Lock()
	defer d.mu.Unlock()
	if e := d.entries[name]; e != nil {
		return e.reason
	}
	return ""
}

func (d *diary) notes(name function.Name) []function.Note {
	d.mu.Lock()
	defer d.mu.Unlock()
	if e := d.entries[name]; e != nil {
		return slices.Clone(e.notes)
	}
	return nil
}

// watch hands every note there is, oldest first, and then every new one, to read
// until ctx ends.
func (d *diary) watch(ctx context.Context, name function.Name, read func(function.Note)) {
	reader := make(chan function.Note, pages)
	d.mu.Lock()
	e := d.entry(name)
	past := slices.Clone(e.notes)
	e.readers[reader] = struct{}{}
	d.mu.Unlock()
	defer d.leave(name, reader)
	for _, note := range past {
		read(note)
	}
	for {
		select {
		case note := <-reader:
			read(note)
		case <-ctx.Done():
			return
		}
	}
}

func (d *diary) leave(name function.Name, reader chan function.Note) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if e := d.entries[name]; e != nil {
		delete(e.readers, reader)
	}
}

// forget drops all about a function that was deleted; who watches it goes on
// watching.
func (d *diary) forget(name function.Name) {
	d.mu.Lock()
	defer d.mu.Unlock()
	e := d.entries[name]
	if e == nil {
		return
	}
	e.notes, e.reason = nil, ""
	if len(e.readers) == 0 {
		delete(d.entries, name)
	}
}

// entry requires mu.
func (d *diary) entry(name function.Name) *entry {
	if d.entries[name] == nil {
		d.entries[name] = &entry{readers: map[chan function.Note]struct{}{}}
	}
	return d.entries[name]
}
