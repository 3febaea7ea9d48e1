// Command bench measures what an invocation costs: it calls one function directly,
// through nginx, through the stock faas-provider proxy, through the standard
// library's reverse proxy and through this program, in rounds of short turns, and
// compares within each round. `make bench` builds and starts it.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"
)

// options are what scripts/bench.sh says.
type options struct {
	rounds int
	// length is how long each turn lasts.
	length time.Duration
	// programs is the folder of what was built.
	programs string
	// installation names the function network, and with it all containers.
	installation string
	// functions is how many the crowded provider has.
	functions int
	out       string
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
	report, err := measureAll(ctx, o)
	if err != nil {
		return err
	}
	text := report.String()
	fmt.Println(text)
	if err := os.WriteFile(o.out, []byte(text), 0o644); err != nil {
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
	return report{options: o, machine: describeMachine(ctx), results: b.results, allocations: allocated}, nil
}
