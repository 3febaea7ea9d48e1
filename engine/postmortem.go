package engine

import (
	"context"
	"fmt"
	"strings"
	"unicode"

	"faas-docker/function"
)

const (
	lastLines    = 10
	lastLineSize = 1 << 10
	// lastFrames is how many frames are read for them, each of at most 16 KiB: a function may
	// have written a line without an end.
	lastFrames = 64
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
	past, _, err := l.readWindow(ctx, replica, function.LogQuery{}, lastFrames)
	if err != nil {
		l.logger.Warn("last lines not readable", "replica", id, "err", err)
		report.Unread = true
		return report, nil
	}
	for _, line := range past[max(0, len(past)-lastLines):] {
		report.LastLines = append(report.LastLines, harmless(clip(line.Text, lastLineSize)))
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

// harmless has no characters that would command the terminal of whoever reads the text.
func harmless(text string) string {
	return strings.Map(func(c rune) rune {
		if unicode.IsControl(c) && c != '\t' {
			return unicode.ReplacementChar
		}
		return c
	}, text)
}
