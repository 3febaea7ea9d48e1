package main

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
	"google.golang.org/protobuf/types/known/wrapperspb"
)

// load is what to call, by how many, and how long.
type load struct {
	address  string
	function string
	callers  int
	length   time.Duration
}

// outcome is the result of a load, in the form that the benchmark reads.
type outcome struct {
	Requests     int64 `json:"requests"`
	Microseconds int64 `json:"microseconds"`
	// P50 and P99 are latencies in microseconds.
	P50    float64 `json:"p50"`
	P99    float64 `json:"p99"`
	Errors int64   `json:"errors"`
}

func (l load) run(ctx context.Context) (outcome, error) {
	conn, err := grpc.NewClient("passthrough:///"+l.address, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		return outcome{}, fmt.Errorf("connect to %s: %w", l.address, err)
	}
	defer conn.Close()
	if l.function != "" {
		ctx = metadata.AppendToOutgoingContext(ctx, "x-function", l.function)
	}
	// The first call connects; it is not counted.
	if err := call(ctx, conn); err != nil {
		return outcome{}, fmt.Errorf("call %s: %w", l.address, err)
	}
	return l.callAll(ctx, conn), nil
}

func (l load) callAll(ctx context.Context, conn *grpc.ClientConn) outcome {
	latencies, failures := make([][]time.Duration, l.callers), make([]int64, l.callers)
	start := time.Now()
	var callers sync.WaitGroup
	for i := range l.callers {
		callers.Go(func() { latencies[i], failures[i] = callUntil(ctx, conn, start.Add(l.length)) })
	}
	callers.Wait()
	elapsed := time.Since(start)
	all := slices.Concat(latencies...)
	slices.Sort(all)
	done := outcome{Requests: int64(len(all)), Microseconds: elapsed.Microseconds(), P50: percentile(all, 50), P99: percentile(all, 99)}
	for _, n := range failures {
		done.Errors += n
	}
	return done
}

func callUntil(ctx context.Context, conn *grpc.ClientConn, end time.Time) (latencies []time.Duration, failures int64) {
	for {
		start := time.Now()
		if !start.Before(end) {
			return latencies, failures
		}
		if err := call(ctx, conn); err != nil {
			failures++
			continue
		}
		latencies = append(latencies, time.Since(start))
	}
}

func call(ctx context.Context, conn *grpc.ClientConn) error {
	said, heard := wrapperspb.String(greeting), new(wrapperspb.StringValue)
	if err := conn.Invoke(ctx, method, said, heard); err != nil {
		return err
	}
	if heard.GetValue() != greeting {
		return fmt.Errorf("said %q, heard %q", greeting, heard.GetValue())
	}
	return nil
}

// percentile of sorted latencies, in microseconds; 0 when there are none.
func percentile(sorted []time.Duration, p int) float64 {
	if len(sorted) == 0 {
		return 0
	}
	at := min(len(sorted)*p/100, len(sorted)-1)
	return float64(sorted[at].Nanoseconds()) / 1e3
}
