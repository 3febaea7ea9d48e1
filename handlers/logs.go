package handlers

import (
	"cmp"
	"context"
	"errors"
	"net/http"
	"strconv"
	"sync"
	"time"

	"github.com/openfaas/faas-provider/logs"

	"faas-docker/function"
	"faas-docker/function/clock"
)

// ownInstance is the instance of the provider's own notes among a function's lines.
const ownInstance = "faas-docker"

// logsAPI is the operation that reads the logs of functions.
type logsAPI struct{ *API }

// answer sends the lines of a function's replicas and the provider's notes about it: all there
// are, in the order they were written, or, following, until the caller leaves.
func (a logsAPI) answer(w http.ResponseWriter, r *http.Request) error {
	query, err := logQuery(r)
	if err != nil {
		return err
	}
	name, err := a.target(r, parameter(r, "name"), "")
	if err != nil {
		return err
	}
	if _, err := a.Fleet.Status(name); err != nil {
		return err
	}
	out := newLogStream(w, name)
	if query.Follow {
		return a.followLogs(r.Context(), out, query)
	}
	return a.pastLogs(r.Context(), out, query)
}

// logQuery reads the parameters as OpenFaaS's own log handler does, and refuses a bad follow, too.
func logQuery(r *http.Request) (function.LogQuery, error) {
	query := function.LogQuery{Instance: parameter(r, "instance")}
	var err error
	if text := parameter(r, "tail"); text != "" {
		if query.Tail, err = strconv.Atoi(text); err != nil {
			return query, unprocessable("tail", text, "a number of lines, -1 for all")
		}
	}
	if text := parameter(r, "follow"); text != "" {
		if query.Follow, err = strconv.ParseBool(text); err != nil {
			return query, unprocessable("follow", text, "true or false")
		}
	}
	if text := parameter(r, "since"); text != "" {
		if query.Since, err = time.Parse(time.RFC3339, text); err != nil {
			return query, unprocessable("since", text, "a time such as 2026-01-31T08:00:00Z")
		}
	}
	return query, nil
}

// pastLogs answers with the lines of the past. Nothing is sent before the first, so that an engine
// that fails at once is still answered as such.
func (a logsAPI) pastLogs(ctx context.Context, out *logStream, query function.LogQuery) error {
	merged := merger{notes: notesFor(a.Fleet.Notes(out.name), query), next: out.write, name: out.name}
	var kept []logs.Message
	if query.Tail > 0 {
		merged.next = func(message logs.Message) error {
			kept = append(kept, message)
			return nil
		}
	}
	err := a.lines(ctx, out.name, query, merged.add)
	if err == nil {
		err = merged.flush()
	}
	// The lines and the notes have each been cut to the limit: up to twice as many are kept.
	surplus := max(0, len(kept)-max(0, query.Tail))
	for _, message := range kept[surplus:] {
		if err == nil {
			err = out.write(message)
		}
	}
	if err != nil {
		return a.breakOff(ctx, out, err)
	}
	out.open()
	return nil
}

// followLogs sends the past notes, then the past lines, then both as they are written. The answer
// begins at once: a caller who follows a silent function must see that it is listened to.
func (a logsAPI) followLogs(ctx context.Context, out *logStream, query function.LogQuery) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	out.following = true
	out.open()
	past := a.Fleet.Notes(out.name)
	for _, note := range notesFor(past, query) {
		if err := out.write(noteMessage(out.name, note)); err != nil {
			return a.breakOff(ctx, out, err)
		}
	}
	var watching sync.WaitGroup
	watching.Go(func() {
		if a.watchNotes(ctx, out, query, past) != nil {
			cancel()
		}
	})
	err := a.lines(ctx, out.name, query, func(line function.LogLine) error {
		return out.write(lineMessage(out.name, line))
	})
	err = a.breakOff(ctx, out, err)
	cancel()
	watching.Wait()
	return err
}

// watchNotes sends the notes newer than the past ones until ctx ends, or one cannot be sent.
func (a logsAPI) watchNotes(ctx context.Context, out *logStream, query function.LogQuery, past []function.Note) error {
	var seen time.Time
	if len(past) > 0 {
		seen = past[len(past)-1].Time
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	a.Fleet.WatchNotes(ctx, out.name, func(note function.Note) {
		if ctx.Err() != nil || !note.Time.After(seen) || len(notesFor([]function.Note{note}, query)) == 0 {
			return
		}
		if err := out.write(noteMessage(out.name, note)); err != nil {
			cancel(err)
		}
	})
	return context.Cause(ctx)
}

// lines asks the engine, unless the caller wants the provider's notes alone.
func (a logsAPI) lines(ctx context.Context, name function.Name, query function.LogQuery, emit func(function.LogLine) error) error {
	if query.Instance != ownInstance {
		return a.engineLines(ctx, name, query, emit)
	}
	if query.Follow {
		<-ctx.Done()
	}
	return nil
}

// breakOff ends an answer that err cut short. A caller who has messages already is told by a last
// one; before the first, err is returned and answered like any other failure.
func (a logsAPI) breakOff(ctx context.Context, out *logStream, err error) error {
	if err == nil || !out.isOpen() {
		return err
	}
	if ctx.Err() != nil || errors.Is(err, errNotWritten) {
		return nil // the caller left
	}
	a.logger().Warn("log stream broke off", "function", out.name.String(), "err", err)
	text := "the logs break off here: " + explain(err).text
	_ = out.write(noteMessage(out.name, function.Note{Time: time.Now(), Text: text})) // the caller left
	return nil
}

// logPatience is how long an engine may be silent while it is asked for lines. The zero
// value of each field means the default.
type logPatience struct {
	// ping is how often it is asked whether it is there, and how long it may take; 10 s.
	ping time.Duration
	// line is how long it may take for the next line of the past; 60 s.
	line time.Duration
}

// engineLines asks the engine for lines, and breaks off with an ErrUnavailable when it has fallen
// silent. A function that is followed may be silent for ever, its engine may not.
func (a logsAPI) engineLines(ctx context.Context, name function.Name, query function.LogQuery, emit func(function.LogLine) error) error {
	ping, patience := cmp.Or(a.patience.ping, 10*time.Second), cmp.Or(a.patience.line, time.Minute)
	ctx, breakOff := context.WithCancelCause(ctx)
	var watching sync.WaitGroup
	defer watching.Wait()
	defer breakOff(nil)
	watching.Go(func() { a.watchEngine(ctx, ping, breakOff) })
	if !query.Follow {
		silence := time.AfterFunc(patience, func() {
			breakOff(function.Unavailable(nil, "the container engine sends no lines: see whether its daemon is well"))
		})
		defer silence.Stop()
		passOn := emit
		emit = func(line function.LogLine) error {
			silence.Reset(patience)
			return passOn(line)
		}
	}
	err := a.Engine.Logs(ctx, name, query, emit)
	if cause := context.Cause(ctx); err != nil && cause != nil {
		return cause
	}
	return err
}

// watchEngine asks the engine again and again whether it is there, until it is not or ctx ends.
func (a logsAPI) watchEngine(ctx context.Context, every time.Duration, breakOff context.CancelCauseFunc) {
	for {
		pinged, cancel := context.WithTimeout(ctx, every)
		err := a.Engine.Ping(pinged)
		cancel()
		if err != nil {
			breakOff(unhealthy(err))
			return
		}
		if clock.Sleep(ctx, every) != nil {
			return
		}
	}
}
