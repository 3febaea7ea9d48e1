package main

import (
	"context"
	"fmt"
	"os"
	"slices"
	"time"
)

// The targets, as the report names them.
const (
	direct  = "direct"
	nginx   = "nginx"
	stock   = "faas-provider"
	reverse = "httputil"
	ours    = "faas-docker"
	crowded = "faas-docker, crowded"
)

// workload is what is asked of the function.
type workload struct {
	name string
	path string
	// body is the size of the request's body, in bytes; 0 means GET.
	body        int
	connections []int
	// length is that of a turn; zero means that of the options.
	length time.Duration
}

const (
	small  = "13 B answers"
	large  = "64 KiB answers"
	post   = "200 B requests"
	upload = "64 KiB requests"
	unary  = "gRPC unary"

	// comparison is the number of connections that most marks speak of.
	comparison = 64
	// callers is how many gRPC calls are under way at once, on one connection.
	callers = 32
)

func workloads() []workload {
	return []workload{
		{name: small, path: "/", connections: []int{1, comparison, 256}},
		{name: large, path: "/64k", connections: []int{1, comparison, 256}},
		{name: post, path: "/", body: 200, connections: []int{comparison}},
		{name: upload, path: "/", body: 64 << 10, connections: []int{comparison}},
	}
}

// bench is one run.
type bench struct {
	options options
	stage   *stage
	results results
}

// runRounds measures every target once per round, each round beginning with
// another one, so that changes on the machine meet all alike.
func (b *bench) runRounds(ctx context.Context) error {
	targets := b.stage.targets
	for _, t := range targets {
		if _, err := b.http(ctx, t, workloads()[0], comparison); err != nil {
			return fmt.Errorf("warm up %s: %w", t.name, err)
		}
	}
	for round := range b.options.rounds {
		fmt.Fprintf(os.Stderr, "round %d of %d, %s\n", round+1, b.options.rounds, time.Now().Format(time.TimeOnly))
		if err := b.runRound(ctx, rotated(targets, round)); err != nil {
			return err
		}
	}
	return nil
}

func rotated[T any](targets []T, by int) []T {
	by %= len(targets)
	return slices.Concat(targets[by:], targets[:by])
}

func (b *bench) runRound(ctx context.Context, targets []target) error {
	for _, w := range workloads() {
		for _, connections := range w.connections {
			if err := b.runTurns(ctx, targets, w, connections); err != nil {
				return err
			}
		}
	}
	for _, t := range targets {
		if t.rpc == "" {
			continue
		}
		taken, err := b.rpc(ctx, t)
		if err != nil {
			return fmt.Errorf("%s, %s: %w", unary, t.name, err)
		}
		b.results.add(cell{unary, callers, t.name}, taken)
	}
	return nil
}

func (b *bench) runTurns(ctx context.Context, targets []target, w workload, connections int) error {
	for _, t := range targets {
		taken, err := b.http(ctx, t, w, connections)
		if err != nil {
			return fmt.Errorf("%s, %d connections, %s: %w", w.name, connections, t.name, err)
		}
		b.results.add(cell{w.name, connections, t.name}, taken)
	}
	return nil
}

// crowdPairs is how often a round compares the provider that has one function with the one
// that has many, and crowdTurn how long each of the two takes. What is looked for is smaller
// than what one pair differs from the next by on a machine that others share: many short ones
// tell more than few long ones.
const (
	crowdPairs = 16
	crowdTurn  = time.Second
)

// runCrowd compares a provider that has one function with one that has many, in the order
// ABBA.
func (b *bench) runCrowd(ctx context.Context) error {
	fmt.Fprintf(os.Stderr, "deploying %d functions, %s\n", b.options.functions, time.Now().Format(time.TimeOnly))
	alone, crowd, err := b.stage.openCrowd(ctx)
	if err != nil {
		return err
	}
	w := workload{name: crowdLoad, path: "/", length: crowdTurn}
	for _, t := range []target{alone, crowd} {
		if _, err := b.http(ctx, t, w, comparison); err != nil {
			return fmt.Errorf("warm up %s: %w", t.name, err)
		}
	}
	order := []target{alone, crowd}
	for range b.options.rounds * crowdPairs {
		if err := b.runTurns(ctx, order, w, comparison); err != nil {
			return err
		}
		slices.Reverse(order)
	}
	return nil
}

const crowdLoad = "13 B, 1 or many functions"
