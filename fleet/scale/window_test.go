package scale

import (
	"math"
	"testing"
	"time"
)

const second = time.Second

func near(a, b float64) bool { return math.Abs(a-b) < 1e-9 }

func TestLevels_Average(t *testing.T) {
	type read struct {
		at    time.Duration
		level float64
	}
	tests := []struct {
		name        string
		reads       []read
		now, window time.Duration
		want        float64
	}{
		{"nothing read", nil, 0, PanicWindow, 0},
		{"one reading", []read{{0, 10}}, 0, PanicWindow, 10},
		{"several within a second are one mean", []read{{0, 10}, {second / 2, 20}}, second / 2, PanicWindow, 15},
		{"two seconds", []read{{0, 0}, {second, 100}}, second, PanicWindow, 50},
		{"the window forgets", []read{{0, 600}, {10 * second, 6}, {15 * second, 6}}, 15 * second, PanicWindow, 6},
		{"a level holds until the next reading", []read{{0, 12}, {3 * second, 0}}, 3 * second, PanicWindow, 9},
		{"a level holds after the last reading", []read{{0, 0}, {second, 12}}, 5 * second, PanicWindow, 10},
		{"a gap longer than the ring", []read{{0, 60}, {time.Hour, 0}}, time.Hour, StableWindow, 59},
		{"a late reading counts for the last second", []read{{5 * second, 10}, {2 * second, 20}}, 5 * second, PanicWindow, 15},
		{"an early question is one at the last reading", []read{{0, 0}, {second, 10}}, 0, PanicWindow, 5},
		{"long after", []read{{0, 7}}, time.Hour, StableWindow, 7},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			var l levels
			for _, r := range test.reads {
				l.record(r.at, r.level)
			}
			if got := l.average(test.now, test.window); !near(got, test.want) {
				t.Errorf("got %g, want %g", got, test.want)
			}
		})
	}
}

func TestReadings_Rate(t *testing.T) {
	type read struct {
		at    time.Duration
		total uint64
	}
	var steady []read // 10 calls per second for two minutes
	for s := range 121 {
		steady = append(steady, read{time.Duration(s) * second, uint64(1000 + 10*s)})
	}
	tests := []struct {
		name        string
		reads       []read
		now, window time.Duration
		want        float64
	}{
		{"nothing read", nil, 0, PanicWindow, 0},
		{"what was before the first reading does not count", []read{{0, 5000}}, 0, PanicWindow, 0},
		{"a rate is over a second at least", []read{{0, 0}, {second / 10, 20}}, second / 10, PanicWindow, 20},
		{"young", []read{{0, 0}, {2 * second, 20}}, 2 * second, PanicWindow, 10},
		{"steady, short window", steady, 120 * second, PanicWindow, 10},
		{"steady, long window", steady, 120 * second, StableWindow, 10},
		{"it fades when nothing is read", steady, 123 * second, PanicWindow, 5},
		{"it ends", steady, 150 * second, PanicWindow, 0},
		{"a counter that began again", []read{{0, 100}, {second, 160}, {2 * second, 40}}, 2 * second, PanicWindow, 50},
		{"after a gap", []read{{0, 0}, {time.Hour, 60}}, time.Hour, PanicWindow, 10},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			var r readings
			for _, reading := range test.reads {
				r.record(reading.at, reading.total)
			}
			if got := r.rate(test.now, test.window); !near(got, test.want) {
				t.Errorf("got %g, want %g", got, test.want)
			}
		})
	}
}

func TestPeaks_Hold(t *testing.T) {
	t.Parallel()
	const window = time.Minute
	var p peaks
	steps := []struct {
		at          time.Duration
		count, want int
	}{
		{0, 3, 3}, {10 * second, 8, 8}, {20 * second, 2, 8},
		{70 * second, 2, 8}, // 60 s after the peak
		{72 * second, 2, 2}, // the window moved on
		{73 * second, 5, 5}, // up at once
		{30 * second, 1, 5}, // a clock set back forgets nothing
		{time.Hour, 1, 1},
	}
	for _, step := range steps {
		if got := p.hold(step.at, window, step.count); got != step.want {
			t.Errorf("after %s: got %d, want %d", step.at, got, step.want)
		}
	}
	if got := p.hold(time.Hour, 0, 0); got != 0 {
		t.Errorf("without a window: got %d, want what was asked", got)
	}
}
