package main

import (
	"context"
	"fmt"
	"strconv"
	"strings"
)

// allocations is what one invocation allocates in the whole handler.
type allocations struct{ count, bytes float64 }

// countAllocations runs the proxy's own benchmark, in this folder's module.
func countAllocations(ctx context.Context) (allocations, error) {
	printed, err := output(ctx, "go", "test", "-run", "^$", "-bench", "^BenchmarkHandler$/^sequential$", "-benchtime", "20000x", "-benchmem", "./proxy")
	if err != nil {
		return allocations{}, err
	}
	return parseAllocations(printed)
}

// parseAllocations reads a line such as
//
//	BenchmarkHandler/sequential-2   20000   31234 ns/op   2312 B/op   24 allocs/op
func parseAllocations(printed string) (allocations, error) {
	found := map[string]float64{}
	for line := range strings.Lines(printed) {
		fields := strings.Fields(line)
		if len(fields) == 0 || !strings.HasPrefix(fields[0], "BenchmarkHandler/") {
			continue
		}
		for i := 1; i < len(fields); i++ {
			if value, err := strconv.ParseFloat(fields[i-1], 64); err == nil {
				found[fields[i]] = value
			}
		}
	}
	count, counted := found["allocs/op"]
	size, sized := found["B/op"]
	if !counted || !sized {
		return allocations{}, fmt.Errorf("count allocations: none in %q", printed)
	}
	return allocations{count: count, bytes: size}, nil
}
