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
	caddy   = "caddy"
	stock   = "faas-provider"
	reverse = "httputil"
	ours    = "faas-docker"
	crowded = "faas-docker, crowded"
	// free is this program with a function that has no settings: it scales by itself.
	free    = "faas-docker, defaults"
	routed0 = "faas-docker, 0 filters"
	routed3 = "faas-docker, 3 filters"
	routed9 = "faas-docker, 9 filters"
)

// workload is what is asked of the function, through whom and by which load.
type workload struct {
	name        string
	connections int
	targets     []string
	load        load
	path        string
	// body is the size of the request's body, in bytes; 0 means GET.
	body int
	// chunked is set when the body is sent without its size.
	chunked bool
	// length is that of a turn; zero means that of the options.
	length time.Duration
}

// load calls a target for one turn.
type load func(*bench, context.Context, target, workload) (sample, error)

const (
	small   = "13 B answers"
	large   = "64 KiB answers"
	post    = "200 B requests"
	upload  = "64 KiB requests"
	chunked = "200 B requests, chunked"
	scaled  = "13 B, one replica or as many as by default"
	byRoute = "13 B, by a route"
	streams = "13 B over HTTP/2, streams of one connection"
	unary   = "gRPC unary"

	// comparison is the number of connections that most marks speak of.
	comparison = 64
	// callers is how many gRPC calls are under way at once, on one connection.
	callers = 32
)

// workloads are the blocks of the table, in its order.
func workloads() []workload {
	all := []string{direct, nginx, stock, reverse, ours}
	more := []string{direct, nginx, caddy, stock, reverse, ours}
	return []workload{
		{name: small, connections: 1, targets: more, load: (*bench).wrk, path: "/"},
		{name: small, connections: comparison, targets: more, load: (*bench).wrk, path: "/"},
		{name: small, connections: 256, targets: more, load: (*bench).wrk, path: "/"},
		{name: large, connections: 1, targets: all, load: (*bench).wrk, path: "/64k"},
		{name: large, connections: comparison, targets: more, load: (*bench).wrk, path: "/64k"},
		{name: large, connections: 256, targets: all, load: (*bench).wrk, path: "/64k"},
		{name: post, connections: comparison, targets: all, load: (*bench).wrk, path: "/", body: 200},
		{name: upload, connections: comparison, targets: all, load: (*bench).wrk, path: "/", body: 64 << 10},
		{name: chunked, connections: comparison, targets: []string{direct, nginx, reverse, ours}, load: (*bench).wrk, path: "/", body: 200, chunked: true},
		{name: scaled, connections: comparison, targets: []string{nginx, ours, free}, load: (*bench).wrk, path: "/"},
		{name: byRoute, connections: comparison, targets: []string{reverse, routed0, routed3, routed9}, load: (*bench).wrk, path: "/"},
		{name: streams, connections: comparison, targets: []string{nginx, reverse, ours}, load: (*bench).h2load, path: "/"},
		{name: unary, connections: callers, targets: []string{direct, nginx, ours}, load: (*bench).rpc},
	}
}

// steadyRate is how many requests a second come at their times, and steadyTurn for how long:
// of fewer than thousands of latencies the highest in a thousand says little.
const (
	steadyRate = 2000
	steadyTurn = 5 * time.Second
)

// steadyWorkload has a table of its own.
func steadyWorkload() workload {
	return workload{name: "13 B, requests at their times", targets: []string{direct, nginx, caddy, reverse, ours}, load: (*bench).steady, path: "/", length: steadyTurn}
}

// crowdWorkload has turns of its own, after all others.
func crowdWorkload() workload {
	return workload{name: crowdLoad, connections: comparison, targets: []string{ours, crowded}, load: (*bench).wrk, path: "/", length: crowdTurn}
}

// bench is one run.
type bench struct {
	options options
	stage   *stage
	results results
	fanOuts []fanOut
}

// runRounds measures every target once per round, each round beginning with
// another one, so that changes on the machine meet all alike.
func (b *bench) runRounds(ctx context.Context) error {
	if err := b.warmUp(ctx, b.stage.targets); err != nil {
		return err
	}
	for round := range b.options.rounds {
		fmt.Fprintf(os.Stderr, "round %d of %d, %s\n", round+1, b.options.rounds, time.Now().Format(time.TimeOnly))
		for _, w := range append(workloads(), steadyWorkload()) {
			if err := b.runTurns(ctx, rotated(b.stage.chosen(w.targets), round), w); err != nil {
				return err
			}
		}
	}
	return nil
}

func (b *bench) warmUp(ctx context.Context, targets []target) error {
	for _, t := range targets {
		if _, err := b.wrk(ctx, t, workload{connections: comparison, path: "/"}); err != nil {
			return fmt.Errorf("warm up %s: %w", t.name, err)
		}
	}
	return nil
}

func rotated[T any](targets []T, by int) []T {
	by %= len(targets)
	return slices.Concat(targets[by:], targets[:by])
}

func (b *bench) runTurns(ctx context.Context, targets []target, w workload) error {
	for _, t := range targets {
		taken, err := w.load(b, ctx, t, w)
		if err != nil {
			return fmt.Errorf("%s, %d connections, %s: %w", w.name, w.connections, t.name, err)
		}
		b.results.add(cell{w.name, w.connections, t.name}, taken)
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
	began := time.Now()
	alone, crowd, err := b.stage.openCrowd(ctx)
	if err != nil {
		return err
	}
	fmt.Fprintf(os.Stderr, "deployed in %v\n", time.Since(began).Round(time.Second/10))
	order := []target{alone, crowd}
	if err := b.warmUp(ctx, order); err != nil {
		return err
	}
	for range b.options.rounds * crowdPairs {
		if err := b.runTurns(ctx, order, crowdWorkload()); err != nil {
			return err
		}
		slices.Reverse(order)
	}
	return nil
}

const crowdLoad = "13 B, 1 or many functions"
