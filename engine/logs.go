package engine

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/containerd/errdefs"
	"github.com/docker/docker/api/types/container"

	"faas-docker/function"
)

// LogReader reads what functions wrote.
type LogReader struct {
	*daemon
	containers *Containers
}

// Logs calls emit, from one goroutine, for the lines that the replicas of a
// function wrote: of all that are still on the engine, sorted by time, each line
// whole however long it is. Without q.Follow it ends with the last line. With it
// the past lines come first, then lines as they are written, of replicas that
// start later too; it ends with the error of ctx or of emit, or when the engine
// is gone. A function without replicas has no lines.
func (l *LogReader) Logs(ctx context.Context, name function.Name, q function.LogQuery, emit func(function.LogLine) error) error {
	if q.Follow {
		return l.followLogs(ctx, name, q, emit)
	}
	replicas, err := l.loggedReplicas(ctx, name, q)
	if err != nil {
		return err
	}
	_, err = l.emitPast(ctx, replicas, q, emit)
	return err
}

// loggedReplicas lists the replicas whose lines q selects.
func (l *LogReader) loggedReplicas(ctx context.Context, name function.Name, q function.LogQuery) ([]function.Replica, error) {
	replicas, err := l.containers.Replicas(ctx, name)
	if err != nil {
		return nil, err
	}
	return slices.DeleteFunc(replicas, func(r function.Replica) bool {
		// An instance is a container's name, or the beginning of its ID.
		return r.State == function.Created || q.Instance != r.Instance && !strings.HasPrefix(r.ID, q.Instance)
	}), nil
}

// emitPast emits the lines that were written so far, and returns each container's
// position.
func (l *LogReader) emitPast(ctx context.Context, replicas []function.Replica, q function.LogQuery, emit func(function.LogLine) error) (map[string]position, error) {
	if q.Tail > 0 {
		return l.emitTail(ctx, replicas, q, emit)
	}
	return l.emitAll(ctx, replicas, q, emit)
}

// emitTail emits the newest lines, of which it reads as many of each replica.
func (l *LogReader) emitTail(ctx context.Context, replicas []function.Replica, q function.LogQuery, emit func(function.LogLine) error) (map[string]position, error) {
	positions := map[string]position{}
	var lines []function.LogLine
	for _, replica := range replicas {
		past, read, err := l.readPast(ctx, replica, q)
		if err != nil {
			return nil, err
		}
		positions[replica.ID] = read
		lines = append(lines, past...)
	}
	sortLines(lines)
	for _, line := range lines[max(0, len(lines)-q.Tail):] {
		if err := emit(line); err != nil {
			return nil, err
		}
	}
	return positions, nil
}

// readPast reads the q.Tail newest lines of a replica. The engine counts
// parts of lines, so its answer may begin within a line and hold fewer of
// them: then more is asked for.
func (l *LogReader) readPast(ctx context.Context, replica function.Replica, q function.LogQuery) ([]function.LogLine, position, error) {
	for window := q.Tail + 1; ; window *= 20 {
		if window > 1e6 {
			window = 0
		}
		lines, r, err := l.readWindow(ctx, replica, q, window)
		if err != nil {
			return nil, nil, err
		}
		if whole := window == 0 || r.count < window; whole || len(lines) > q.Tail {
			return lines[max(0, len(lines)-q.Tail):], r.position(), nil
		}
	}
}

// readWindow reads the newest frames of a log, as many as window says; zero
// means all.
func (l *LogReader) readWindow(ctx context.Context, replica function.Replica, q function.LogQuery, window int) ([]function.LogLine, *lineReader, error) {
	log, err := l.openLog(ctx, replica, logRange{since: q.Since, tail: window})
	if err != nil {
		return nil, nil, err
	}
	defer func() { _ = log.Close() }()
	r := newPastReader(log, replica, q)
	var lines []function.LogLine
	line, err := r.next()
	for ; err == nil; line, err = r.next() {
		lines = append(lines, line)
	}
	if !errors.Is(err, io.EOF) {
		return nil, nil, err
	}
	return lines, r, nil
}

// newPastReader reads a log from its beginning. A line that is open at the end is read as
// it is, unless it is going to be followed to its real end.
func newPastReader(log io.Reader, replica function.Replica, q function.LogQuery) *lineReader {
	r := newLineReader(log, replica.Instance, nil)
	r.goesOn = q.Follow && replica.State != function.Exited
	return r
}

// emitAll merges the logs of all replicas while it reads them, so that it holds
// one line of each.
func (l *LogReader) emitAll(ctx context.Context, replicas []function.Replica, q function.LogQuery, emit func(function.LogLine) error) (map[string]position, error) {
	readers := map[string]*lineReader{}
	sources := make([]lineSource, 0, len(replicas))
	for _, replica := range replicas {
		log, err := l.openLog(ctx, replica, logRange{since: q.Since})
		if err != nil {
			return nil, err
		}
		defer func() { _ = log.Close() }()
		readers[replica.ID] = newPastReader(log, replica, q)
		sources = append(sources, readers[replica.ID].next)
	}
	if err := mergeLines(sources, emit); err != nil {
		return nil, err
	}
	positions := map[string]position{}
	for id, r := range readers {
		positions[id] = r.position()
	}
	return positions, nil
}

// lineSource returns lines in order, then io.EOF.
type lineSource func() (function.LogLine, error)

// mergeLines emits the lines of several sources, oldest first. There are few, so
// looking at each is as good as a heap.
func mergeLines(sources []lineSource, emit func(function.LogLine) error) error {
	heads := make([]*function.LogLine, len(sources))
	pull := func(i int) error {
		line, err := sources[i]()
		if errors.Is(err, io.EOF) {
			heads[i] = nil
			return nil
		}
		heads[i] = &line
		return err
	}
	for i := range sources {
		if err := pull(i); err != nil {
			return err
		}
	}
	for {
		oldest := -1
		for i, head := range heads {
			if head != nil && (oldest < 0 || head.Time.Before(heads[oldest].Time)) {
				oldest = i
			}
		}
		if oldest < 0 {
			return nil
		}
		if err := emit(*heads[oldest]); err != nil {
			return err
		}
		if err := pull(oldest); err != nil {
			return err
		}
	}
}

// logRange is the part of a log that is asked for; the zero value is all of it.
type logRange struct {
	since  time.Time
	tail   int
	follow bool
}

func (l *LogReader) openLog(ctx context.Context, replica function.Replica, part logRange) (io.ReadCloser, error) {
	options := container.LogsOptions{ShowStdout: true, ShowStderr: true, Timestamps: true, Follow: part.follow, Tail: "all"}
	if part.tail > 0 {
		options.Tail = strconv.Itoa(part.tail)
	}
	if !part.since.IsZero() {
		options.Since = fmt.Sprintf("%d.%09d", part.since.Unix(), part.since.Nanosecond())
	}
	log, err := l.docker.ContainerLogs(ctx, replica.ID, options)
	switch {
	case errdefs.IsNotFound(err), errdefs.IsConflict(err):
		// It was removed since it was listed, or is being so: nothing is left to read.
		return io.NopCloser(strings.NewReader("")), nil
	case errdefs.IsNotImplemented(err):
		return nil, function.Unavailable(err, "Docker keeps no logs that can be read: set log-driver to json-file, local or journald in daemon.json")
	}
	return log, l.explain(fmt.Sprintf("open log of %q", replica.Instance), err)
}

func sortLines(lines []function.LogLine) {
	slices.SortStableFunc(lines, func(a, b function.LogLine) int { return a.Time.Compare(b.Time) })
}
