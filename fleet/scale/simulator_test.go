package scale

import (
	"fmt"
	"maps"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"
)

// The simulator plays a synthetic trace of a week against two ways to keep idle
// functions: a fixed window for all, and windows learned by Histogram. It counts
// cold starts (calls that find their function removed) and memory (the time that
// functions are kept without a call).
//
// The trace has sixty functions, in the three shapes that "Serverless in the
// Wild" found in production, with the same share of each:
//   - timers: a fixed period from 7 to 150 minutes, each call late by up to 20 s;
//   - Poisson: independent calls, on average one in 3 to 90 minutes;
//   - bursty: bursts of 2 to 20 calls, 1 to 40 seconds apart, and between bursts a
//     pause that is exponentially distributed around 20 to 200 minutes.
//
// Periods, means and pauses are spread evenly over the logarithm of their range.
// Calls take no time. The seed is fixed, so the figures are always the same.

const week = 7 * 24 * time.Hour

// trace is the moments at which one function is called, from the beginning.
type trace []time.Duration

func syntheticTraces(perShape int) map[string][]trace {
	random := rand.New(rand.NewPCG(20, 7))
	shapes := map[string]func(part float64) func() time.Duration{
		"timer":   func(part float64) func() time.Duration { return timer(random, spread(7, 150, part)) },
		"poisson": func(part float64) func() time.Duration { return poisson(random, spread(3, 90, part)) },
		"bursty":  func(part float64) func() time.Duration { return bursty(random, spread(20, 200, part)) },
	}
	traces := map[string][]trace{}
	for _, shape := range []string{"timer", "poisson", "bursty"} {
		for i := range perShape {
			gap := shapes[shape]((float64(i) + 0.5) / float64(perShape))
			var calls trace
			for at := gap(); at < week; at += gap() {
				calls = append(calls, at)
			}
			traces[shape] = append(traces[shape], calls)
		}
	}
	return traces
}

// spread returns the duration that lies a part of the way from least to most
// minutes, on a logarithmic scale.
func spread(least, most, part float64) time.Duration {
	return time.Duration(least * math.Pow(most/least, part) * float64(time.Minute))
}

func timer(random *rand.Rand, period time.Duration) func() time.Duration {
	late := time.Duration(0)
	return func() time.Duration {
		before := late
		late = time.Duration(random.Float64() * float64(20*time.Second))
		return period + late - before
	}
}

func poisson(random *rand.Rand, mean time.Duration) func() time.Duration {
	return func() time.Duration { return time.Duration(random.ExpFloat64() * float64(mean)) }
}

func bursty(random *rand.Rand, pause time.Duration) func() time.Duration {
	left := 0
	return func() time.Duration {
		if left == 0 {
			left = 1 + random.IntN(19) // and the one that begins it
			return time.Duration(random.ExpFloat64() * float64(pause))
		}
		left--
		return time.Second + time.Duration(random.Float64()*39*float64(time.Second))
	}
}

// cost is what a policy costs on a trace.
type cost struct {
	calls, cold int
	kept        time.Duration
}

func (c cost) plus(o cost) cost {
	return cost{calls: c.calls + o.calls, cold: c.cold + o.cold, kept: c.kept + o.kept}
}

func (c cost) String() string {
	return fmt.Sprintf("%6d calls, %5d cold starts (%4.1f %%), %7.0f hours kept", c.calls, c.cold, 100*float64(c.cold)/float64(c.calls), c.kept.Hours())
}

// play runs a policy against the calls of one function.
func play(p Policy, calls trace) cost {
	total := cost{calls: len(calls), cold: 1} // the first call
	habits := Histogram{Bin: time.Minute}
	for i := 1; i < len(calls); i++ {
		idle := calls[i] - calls[i-1]
		rest := p.Learned(&habits).Zero
		if rest.Resting(idle) {
			total.cold++
		}
		total.kept += min(idle, rest.After)
		if rest.Wake > 0 {
			total.kept += max(0, min(idle, rest.Until)-rest.Wake)
		}
		habits.Observe(idle)
	}
	return total
}

func playAll(p Policy, traces []trace) (total cost) {
	for _, calls := range traces {
		total = total.plus(play(p, calls))
	}
	return total
}

func TestSimulator_LearningNeedsFewerColdStartsForTheSameMemory(t *testing.T) {
	t.Parallel()
	shapes := syntheticTraces(20)
	var all []trace
	for _, shape := range []string{"timer", "poisson", "bursty"} {
		all = append(all, shapes[shape]...)
	}
	fixed := func(window time.Duration) Policy {
		return standard(func(p *Policy) { p.Zero.After = window })
	}
	learning := standard(func(p *Policy) { p.Zero.After, p.Learn = defaultZero, defaultLearn })

	learned := playAll(learning, all)
	window := time.Minute
	for playAll(fixed(window), all).kept < learned.kept {
		window += time.Minute
	}
	same := playAll(fixed(window), all)
	t.Logf("learned:            %s", learned)
	t.Logf("fixed, %8s:    %s", brief(window), same)
	t.Logf("fixed, %8s:    %s", brief(defaultZero), playAll(fixed(defaultZero), all))
	if learned.cold >= same.cold {
		t.Errorf("learning has %d cold starts; a fixed window of %s keeps as much memory and has %d", learned.cold, window, same.cold)
	}
	for _, shape := range slices.Sorted(maps.Keys(shapes)) {
		t.Logf("%-8s learned: %s", shape, playAll(learning, shapes[shape]))
		t.Logf("%-8s fixed:   %s", shape, playAll(fixed(window), shapes[shape]))
	}
	timers := playAll(learning, shapes["timer"])
	if without := playAll(fixed(window), shapes["timer"]); timers.cold*10 > without.cold || timers.kept > without.kept {
		t.Errorf("timers are predictable, and yet: %s, against %s", timers, without)
	}
}
