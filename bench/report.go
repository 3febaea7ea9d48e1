package main

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// report is a finished run, as it is printed and written to BENCHMARKS.md.
type report struct {
	options     options
	machine     []fact
	results     results
	fanOuts     []fanOut
	allocations allocations
}

// String returns the report as Markdown.
func (r report) String() string {
	var text strings.Builder
	text.WriteString("# Benchmarks\n\nWhat `make bench` measured last; it writes this file. Absolute figures are this machine's,\nwhich the load, the function and the proxy share; compare ratios.\n\n")
	r.writeMarks(&text)
	r.writeTable(&text)
	r.writeSteady(&text)
	r.writeFanOuts(&text)
	r.writeMethod(&text)
	return text.String()
}

func (r report) writeMarks(text *strings.Builder) {
	text.WriteString("## Marks\n\n| mark | wanted | measured | |\n|---|---|---|---|\n")
	for _, m := range r.marks() {
		fmt.Fprintf(text, "| %s | %s | %s | %s |\n", m.what, m.wanted(), figure(m.got), m.verdict())
	}
	text.WriteString("\n")
}

// mark is a figure that this program holds itself to.
type mark struct {
	what    string
	got     float64
	limit   float64
	atLeast bool
}

// isMet is false for what was not measured.
func (m mark) isMet() bool {
	if m.atLeast {
		return m.got >= m.limit
	}
	return m.got != 0 && m.got <= m.limit
}

func (m mark) wanted() string {
	if m.atLeast {
		return "≥ " + figure(m.limit)
	}
	return "≤ " + figure(m.limit)
}

func (m mark) verdict() string {
	if m.isMet() {
		return "met"
	}
	return "**not met**"
}

func (r report) marks() []mark {
	busy, steady := cell{small, comparison, ours}, steadyWorkload()
	of := func(load, target string) cell { return cell{load, comparison, target} }
	return []mark{
		{"requests/s ÷ nginx, 13 B, 64 connections", r.results.ratio(busy, nginx, sample.rate), 0.85, true},
		{"requests/s ÷ faas-provider, 13 B, 64 connections", r.results.ratio(busy, stock, sample.rate), 2, true},
		{"CPU/request ÷ nginx, 13 B, 64 connections", r.results.ratio(busy, nginx, sample.cost), 1.15, false},
		{"requests/s ÷ nginx, 64 KiB answers, 64 connections", r.results.ratio(of(large, ours), nginx, sample.rate), 0.9, true},
		{"requests/s ÷ nginx, 64 KiB requests, 64 connections", r.results.ratio(of(upload, ours), nginx, sample.rate), 0.9, true},
		{"added median latency ÷ nginx, 13 B, 1 connection", r.results.addedRatio(cell{small, 1, ours}), 1, false},
		{fmt.Sprintf("p99.9 ÷ nginx, 13 B, %d requests/s", steadyRate), r.results.ratio(cell{steady.name, steady.connections, ours}, nginx, sample.worst), 1.2, false},
		{"requests/s ÷ httputil, 200 B requests, chunked, 64 connections", r.results.ratio(of(chunked, ours), reverse, sample.rate), 0.95, true},
		{"requests/s ÷ httputil, 13 B, a route with 9 filters, 64 connections", r.results.ratio(of(byRoute, routed9), reverse, sample.rate), 0.95, true},
		{"requests/s ÷ httputil, 13 B, 64 streams of HTTP/2", r.results.ratio(of(streams, ours), reverse, sample.rate), 0.95, true},
		{"gRPC unary calls/s ÷ direct, 32 callers", r.results.ratio(cell{unary, callers, ours}, direct, sample.rate), 0.3, true},
		{fmt.Sprintf("requests/s with %d functions ÷ with one", r.options.functions), r.results.ratio(of(crowdLoad, crowded), ours, sample.rate), 0.97, true},
		{"allocations per invocation", r.allocations.count, 10, false},
		{"bytes allocated per invocation", r.allocations.bytes, 700, false},
	}
}

func (r report) writeTable(text *strings.Builder) {
	text.WriteString("## Ratios\n\n| load | connections | through | requests/s | ÷ direct | ÷ nginx | ÷ httputil | p50 µs | p99 µs | added µs | added ÷ nginx | CPU µs/request | ÷ nginx |\n|---|--:|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|\n")
	for _, w := range append(workloads(), crowdWorkload()) {
		r.writeRows(text, w)
	}
	text.WriteString("\n")
}

