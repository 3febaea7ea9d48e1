package engine

import (
	"testing"
	"time"

	"github.com/docker/docker/api/types/container"
)

func TestCPUSamples_MeasureFromReadingsOfUsefulAge(t *testing.T) {
	t.Parallel()
	start := time.Unix(1000, 0)
	cases := []struct {
		name string
		age  time.Duration
		want bool
	}{
		{"too young", 50 * time.Millisecond, false},
		{"of age", 2 * time.Second, true},
		{"too old", 2 * time.Minute, false},
	}
	for _, c := range cases {
		var samples cpuSamples
		if _, found := samples.swap("a", cpuSample{at: start}); found {
			t.Errorf("%s: a first reading was measured from nothing", c.name)
		}
		before, found := samples.swap("a", cpuSample{at: start.Add(c.age)})
		if found != c.want || found && !before.at.Equal(start) {
			t.Errorf("%s: got %v, %v, want %v", c.name, before, found, c.want)
		}
	}
}

func TestCPUSamples_ForgetContainersThatHaveGone(t *testing.T) {
	t.Parallel()
	var samples cpuSamples
	samples.swap("gone", cpuSample{at: time.Unix(1000, 0)})
	samples.swap("here", cpuSample{at: time.Unix(1070, 0)})
	if len(samples.last) != 1 {
		t.Errorf("got %v, want only the one that is here", samples.last)
	}
}

func TestMillicores_AreNeverNegative(t *testing.T) {
	t.Parallel()
	at := func(s int64, used time.Duration) cpuSample { return cpuSample{at: time.Unix(s, 0), used: used} }
	cases := []struct {
		name        string
		before, now cpuSample
		want        float64
	}{
		{"half a core", at(0, time.Second), at(2, 2*time.Second), 500},
		{"two cores", at(0, 0), at(1, 2*time.Second), 2000},
		{"no time between", at(1, 0), at(1, time.Second), 0},
		{"counter began anew", at(0, time.Second), at(1, 0), 0},
	}
	for _, c := range cases {
		if got := millicores(c.before, c.now); got != c.want {
			t.Errorf("%s: got %v, want %v", c.name, got, c.want)
		}
	}
}

func TestResidentMemory_LeavesOutTheCache(t *testing.T) {
	t.Parallel()
	cases := []struct {
		name  string
		stats container.MemoryStats
		want  float64
	}{
		{"cgroup v1", container.MemoryStats{Usage: 100, Stats: map[string]uint64{"total_inactive_file": 40, "inactive_file": 1}}, 60},
		{"cgroup v2", container.MemoryStats{Usage: 100, Stats: map[string]uint64{"inactive_file": 30}}, 70},
		{"nothing known", container.MemoryStats{Usage: 100}, 100},
		{"more cache than usage", container.MemoryStats{Usage: 100, Stats: map[string]uint64{"inactive_file": 300}}, 100},
	}
	for _, c := range cases {
		if got := residentMemory(c.stats); got != c.want {
			t.Errorf("%s: got %v, want %v", c.name, got, c.want)
		}
	}
}
