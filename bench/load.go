package main

import (
	"cmp"
	"context"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"time"
)

//go:embed wrk.lua
var wrkScript []byte

// sample is the result of one turn.
type sample struct {
	Requests     int64 `json:"requests"`
	Microseconds int64 `json:"microseconds"`
	// P50, P99 and P999 are latencies in microseconds; few loads tell the last.
	P50    float64 `json:"p50"`
	P99    float64 `json:"p99"`
	P999   float64 `json:"p999"`
	Errors int64   `json:"errors"`
	// processor is what the proxy's processes used of it meanwhile.
	processor time.Duration
}

// rate is requests per second.
func (s sample) rate() float64 { return float64(s.Requests) / float64(s.Microseconds) * 1e6 }

// cost is the proxy's processor time per request, in microseconds.
func (s sample) cost() float64 { return float64(s.processor.Nanoseconds()) / 1e3 / float64(s.Requests) }

// median latency, in microseconds.
func (s sample) median() float64 { return s.P50 }

// tail is the latency that one request of a hundred exceeds, in microseconds.
func (s sample) tail() float64 { return s.P99 }

// worst is the latency that one request of a thousand exceeds, in microseconds.
func (s sample) worst() float64 { return s.P999 }

// wrk runs the program of this name against a target for one turn.
func (b *bench) wrk(ctx context.Context, t target, w workload) (sample, error) {
	script := filepath.Join(b.stage.folder, "wrk.lua")
	if err := os.WriteFile(script, wrkScript, 0o644); err != nil {
		return sample{}, fmt.Errorf("write wrk's script: %w", err)
	}
	return b.takePatiently(ctx, t.pid, decodeSample, func() *exec.Cmd {
		return exec.CommandContext(ctx, "wrk", "--threads", "1",
			"--connections", strconv.Itoa(w.connections),
			"--duration", strconv.Itoa(int(cmp.Or(w.length, b.options.length).Seconds()))+"s",
			"--script", script, t.base+w.path, "--", strconv.Itoa(w.body), strconv.FormatBool(w.chunked))
	})
}

// rpc runs the gRPC load against a target for one turn.
func (b *bench) rpc(ctx context.Context, t target, w workload) (sample, error) {
	return b.takePatiently(ctx, t.pid, decodeSample, func() *exec.Cmd {
		return exec.CommandContext(ctx, filepath.Join(b.options.programs, "rpc"), "call",
			"-address", t.rpc, "-function", "rpc",
			"-callers", strconv.Itoa(w.connections), "-length", b.options.length.String())
	})
}

// steady sends a target requests at their times for one turn.
func (b *bench) steady(ctx context.Context, t target, w workload) (sample, error) {
	return b.takePatiently(ctx, t.pid, decodeSample, func() *exec.Cmd {
		return exec.CommandContext(ctx, filepath.Join(b.options.programs, "steady"),
			"-rate", strconv.Itoa(steadyRate), "-length", w.length.String(), t.base+w.path)
	})
}

// errNothing says that no call of a turn was answered.
var errNothing = errors.New("nothing to compare")

// takePatiently repeats a turn in which nothing was answered: on a machine that
// was busy elsewhere for a second, one stall must not cost the whole run.
func (b *bench) takePatiently(ctx context.Context, pid int, decode decoder, load func() *exec.Cmd) (taken sample, err error) {
	for range 3 {
		taken, err = take(load(), pid, decode)
		if !errors.Is(err, errNothing) || ctx.Err() != nil {
			return taken, err
		}
		fmt.Fprintln(os.Stderr, "a turn is repeated:", err)
	}
	return taken, err
}

// decoder reads the outcome of a load from what it printed.
type decoder func(printed []byte) (sample, error)

// take runs a load, and counts the processor time of a process and its children meanwhile.
func take(command *exec.Cmd, pid int, decode decoder) (sample, error) {
	before, err := consumed(pid)
	if err != nil {
		return sample{}, err
	}
	printed, err := command.Output()
	if err != nil {
		return sample{}, fmt.Errorf("run %s: %w: %s%s", filepath.Base(command.Path), err, printed, complaint(err))
	}
	after, err := consumed(pid)
	if err != nil {
		return sample{}, err
	}
	taken, err := decode(printed)
	taken.processor = after.processor() - before.processor()
	return taken, err
}

// decodeSample reads the last line, which is JSON.
func decodeSample(printed []byte) (sample, error) {
	var taken sample
	text := lastLine(string(printed))
	if err := json.Unmarshal([]byte(text), &taken); err != nil {
		return sample{}, fmt.Errorf("read the outcome %q: %w", text, err)
	}
	return taken.checked()
}

func (s sample) checked() (sample, error) {
	if s.Requests <= s.Errors || s.Microseconds <= 0 {
		return sample{}, fmt.Errorf("%w: %d requests, %d errors", errNothing, s.Requests, s.Errors)
	}
	return s, nil
}