func (r report) writeRows(text *strings.Builder, w workload) {
	for _, name := range w.targets {
		c := cell{w.name, w.connections, name}
		fields := []string{
			w.name, fmt.Sprint(w.connections), name,
			fmt.Sprintf("%.0f", r.results.median(c, sample.rate)),
			figure(r.results.ratio(c, direct, sample.rate)),
			figure(r.results.ratio(c, nginx, sample.rate)),
			figure(r.results.ratio(c, reverse, sample.rate)),
			figure(r.results.median(c, sample.median)),
			figure(r.results.median(c, sample.tail)),
			figure(r.results.added(c)),
			figure(r.results.addedRatio(c)),
			figure(r.results.median(c, sample.cost)),
			figure(r.results.ratio(c, nginx, sample.cost)),
		}
		fmt.Fprintf(text, "| %s |\n", strings.Join(fields, " | "))
	}
}

func (r report) writeSteady(text *strings.Builder) {
	fmt.Fprintf(text, "## %d requests a second\n\nEach is sent at its time, whatever becomes of the others, and its latency counts from the time at\n"+
		"which it was due.\n\n| through | p50 µs | p99 µs | p99.9 µs | p99.9 ÷ nginx | CPU µs/request |\n|---|--:|--:|--:|--:|--:|\n", steadyRate)
	w := steadyWorkload()
	for _, name := range w.targets {
		c := cell{w.name, w.connections, name}
		fmt.Fprintf(text, "| %s | %s | %s | %s | %s | %s |\n", name,
			figure(r.results.median(c, sample.median)), figure(r.results.median(c, sample.tail)), figure(r.results.median(c, sample.worst)),
			figure(r.results.ratio(c, nginx, sample.worst)), figure(r.results.median(c, sample.cost)))
	}
	text.WriteString("\n")
}

func (r report) writeFanOuts(text *strings.Builder) {
	fmt.Fprintf(text, "## %d event streams\n\nEach stream gets an event each second. Memory is what the proxy's processes have resident with all\n"+
		"streams open, less what they had before; the proxies have carried nothing else by then.\n\n"+
		"| through | KiB a stream | CPU ms/s |\n|---|--:|--:|\n", openStreams)
	for _, f := range r.fanOuts {
		fmt.Fprintf(text, "| %s | %s | %s |\n", f.target, figure(f.memory), figure(f.processor))
	}
	text.WriteString("\n")
}

func (r report) writeMethod(text *strings.Builder) {
	text.WriteString("## Measured on and with\n\n")
	for _, f := range r.machine {
		fmt.Fprintf(text, "- %s: %s\n", f.name, f.value)
	}
	fmt.Fprintf(text, "\n%d rounds; in each, every row of the table gets one turn of %v (the last two rows %d of %v, in pairs;\n"+
		"those of the steady rate one of %v), and each round begins with another proxy. A figure is the median\n"+
		"over the rounds; a ratio is the median of the ratios within each round, or pair. CPU is user and system\n"+
		"time of all processes and threads of the proxy. The function is a static Go program in a container from\n"+
		"scratch. All proxies call its one replica, and all rows stay on it, but for those through\n"+
		"\""+free+"\": that function has no settings, and scales by itself.\n"+
		"wrk and h2load use one thread; gRPC calls share one connection. nginx has two workers, keeps connections\n"+
		"to the function and writes no access log; Caddy keeps as many of them and writes no log;\n"+
		"faas-provider's proxy runs on the routes of its bootstrap without its timing log; httputil has idle\n"+
		"connections for all and a buffer pool; faas-docker runs as built, with its defaults: metrics and call ids\n"+
		"on, no credentials. Its crowd are functions at zero replicas.\n",
		r.options.rounds, r.options.length, crowdPairs, crowdTurn, steadyTurn)
	r.writeErrors(text)
}

// writeErrors names who failed calls: their figures are worth less.
func (r report) writeErrors(text *strings.Builder) {
	var failed []string
	failures := r.results.errors()
	for _, name := range slices.Sorted(maps.Keys(failures)) {
		failed = append(failed, fmt.Sprintf("%s %d", name, failures[name]))
	}
	if len(failed) == 0 {
		text.WriteString("No call failed.\n")
		return
	}
	fmt.Fprintf(text, "Calls that failed: %s.\n", strings.Join(failed, ", "))
}

// figure writes a number with three digits that count; 0 was not measured.
func figure(value float64) string {
	switch {
	case value == 0:
		return "–"
	case value >= 100 || value <= -100:
		return fmt.Sprintf("%.0f", value)
	case value >= 10 || value <= -10:
		return fmt.Sprintf("%.1f", value)
	case value >= 1 || value <= -1:
		return fmt.Sprintf("%.2f", value)
	}
	return fmt.Sprintf("%.3f", value)
}
