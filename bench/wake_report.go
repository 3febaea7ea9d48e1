package main

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// wakeHeading begins the section of BENCHMARKS.md that `make bench-wake` writes.
const wakeHeading = "## Waking\n"

// wakeReport is a finished run of the wake benchmark.
type wakeReport struct {
	rounds        int
	machine       []fact
	load          string
	took          map[act][]time.Duration
	thaws, starts []int
}

func (r wakeReport) marks() []mark {
	return []mark{
		{"frozen → answer ÷ Docker's unpause and a call", r.ratio(ourThaw, rawThaw), 1.1, false},
		{"nothing running → answer ÷ Docker's create, start and first call", r.ratio(ourStart, rawStart), 0.45, false},
		{"20 frozen functions called at once ÷ Docker's start of 20", r.ratio(ourThaws, rawStarts), 0.5, false},
		{"20 functions at zero called at once ÷ Docker's start of 20", r.ratio(ourStarts, rawStarts), 0.5, false},
		{"thaws that 100 simultaneous callers of a frozen function cause", float64(slices.Max(r.thaws)), 1, false},
		{"starts that 100 simultaneous callers of a function at zero cause", float64(slices.Max(r.starts)), 1, false},
	}
}

// isMet reports whether every mark is met.
func (r wakeReport) isMet() bool {
	return !slices.ContainsFunc(r.marks(), func(m mark) bool { return !m.isMet() })
}

func (r wakeReport) ratio(ours, raw act) float64 {
	return float64(middle(r.took[ours])) / float64(middle(r.took[raw]))
}

// middle is the median.
func middle(values []time.Duration) time.Duration {
	return slices.Sorted(slices.Values(values))[len(values)/2]
}

// String returns the section as Markdown.
func (r wakeReport) String() string {
	var text strings.Builder
	text.WriteString(wakeHeading)
	text.WriteString("\nWhat `make bench-wake` measured last, beside the same done by hand through the Engine API, on\nthe same network, in turns. Ratios are those of the medians.\n\n| mark | wanted | measured | |\n|---|---|---|---|\n")
	for _, m := range r.marks() {
		fmt.Fprintf(&text, "| %s | %s | %s | %s |\n", m.what, m.wanted(), figure(m.got), m.verdict())
	}
	text.WriteString("\n| | turns | median | fastest | slowest |\n|---|--:|--:|--:|--:|\n")
	for _, what := range []act{rawThaw, ourThaw, rawStart, ourStart, rawStarts, ourThaws, ourStarts, ourHundred} {
		took := r.took[what]
		fmt.Fprintf(&text, "| %s | %d | %s | %s | %s |\n", what, len(took), milliseconds(middle(took)), milliseconds(slices.Min(took)), milliseconds(slices.Max(took)))
	}
	text.WriteString("\nFunctions have the default settings but for one replica at most, those that freeze do after\n50 ms. Measured on and with:\n\n")
	for _, f := range r.machine {
		if !slices.Contains([]string{"nginx", "caddy", "wrk", "h2load", "faas-provider", "grpc-go"}, f.name) {
			fmt.Fprintf(&text, "- %s: %s\n", f.name, f.value)
		}
	}
	fmt.Fprintf(&text, "- Load average at the end: %s\n", r.load)
	return text.String()
}

func milliseconds(d time.Duration) string {
	return figure(float64(d.Microseconds())/1000) + " ms"
}

// splitSection takes a section out of a report: what is before it, the section,
// and what follows it.
func splitSection(text, heading string) (before, section, after string) {
	at := strings.Index(text, heading)
	if at < 0 {
		return text, "", ""
	}
	before, section = text[:at], text[at:]
	if next := strings.Index(section[len(heading):], "\n## "); next >= 0 {
		end := len(heading) + next + 1
		section, after = section[:end], section[end:]
	}
	return before, section, after
}

// withSection returns a report with a section exchanged, or added at the end.
func withSection(text, heading, section string) string {
	before, _, after := splitSection(text, heading)
	text = strings.TrimRight(before, "\n") + "\n\n" + strings.TrimRight(section, "\n") + "\n"
	if after != "" {
		text += "\n" + after
	}
	return text
}
