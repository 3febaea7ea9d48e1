package engine

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"sync"
	"time"

	"github.com/containerd/errdefs"
	"github.com/docker/docker/api/types/container"
	"golang.org/x/sync/errgroup"

	"faas-docker/function"
	"faas-docker/function/clock"
)

const (
	// sampleMaxAge is how old a reading may be to measure from: older ones would
	// average over times before the one asked about.
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

// Stats measures what containers consume.
type Stats struct {
	*daemon
	containers *Containers
	cpu        cpuSamples
}

// Usage returns what the running replicas of a function consume together. The
// processor time is that since the last call, or over a fifth of a second when
// the last call was more than a minute ago. CPUSeconds is left out.
func (s *Stats) Usage(ctx context.Context, name function.Name) (function.Usage, error) {
	measured, err := s.consumption(ctx, name, false)
	return measured.Usage, err
}

// consumption measures the running replicas of a function. With atOnce those are not read
// twice that were not read of late: then their processor time is that since they were made.
func (s *Stats) consumption(ctx context.Context, name function.Name, atOnce bool) (consumption, error) {
	replicas, err := s.containers.Replicas(ctx, name)
	if err != nil {
		return consumption{}, err
	}
	var mu sync.Mutex // protects total
	total := consumption{used: map[string]time.Duration{}}
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(statsAtOnce)
	for _, replica := range replicas {
		if replica.State != function.Running && replica.State != function.Paused {
			continue
		}
		group.Go(func() error {
			usage, used, err := s.usageOf(ctx, replica, atOnce)
			mu.Lock()
			defer mu.Unlock()
			total.Millicores += usage.Millicores
			total.MemoryBytes += usage.MemoryBytes
			total.used[replica.ID] = used
			return err
		})
	}
	if err := group.Wait(); err != nil {
		return consumption{}, fmt.Errorf("measure %q: %w", name, err)
	}
	return total, nil
}

// usageOf measures one container, and returns what processor time it has used at all; one
// that has gone uses nothing.
func (s *Stats) usageOf(ctx context.Context, replica function.Replica, atOnce bool) (function.Usage, time.Duration, error) {
	stats, err := s.read(ctx, replica.ID)
	if err != nil || stats == nil {
		return function.Usage{}, 0, err
	}
	before, found := s.cpu.swap(replica.ID, sampleOf(stats))
	switch {
	case found:
	case atOnce:
		before = cpuSample{at: replica.CreatedAt}
	default:
		if err := clock.Sleep(ctx, sampleGap); err != nil {
			return function.Usage{}, 0, err
		}
		before = sampleOf(stats)
		if stats, err = s.read(ctx, replica.ID); err != nil || stats == nil {
			return function.Usage{}, 0, err
		}
		s.cpu.swap(replica.ID, sampleOf(stats))
	}
	now := sampleOf(stats)
	return function.Usage{Millicores: millicores(before, now), MemoryBytes: residentMemory(stats.MemoryStats)}, now.used, nil
}

// Memory returns how much memory a replica holds, in bytes, without the page cache
// that can be dropped.
func (s *Stats) Memory(ctx context.Context, id string) (int64, error) {
	stats, err := s.read(ctx, id)
	if err != nil || stats == nil {
		return 0, err
	}
	return int64(residentMemory(stats.MemoryStats)), nil
}

// read returns nil for a container that has gone.
func (s *Stats) read(ctx context.Context, id string) (*container.StatsResponse, error) {
	answer, err := s.docker.ContainerStatsOneShot(ctx, id)
	if errdefs.IsNotFound(err) {
		return nil, nil
	}
	if err != nil {
		return nil, s.explain(fmt.Sprintf("read statistics of %q", id), err)
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
	// Samples that have become too old to use go, so that containers that have gone leave
	// nothing behind.
	maps.DeleteFunc(c.last, func(_ string, sample cpuSample) bool { return now.at.Sub(sample.at) > sampleMaxAge })
	if c.last == nil {
		c.last = map[string]cpuSample{}
	}
	c.last[id] = now
	return before, known && age <= sampleMaxAge
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
