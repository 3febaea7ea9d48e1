package main

import (
	"cmp"
	"context"
	"fmt"
	"os/exec"
	"strconv"
	"strings"
	"time"
)

// h2load runs the program of this name against a target for one turn: HTTP/2 without TLS,
// on one connection, on which the number of connections is that of streams.
func (b *bench) h2load(ctx context.Context, t target, w workload) (sample, error) {
	return b.takePatiently(ctx, t.pid, decodeH2load, func() *exec.Cmd {
		return exec.CommandContext(ctx, "h2load", "--clients", "1", "--max-concurrent-streams", strconv.Itoa(w.connections),
			"--duration", strconv.Itoa(int(b.options.length.Seconds())), cmp.Or(t.h2c, t.base)+w.path)
	})
}

// decodeH2load reads lines such as
//
//	finished in 2.00s, 12345.50 req/s, 1.23MB/s
//	requests: 24691 total, 24755 started, 24691 done, 24690 succeeded, 1 failed, 0 errored, 0 timeout
//
// h2load tells no percentiles.
func decodeH2load(printed []byte) (sample, error) {
	_, text, _ := strings.Cut(string(printed), "\nfinished in ")
	took, _, _ := strings.Cut(text, ",")
	length, err := time.ParseDuration(took)
	if err != nil {
		return sample{}, fmt.Errorf("read how long h2load ran: %w: %s", err, printed)
	}
	_, text, _ = strings.Cut(text, "\nrequests: ")
	var total, started, done, succeeded int64
	if _, err := fmt.Sscanf(text, "%d total, %d started, %d done, %d succeeded", &total, &started, &done, &succeeded); err != nil {
		return sample{}, fmt.Errorf("read the requests of h2load: %w: %s", err, printed)
	}
	return sample{Requests: total, Microseconds: length.Microseconds(), Errors: total - succeeded}.checked()
}
