package handlers

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"time"

	"github.com/openfaas/faas-provider/logs"

	"faas-docker/function"
)

// errNotWritten marks a message that could not be sent: the caller is gone.
var errNotWritten = errors.New("message not written")

// logStream answers one request with messages, one JSON object on each line. It
// is safe for concurrent use.
type logStream struct {
	name function.Name
	// following sends each message at once rather than when a buffer is full.
	following bool

	mu      sync.Mutex // protects the fields below
	w       http.ResponseWriter
	encoder *json.Encoder
	opened  bool
}

// newLogStream lifts the server's write timeout, which is for answers that end soon.
func newLogStream(w http.ResponseWriter, name function.Name) *logStream {
	_ = http.NewResponseController(w).SetWriteDeadline(time.Time{})
	encoder := json.NewEncoder(w)
	encoder.SetEscapeHTML(false)
	return &logStream{name: name, w: w, encoder: encoder}
}

// open sends the header, unless it has been sent.
func (s *logStream) open() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.openLocked()
}

func (s *logStream) isOpen() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.opened
}

func (s *logStream) write(message logs.Message) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.openLocked()
	err := s.encoder.Encode(message)
	if err == nil {
		err = s.flushLocked()
	}
	if err != nil {
		return fmt.Errorf("%w: %w", errNotWritten, err)
	}
	return nil
}

func (s *logStream) openLocked() {
	if s.opened {
		return
	}
	s.opened = true
	s.w.Header().Set("Content-Type", "application/x-ndjson")
	s.w.Header().Set("Cache-Control", "no-store")
	s.w.WriteHeader(http.StatusOK)
	_ = s.flushLocked() // the first message will fail in the same way
}

func (s *logStream) flushLocked() error {
	if !s.following {
		return nil
	}
	err := http.NewResponseController(s.w).Flush()
	if errors.Is(err, http.ErrNotSupported) {
		return nil
	}
	return err
}

// merger puts notes between lines, by time. Both must come oldest first.
type merger struct {
	name  function.Name
	notes []function.Note
	next  func(logs.Message) error
}

// add passes line on, after the notes that are not younger.
func (m *merger) add(line function.LogLine) error {
	if err := m.pass(func(n function.Note) bool { return !n.Time.After(line.Time) }); err != nil {
		return err
	}
	return m.next(lineMessage(m.name, line))
}

// flush passes on the notes that are younger than the last line.
func (m *merger) flush() error { return m.pass(func(function.Note) bool { return true }) }

// pass passes on the first notes, as long as their turn has come.
func (m *merger) pass(isDue func(function.Note) bool) error {
	for len(m.notes) > 0 && isDue(m.notes[0]) {
		note := m.notes[0]
		m.notes = m.notes[1:]
		if err := m.next(noteMessage(m.name, note)); err != nil {
			return err
		}
	}
	return nil
}

// notesFor selects what query asks for: notes are the instance "faas-docker".
func notesFor(notes []function.Note, query function.LogQuery) []function.Note {
	if query.Instance != "" && query.Instance != ownInstance {
		return nil
	}
	for len(notes) > 0 && notes[0].Time.Before(query.Since) {
		notes = notes[1:]
	}
	if query.Tail > 0 {
		notes = notes[max(0, len(notes)-query.Tail):]
	}
	return notes
}

func lineMessage(name function.Name, line function.LogLine) logs.Message {
	return logs.Message{
		Name:      name.Name,
		Namespace: name.Namespace,
		Instance:  line.Instance,
		Timestamp: line.Time,
		Text:      line.Text,
	}
}

func noteMessage(name function.Name, note function.Note) logs.Message {
	return lineMessage(name, function.LogLine{Instance: ownInstance, Time: note.Time, Text: note.Text})
}
