package fleet

import (
	"context"
	"math"
	"time"

	"faas-docker/fleet/scale"
	"faas-docker/function"
)

// samplePause is how often a function that is called is looked at: the windows of
// the autoscaler are made of such moments.
const samplePause = time.Second

// sample rings, once a second until ctx ends, for every function that is being
// called, and until the autoscaler's window has seen the end of that. One that
// nobody calls is left in peace: its worker knows itself when to look again.
func (f *Fleet) sample(ctx context.Context) {
	tick := time.NewTicker(samplePause)
	defer tick.Stop()
	before := f.Engine.Processors()
	calls, active := map[function.Name]uint64{}, map[function.Name]time.Time{}
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		processors := f.Engine.Processors()
		f.busy.Store(math.Float64bits(processors.Busy(before)))
		before = processors
		now := time.Now()
		names := f.Resolver.Names()
		if len(calls) > 2*len(names)+1000 {
			// Most of them were deleted: whoever is still there is counted anew.
			clear(calls)
			clear(active)
		}
		for _, name := range names {
			load := f.Resolver.Load(name)
			if load.InFlight > 0 || load.Waiting > 0 || load.Invocations != calls[name] {
				active[name] = now
			}
			if now.Sub(active[name]) <= scale.StableWindow+samplePause {
				f.Ring(name)
			}
			calls[name] = load.Invocations
		}
	}
}

// measure asks the engine, beside the worker, what the function's replicas consume,
// if the autoscaler wants to know. Usage is unknown while the engine is unreachable.
func (w *worker) measure(ctx context.Context) {
	if w.measuring || !w.scaler.WantsCPU() || time.Since(w.measured) < samplePause {
		return
	}
	w.measuring = true
	w.task(func() func(*worker) {
		usage, err := w.fleet.Engine.Usage(ctx, w.name)
		return func(w *worker) {
			w.measuring, w.measured, w.millicores = false, time.Now(), usage.Millicores
			if err != nil {
				w.millicores = notMeasured
			}
		}
	})
}

// consumed is what the replicas consume, in thousandths of a core, if it was measured lately.
func (w *worker) consumed(now time.Time) float64 {
	if now.Sub(w.measured) > freshFor {
		return notMeasured
	}
	return w.millicores
}

// freshFor is how long a measurement counts.
const freshFor = 10 * samplePause

// sampleOf is what the autoscaler is told.
func sampleOf(load function.Load, now time.Time, millicores float64, desired int) scale.Sample {
	return scale.Sample{
		At: now, InFlight: load.InFlight, Waiting: load.Waiting, Calls: load.Invocations - load.InvocationsBefore,
		CPUMillicores: millicores, Ready: load.Ready, Desired: desired,
	}
}

// notMeasured is what the autoscaler is told when consumption is not known.
const notMeasured = -1
