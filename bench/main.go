// Command bench measures what an invocation costs: it calls one function directly,
// through nginx, through Caddy, through the stock faas-provider proxy, through the
// standard library's reverse proxy and through this program, in rounds of short turns,
// and compares within each round. `make bench` builds and starts it.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"os/signal"
	"syscall"
	"time"
)

// options are set by scripts/bench.sh.
type options struct {
	rounds int
	// length is how long each turn lasts.
	length time.Duration
	// programs is the folder of the programs built.
	programs string
	// installation names the function network, and with it all containers.
	installation string
	// functions is how many the crowded provider has.
	functions int
	// wake is set to measure how functions wake, and nothing else.
	wake bool
	out  string
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:])
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench: "+err.Error())
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string) error {
	o, err := parse(args)
	if err != nil {
		return err
	}
	old, err := os.ReadFile(o.out)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("read the last report: %w", err)
	}
	if o.wake {
		return runWakes(ctx, o, string(old))
	}
	report, err := measureAll(ctx, o)
	if err != nil {
		return err
	}
	text := report.String()
	fmt.Println(text)
	if _, waking, _ := splitSection(string(old), wakeHeading); waking != "" {
		text = withSection(text, wakeHeading, waking)
	}
	return write(o.out, text)
}

// runWakes measures waking alone, and fails when it misses a mark.
func runWakes(ctx context.Context, o options, old string) error {
	report, err := measureWakes(ctx, o)
	if err != nil {
		return err
	}
	fmt.Println(report)
	if err := write(o.out, withSection(old, wakeHeading, report.String())); err != nil {
		return err
	}
	if !report.isMet() {
		return errors.New("a mark is missed")
	}
	return nil
}

func write(path, text string) error {
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		return fmt.Errorf("write the report: %w", err)
	}
	return nil
}

func parse(args []string) (options, error) {
	var o options
	flags := flag.NewFlagSet("bench", flag.ContinueOnError)
	flags.IntVar(&o.rounds, "rounds", 5, "rounds; each ratio is the median of one per round")
	flags.DurationVar(&o.length, "length", 2*time.Second, "length of each turn, in whole seconds")
	flags.StringVar(&o.programs, "programs", "bin/bench", "folder of the built programs")
	flags.StringVar(&o.installation, "installation", "faas-docker-bench", "name of the function network")
	flags.IntVar(&o.functions, "functions", 1000, "functions of the crowded provider")
	flags.BoolVar(&o.wake, "wake", false, "measure how long sleeping functions take to answer, and nothing else")
	flags.StringVar(&o.out, "out", "BENCHMARKS.md", "file of the report")
	if err := flags.Parse(args); err != nil {
		return o, err
	}
	if o.rounds < 1 || o.length < time.Second || o.functions < 1 {
		return o, errors.New("at least 1 round, turns of 1s and 1 function are wanted")
	}
	return o, nil
}

// measureAll builds the stage, runs all rounds on it and takes it down again.
func measureAll(ctx context.Context, o options) (report, error) {
	s, err := openStage(ctx, o)
	if err != nil {
		return report{}, err
	}
	defer s.close()
	b := &bench{options: o, stage: s, results: results{}}
	if err := b.runFanOut(ctx); err != nil {
		return report{}, err
	}
	if err := b.runRounds(ctx); err != nil {
		return report{}, err
	}
	if err := b.runCrowd(ctx); err != nil {
		return report{}, err
	}
	s.close()
	allocated, err := countAllocations(ctx)
	if err != nil {
		return report{}, err
	}
	return report{options: o, machine: describeMachine(ctx), results: b.results, fanOuts: b.fanOuts, allocations: allocated}, nil
}
