package engine

import (
	"context"
	"fmt"
	"strings"

	"faas-docker/function"
)

const (
	lastLines    = 10
	lastLineSize = 1 << 10
)

// PostMortem tells why a replica stopped: it must still be on the engine. Where
// its last lines cannot be read the rest is told without them.
func (l *LogReader) PostMortem(ctx context.Context, id string) (function.PostMortem, error) {
	found, err := l.docker.ContainerInspect(ctx, id)
	if err != nil {
		return function.PostMortem{}, l.explain(fmt.Sprintf("inspect replica %q", id), err)
	}
	report := function.PostMortem{ExitCode: found.State.ExitCode, OutOfMemory: found.State.OOMKilled}
	replica := function.Replica{ID: found.ID, Instance: strings.TrimPrefix(found.Name, "/"), State: function.Exited}
	past, _, err := l.readPast(ctx, replica, function.LogQuery{Tail: lastLines})
	if err != nil {
		l.logger.Warn("last lines not readable", "replica", id, "err", err)
		return report, nil
	}
	for _, line := range past {
		report.LastLines = append(report.LastLines, clip(line.Text, lastLineSize))
	}
	return report, nil
}

// clip keeps the beginning of a text, at most size bytes and whole characters.
func clip(text string, size int) string {
	if len(text) <= size {
		return text
	}
	return strings.ToValidUTF8(text[:size], "")
}
