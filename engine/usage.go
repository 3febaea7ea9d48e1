package engine

import (
	"context"
	"encoding/json"
	"fmt"
	"sync"
	"time"

	"github.com/containerd/errdefs"
	"github.com/docker/docker/api/types/container"
	"golang.org/x/sync/errgroup"

	"faas-docker/function"
)

const (
	// sampleMaxAge is how old a reading may be to measure from: older ones would
	// average over times that nobody asks about.
	sampleMaxAge = time.Minute
	// sampleMinAge is how old it must be: over less, the clock ticks of the kernel
	// show.
	sampleMinAge = 100 * time.Millisecond
	// sampleGap is the time between two readings where there was none to use.
	sampleGap = 200 * time.Millisecond
	// statsAtOnce bounds how many containers are asked at a time.
	statsAtOnce = 8
)

// cpuSample is one reading of the processor time a container has used.
type cpuSample struct {
	at   time.Time // by the engine's clock
	used time.Duration
}

// cpuSamples remembers the last reading of each container; the zero value has
// none.
type cpuSamples struct {
	mu   sync.Mutex // protects last
	last map[string]cpuSample
}

// Usage returns what the running replicas of a function consume together. The
// processor time is that since the last call, or over a fifth of a second when
// the last call was more than a minute ago.
func (e *Engine) Usage(ctx context.Context, name function.Name) (function.Usage, error) {
	replicas, err := e.Replicas(ctx, name)
	if err != nil {
		return function.Usage{}, err
	}
	var (
		mu    sync.Mutex // protects total
		total function.Usage
	)
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(statsAtOnce)
	for _, replica := range replicas {
		if replica.State != function.Running && replica.State != function.Paused {
			continue
		}
		group.Go(func() error {
			used, err := e.usageOf(ctx, replica.ID)
			mu.Lock()
			defer mu.Unlock()
			total.Millicores += used.Millicores
			total.MemoryBytes += used.MemoryBytes
			return err
		})
	}
	if err := group.Wait(); err != nil {
		return function.Usage{}, fmt.Errorf("measure %q: %w", name, err)
	}
	return total, nil
}

// usageOf measures one container; one that has gone uses nothing.
func (e *Engine) usageOf(ctx context.Context, id string) (function.Usage, error) {
	stats, err := e.stats(ctx, id)
	if err != nil || stats == nil {
		return function.Usage{}, err
	}
	before, found := e.cpu.swap(id, sampleOf(stats))
	if !found {
		select {
		case <-time.After(sampleGap):
		case <-ctx.Done():
			return function.Usage{}, ctx.Err()
		}
		before = sampleOf(stats)
		if stats, err = e.stats(ctx, id); err != nil || stats == nil {
			return function.Usage{}, err
		}
		e.cpu.put(id, sampleOf(stats))
	}
	return function.Usage{
		Millicores:  millicores(before, sampleOf(stats)),
		MemoryBytes: residentMemory(stats.MemoryStats),
	}, nil
}

// stats returns nil for a container that has gone.
func (e *Engine) stats(ctx context.Context, id string) (*container.StatsResponse, error) {
	answer, err := e.docker.ContainerStatsOneShot(ctx, id)
	if errdefs.IsNotFound(err) {
		return nil, nil
	}
	if err != nil {
		return nil, e.explain(fmt.Sprintf("read statistics of %q", id), err)
	}
	defer func() { _ = answer.Body.Close() }()
	var stats container.StatsResponse
	if err := json.NewDecoder(answer.Body).Decode(&stats); err != nil {
		return nil, fmt.Errorf("read statistics of %q: %w", id, err)
	}
	return &stats, nil
}

func sampleOf(stats *container.StatsResponse) cpuSample {
	return cpuSample{at: stats.Read, used: time.Duration(stats.CPUStats.CPUUsage.TotalUsage)}
}

// swap remembers now and returns the reading before it, when that is of an age
// to measure from. A reading that is too young stays, to become of age.
func (c *cpuSamples) swap(id string, now cpuSample) (before cpuSample, found bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	before, known := c.last[id]
	age := now.at.Sub(before.at)
	if known && age < sampleMinAge {
		return cpuSample{}, false
	}
	c.remember(id, now)
	return before, known && age <= sampleMaxAge
}

func (c *cpuSamples) put(id string, now cpuSample) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.remember(id, now)
}

// remember also forgets what has become too old to use, so that containers that
// have gone leave nothing behind. The caller holds mu.
func (c *cpuSamples) remember(id string, now cpuSample) {
	if c.last == nil {
		c.last = map[string]cpuSample{}
	}
	for other, sample := range c.last {
		if now.at.Sub(sample.at) > sampleMaxAge {
			delete(c.last, other)
		}
	}
	c.last[id] = now
}

// millicores is zero when no time lies between the readings, as for a container
// that has stopped.
func millicores(before, now cpuSample) float64 {
	span := now.at.Sub(before.at)
	if span <= 0 || now.used < before.used {
		return 0
	}
	return float64(now.used-before.used) / float64(span) * 1000
}

// residentMemory leaves out the page cache that the kernel would drop first; its
// name differs between the first and the second version of cgroups.
func residentMemory(m container.MemoryStats) float64 {
	for _, key := range []string{"total_inactive_file", "inactive_file"} {
		if cache, known := m.Stats[key]; known && cache < m.Usage {
			return float64(m.Usage - cache)
		}
	}
	return float64(m.Usage)
}
