package engine

import (
	"context"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"faas-docker/function"
)

const (
	// meterFresh is how old a measurement may be that is given out at once.
	meterFresh = 5 * time.Second
	// meterLinger is for how long after it was asked for a measurement is kept fresh.
	meterLinger  = time.Minute
	meterTimeout = 10 * time.Second
)

// Meter returns at once how much functions consume: it measures the function that it is asked
// for, and goes on for a minute, so that the next question need not wait. It is made by NewMeter; its methods are safe
// for concurrent use.
type Meter struct {
	measure func(context.Context, function.Name) (consumption, error)

	mu   sync.Mutex
	kept map[function.Name]*reading
}

// consumption is one measurement of a function.
type consumption struct {
	function.Usage
	// used is the processor time of each of its containers since that began.
	used map[string]time.Duration
}

// reading is the state of one function.
type reading struct {
	last     consumption
	err      error
	total    time.Duration
	measured time.Time // zero before the first
	asked    time.Time
	// done is closed when the measurement that is under way has ended; nil for none.
	done chan struct{}
	// next begins another measurement; nil while none is to.
	next *time.Timer
}

// NewMeter returns a Meter that keeps the measurements of stats.
func NewMeter(stats *Stats) *Meter {
	return &Meter{measure: func(ctx context.Context, name function.Name) (consumption, error) {
		return stats.consumption(ctx, name, true)
	}}
}

// Usage returns what the replicas of a function consume together. Only the first question
// within a minute waits for that. Usage.CPUSeconds counts from when it was first asked for.
func (m *Meter) Usage(ctx context.Context, name function.Name) (function.Usage, error) {
	return m.usage(ctx, name, true)
}

// Usages returns the same for many functions. What is not known is measured, for as long as
// ctx lasts, and what cannot be is left out. It is not kept fresh.
func (m *Meter) Usages(ctx context.Context, names []function.Name) map[function.Name]function.Usage {
	var (
		mu    sync.Mutex
		known = map[function.Name]function.Usage{}
		group errgroup.Group
	)
	group.SetLimit(statsAtOnce)
	// When there is no time for all of them, it is others each time.
	names = slices.Clone(names)
	rand.Shuffle(len(names), func(i, j int) { names[i], names[j] = names[j], names[i] })
	for _, name := range names {
		group.Go(func() error {
			if usage, err := m.usage(ctx, name, false); err == nil {
				mu.Lock()
				defer mu.Unlock()
				known[name] = usage
			}
			return nil
		})
	}
	_ = group.Wait()
	return known
}

// Forget drops the reading of a function that was deleted.
func (m *Meter) Forget(name function.Name) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if r := m.kept[name]; r != nil && r.next != nil {
		r.next.Stop()
	}
	delete(m.kept, name)
}

func (m *Meter) usage(ctx context.Context, name function.Name, keep bool) (function.Usage, error) {
	m.mu.Lock()
	r := m.of(name)
	if keep {
		r.asked = time.Now()
	}
	if r.isFresh() || ctx.Err() != nil {
		defer m.mu.Unlock()
		return r.answer(ctx.Err())
	}
	done := m.begin(name, r)
	m.mu.Unlock()
	var late error
	select {
	case <-done:
	case <-ctx.Done():
		late = ctx.Err()
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	return r.answer(late)
}

// of returns the reading of a function, with mu held.
func (m *Meter) of(name function.Name) *reading {
	if m.kept == nil {
		m.kept = map[function.Name]*reading{}
	}
	r := m.kept[name]
	if r == nil {
		r = &reading{}
		m.kept[name] = r
	}
	return r
}

// isFresh reports whether a reading can be given out. One that is renewed may be a little older.
func (r *reading) isFresh() bool {
	limit := meterFresh
	if r.next != nil || r.done != nil {
		limit += meterTimeout
	}
	return !r.measured.IsZero() && time.Since(r.measured) <= limit
}

// answer returns the last measurement; late is why there may be none.
func (r *reading) answer(late error) (function.Usage, error) {
	if r.measured.IsZero() {
		return function.Usage{}, late
	}
	usage := r.last.Usage
	usage.CPUSeconds = r.total.Seconds()
	return usage, r.err
}

// begin measures, unless that is under way, and returns a channel that is closed at the end.
// It is called with mu held.
func (m *Meter) begin(name function.Name, r *reading) <-chan struct{} {
	if r.done != nil {
		return r.done
	}
	if r.next != nil {
		r.next.Stop()
		r.next = nil
	}
	done := make(chan struct{})
	r.done = done
	go func() {
		defer close(done)
		ctx, cancel := context.WithTimeout(context.Background(), meterTimeout)
		defer cancel()
		measured, err := m.measure(ctx, name)
		m.mu.Lock()
		defer m.mu.Unlock()
		r.done = nil
		r.note(measured, err)
		m.renew(name, r)
	}()
	return done
}

// note keeps a measurement. What a container has used that was not known counts as a whole.
func (r *reading) note(measured consumption, err error) {
	r.measured, r.err = time.Now(), err
	if err != nil {
		return
	}
	for id, used := range measured.used {
		if before := r.last.used[id]; used > before {
			r.total += used - before
		}
	}
	r.last = measured
}

// renew has a reading measured again soon while it is asked for. It is called with mu held.
func (m *Meter) renew(name function.Name, r *reading) {
	if m.kept[name] != r || r.asked.IsZero() || time.Since(r.asked) > meterLinger {
		return
	}
	r.next = time.AfterFunc(meterFresh, func() {
		m.mu.Lock()
		defer m.mu.Unlock()
		if r.next != nil && m.kept[name] == r {
			m.begin(name, r)
		}
	})
}
