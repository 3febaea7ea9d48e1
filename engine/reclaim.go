package engine

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"

	"github.com/docker/docker/api/types/container"

	"faas-docker/function"
)

// unlimitedSwap is Docker's word for as much swap as there is.
const unlimitedSwap = -1

// meminfo is where Linux says how much swap there is, in containers too.
const meminfo = "/proc/meminfo"

// Swap returns what the engine's machine has of swap now. That of another machine
// is not known, which is no error.
func (e *Engine) Swap(ctx context.Context) (function.Swap, error) {
	if !strings.HasPrefix(e.docker.DaemonHost(), "unix://") {
		return function.Swap{}, nil
	}
	info, err := e.docker.Info(ctx)
	if err != nil {
		return function.Swap{}, e.explain("ask for the engine's swap", err)
	}
	file, err := os.Open(meminfo)
	if errors.Is(err, os.ErrNotExist) {
		return function.Swap{}, nil
	}
	if err != nil {
		return function.Swap{}, fmt.Errorf("look for swap: %w", err)
	}
	defer func() { _ = file.Close() }()
	swap, err := readSwap(file)
	if err != nil {
		return function.Swap{}, fmt.Errorf("look for swap in %s: %w", meminfo, err)
	}
	swap.Accounted = info.MemoryLimit && info.SwapLimit
	return swap, nil
}

// readSwap reads the lines that /proc/meminfo has of swap, "SwapFree:  1024 kB".
func readSwap(r io.Reader) (function.Swap, error) {
	swap := function.Swap{Known: true}
	lines := bufio.NewScanner(r)
	for lines.Scan() {
		key, rest, _ := strings.Cut(lines.Text(), ":")
		amount := map[string]*int64{"SwapTotal": &swap.Total, "SwapFree": &swap.Free}[key]
		if amount == nil {
			continue
		}
		kilobytes, err := strconv.ParseInt(strings.TrimSuffix(strings.TrimSpace(rest), " kB"), 10, 64)
		if err != nil {
			return function.Swap{}, fmt.Errorf("%s: %w", key, err)
		}
		*amount = kilobytes << 10
	}
	return swap, lines.Err()
}

// Memory returns how much memory a replica holds, in bytes, without the page cache
// that can be dropped.
func (e *Engine) Memory(ctx context.Context, id string) (int64, error) {
	stats, err := e.stats(ctx, id)
	if err != nil || stats == nil {
		return 0, err
	}
	return int64(residentMemory(stats.MemoryStats)), nil
}

// Reclaim leaves a frozen replica so much memory, in bytes; the rest of what it has
// goes to the host's swap. Restore must come before it runs again.
func (e *Engine) Reclaim(ctx context.Context, id string, memory int64) error {
	return e.limit(ctx, id, memory, unlimitedSwap)
}

// Restore gives a replica the limits that its spec says.
func (e *Engine) Restore(ctx context.Context, id string, spec function.Spec) error {
	granted := resources(spec, 1)
	return e.limit(ctx, id, granted.Memory, granted.MemorySwap)
}

func (e *Engine) limit(ctx context.Context, id string, memory, swap int64) error {
	_, err := e.docker.ContainerUpdate(ctx, id, container.UpdateConfig{Resources: container.Resources{Memory: memory, MemorySwap: swap}})
	return e.explain(fmt.Sprintf("limit the memory of replica %q to %d bytes", id, memory), err)
}
