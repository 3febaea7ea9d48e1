package routes

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"faas-docker/routes/eskip"
)

// Loader keeps a Live table in step with its sources. Of rules with one name, or the same conditions, the
// earlier source's is used and the other reported. Set the fields before Run.
type Loader struct {
	// Live is where the tables go; it must not be nil.
	Live *Live
	// Sources are in the order of their precedence, the strongest first.
	Sources []Source
	// Options are what the tables are built with; Previous is filled in.
	Options Options
	// PollInterval is how often a source that does not push is asked, one that has failed is
	// asked again, and filters that could not be made are tried again. Zero means 1 s.
	PollInterval time.Duration
	// Observe is told of every new table, and of sources that begin or cease to fail.
	// It is called by one goroutine. It may be nil.
	Observe func(Report)

	// mu protects the fields below.
	mu     sync.Mutex
	report Report
	// next is closed by the next report; nil while there is no waiter.
	next chan struct{}
}

// Report tells of the table in force, its sources and the rejected rules.
type Report struct {
	// Table is the table in force; nil before the first.
	Table *Table
	// Sources tells how each source is, in the order of precedence.
	Sources []SourceState
	// Problems are the rules that were rejected.
	Problems []Problem
}

// IsLoaded reports whether every source has been asked, and a table is in force. A source that
// has failed does not hold the first table up.
func (r Report) IsLoaded() bool { return r.Table != nil }

// SourceState is how one source is.
type SourceState struct {
	Name string
	// Rules is how many rules it gave last, good and bad.
	Rules int
	// LoadedAt is when they were loaded; zero means never.
	LoadedAt time.Time
	// Err is why the last attempt failed, so that an older set is in use; nil means that all is well.
	Err error
}

type loaded struct {
	source int
	rules  []eskip.Rule
	err    error
	at     time.Time
}

// Run loads the sources and follows them until the context ends. It is called once.
func (l *Loader) Run(ctx context.Context) error {
	results := make(chan loaded)
	var watchers sync.WaitGroup
	for i, source := range l.Sources {
		watchers.Go(func() { l.watch(ctx, i, source, results) })
	}
	defer watchers.Wait()
	m := merge{loader: l, sets: make([][]eskip.Rule, len(l.Sources)), unasked: map[int]bool{}}
	for i, source := range l.Sources {
		m.report.Sources = append(m.report.Sources, SourceState{Name: source.Name()})
		m.unasked[i] = true
	}
	if len(l.Sources) == 0 {
		m.apply()
	}
	retry := time.NewTicker(l.interval())
	defer retry.Stop()
	for {
		select {
		case r := <-results:
			m.take(r)
		case <-retry.C:
			m.mend()
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

func (l *Loader) interval() time.Duration { return cmp.Or(l.PollInterval, time.Second) }

// Report returns the last report.
func (l *Loader) Report() Report {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.report.clone()
}

func (r Report) clone() Report {
	r.Sources, r.Problems = slices.Clone(r.Sources), slices.Clone(r.Problems)
	return r
}

// Await returns when a report is as wanted, or with the context's error.
func (l *Loader) Await(ctx context.Context, wanted func(Report) bool) error {
	for {
		// The channel comes first: a report that arrives in between closes it.
		next := l.nextReport()
		if wanted(l.Report()) {
			return nil
		}
		select {
		case <-next:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

func (l *Loader) nextReport() <-chan struct{} {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.next == nil {
		l.next = make(chan struct{})
	}
	return l.next
}

func (l *Loader) watch(ctx context.Context, i int, source Source, results chan<- loaded) {
	for {
		r := l.load(ctx, source)
		r.source = i
		select {
		case results <- r:
		case <-ctx.Done():
			return
		}
		var poll <-chan time.Time
		if source.Changed() == nil || r.err != nil {
			poll = time.After(l.interval())
		}
		select {
		case <-source.Changed():
		case <-poll:
		case <-ctx.Done():
			return
		}
	}
}

const loadTimeout = 10 * time.Second

func (l *Loader) load(ctx context.Context, source Source) loaded {
	ctx, cancel := context.WithTimeout(ctx, loadTimeout)
	defer cancel()
	rules, err := source.LoadAll(ctx)
	if err != nil {
		return loaded{err: fmt.Errorf("load routes from %s: %w", source.Name(), err)}
	}
	rules = slices.Clone(rules)
	for i := range rules {
		if rules[i].Source == "" {
			rules[i].Source = source.Name()
		}
	}
	return loaded{rules: rules, at: time.Now()}
}

// merge is the state of Run.
type merge struct {
	loader *Loader
	// sets are the rules that each source gave last.
	sets [][]eskip.Rule
	// unasked are the sources that have not answered yet, well or not.
	unasked map[int]bool
	report  Report
}

// take notes the result of one LoadAll, and tells what is new.
func (m *merge) take(r loaded) {
	state := &m.report.Sources[r.source]
	turned := (state.Err == nil) != (r.err == nil)
	changed := r.err == nil && !slices.EqualFunc(m.sets[r.source], r.rules, eskip.Rule.Equal)
	if state.Err = r.err; r.err == nil {
		m.sets[r.source], state.Rules, state.LoadedAt = r.rules, len(r.rules), r.at
	}
	delete(m.unasked, r.source)
	switch {
	case len(m.unasked) > 0:
	case changed || m.report.Table == nil:
		m.apply()
	case turned:
		m.publish()
	}
}

// mend builds the table anew once broken filters can be made, as when their file is there at last.
func (m *merge) mend() {
	broken := m.report.Table.broken()
	if len(broken) > 0 && slices.ContainsFunc(broken, newBuilder(m.loader.Options).mends) {
		m.apply()
	}
}

func (m *merge) apply() {
	o := m.loader.Options
	o.Previous = m.loader.Live.Table()
	m.report.Table, m.report.Problems = Build(slices.Concat(m.sets...), o)
	m.loader.Live.Swap(m.report.Table)
	m.publish()
}

func (m *merge) publish() {
	l, report := m.loader, m.report.clone()
	l.mu.Lock()
	l.report = report
	if l.next != nil {
		close(l.next)
		l.next = nil
	}
	l.mu.Unlock()
	if l.Observe != nil {
		l.Observe(report)
	}
}
