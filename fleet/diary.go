package fleet

import (
	"context"
	"fmt"
	"slices"
	"strings"
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
	notes  []function.Note
	reason string
	// wait is what a replica said that is not ready yet; nil for none.
	wait    *wait
	readers map[chan function.Note]struct{}
}

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

// wait is what one replica lets its callers wait for.
type wait struct {
	id, instance string
	// what is in the way, and what may be done about it.
	what, advice string
	since        time.Time
}

// await writes down what is in the way of a replica that is not ready yet: a short
// sentence, and behind a semicolon what may be done about it.
func (d *diary) await(name function.Name, replica function.Replica, text string) {
	what, advice, _ := strings.Cut(text, "; ")
	d.mu.Lock()
	defer d.mu.Unlock()
	e := d.entry(name)
	if e.wait == nil || e.wait.id != replica.ID || e.wait.what != what {
		e.wait = &wait{id: replica.ID, instance: replica.Instance, what: what, since: time.Now()}
	}
	e.wait.advice = advice
}

// arrived forgets what was in the way of a replica.
func (d *diary) arrived(name function.Name, replica function.Replica) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if e := d.entries[name]; e != nil && e.wait != nil && e.wait.id == replica.ID {
		e.wait = nil
	}
}

// Awaited says what callers in line wait for, and since when; empty when no replica of the
// function is on its way.
func (d *diary) Awaited(name function.Name) string {
	d.mu.Lock()
	defer d.mu.Unlock()
	e := d.entries[name]
	if e == nil || e.wait == nil {
		return ""
	}
	text := fmt.Sprintf("replica %s: %s since %s", e.wait.instance, e.wait.what, time.Since(e.wait.since).Round(time.Second))
	if e.wait.advice != "" {
		text += "; " + e.wait.advice
	}
	return text
}

// Notes returns what the provider itself has to say about a function, oldest first.
func (d *diary) Notes(name function.Name) []function.Note {
	d.mu.Lock()
	defer d.mu.Unlock()
	if e := d.entries[name]; e != nil {
		return slices.Clone(e.notes)
	}
	return nil
}

// WatchNotes hands every note about a function, oldest first and then every new one, to read
// until ctx ends.
func (d *diary) WatchNotes(ctx context.Context, name function.Name, read func(function.Note)) {
	reader := make(chan function.Note, pages)
	d.mu.Lock()
	e := d.entry(name)
	past := slices.Clone(e.notes)
	e.readers[reader] = struct{}{}
	d.mu.Unlock()
	defer func() {
		d.mu.Lock()
		defer d.mu.Unlock()
		delete(e.readers, reader)
	}()
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
