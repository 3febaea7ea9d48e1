package routes

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"
)

// Loader keeps a Live table in step with its sources. Where two sources have a rule
// of the same name, or with the same conditions, that of the earlier source is used
// and the other one is reported. Set the fields before Run.
type Loader struct {
	// Live is where the tables go; it must not be nil.
	Live *Live
	// Sources are in the order of their precedence, the strongest first.
	Sources []Source
	// Options are what the tables are built with; Previous is filled in.
	Options Options
	// PollInterval is how often a source that does not push is asked, and one that has
	// failed is asked again. Zero means 1 s.
	PollInterval time.Duration
	// LoadTimeout bounds one LoadAll. Zero means 10 s.
	LoadTimeout time.Duration
	// Observe is told of every new table, and of sources that begin or cease to fail.
	// It is called by one goroutine. Nil means nobody.
	Observe func(Report)

	// mu protects the fields below.
	mu     sync.Mutex
	report Report
	first  chan struct{}
	// next is closed by the next report; nil when nobody waits for it.
	next chan struct{}
}

// Report is what the table in force was made of.
type Report struct {
	// Table is the table in force; nil before the first.
	Table *Table
	// Sources tells how each source is, in the order of precedence.
	Sources []SourceState
	// Problems are the rules that are kept aside.
	Problems []Problem
}

// SourceState is how one source is.
type SourceState struct {
	Name string
	// Rules is how many rules it gave last, good and bad.
	Rules int
	// LoadedAt is when they were loaded; zero means never.
	LoadedAt time.Time
	// Err is why the last attempt failed, and an older set is in use; nil means that
	// all is well.
	Err error
}

// loaded is what came of one LoadAll.
type loaded struct {
	source int
	rules  []Rule
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
	m := merge{loader: l, sets: make([][]Rule, len(l.Sources)), states: make([]SourceState, len(l.Sources))}
	for i, source := range l.Sources {
		m.states[i].Name = source.Name()
	}
	if len(l.Sources) == 0 {
		m.apply()
	}
	return m.run(ctx, results)
}

// FirstLoad is closed when every source has been asked once and the first table is in
// force. A source that has failed does not hold it up.
func (l *Loader) FirstLoad() <-chan struct{} { return l.firstLoad() }

func (l *Loader) firstLoad() chan struct{} {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.first == nil {
		l.first = make(chan struct{})
	}
	return l.first
}

// Report tells what the table in force was made of.
func (l *Loader) Report() Report {
	l.mu.Lock()
	defer l.mu.Unlock()
	r := l.report
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

// watch loads one source whenever it changes.
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
			poll = time.After(orDefault(l.PollInterval, time.Second))
		}
		select {
		case <-source.Changed():
		case <-poll:
		case <-ctx.Done():
			return
		}
	}
}

func (l *Loader) load(ctx context.Context, source Source) loaded {
	ctx, cancel := context.WithTimeout(ctx, orDefault(l.LoadTimeout, 10*time.Second))
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

func orDefault(d, fallback time.Duration) time.Duration {
	if d > 0 {
		return d
	}
	return fallback
}

// merge is the state of Run: what each source gave last.
type merge struct {
	loader *Loader
	sets   [][]Rule
	states []SourceState
	// asked is how many sources have answered, well or not.
	asked  int
	served bool
}

func (m *merge) run(ctx context.Context, results <-chan loaded) error {
	answered := make([]bool, len(m.sets))
	for {
		select {
		case r := <-results:
			changed, told := m.take(r)
			if !answered[r.source] {
				answered[r.source] = true
				m.asked++
			}
			if m.asked < len(m.sets) {
				continue
			}
			if changed || !m.served {
				m.apply()
			} else if told {
				m.publish(nil)
			}
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// take notes what came of one LoadAll: whether there are other rules than before, and
// whether there is something to tell.
func (m *merge) take(r loaded) (changed, told bool) {
	state := &m.states[r.source]
	told = (state.Err == nil) != (r.err == nil)
	state.Err = r.err
	if r.err != nil {
		return false, told
	}
	changed = !slices.EqualFunc(m.sets[r.source], r.rules, Rule.Equal)
	m.sets[r.source], state.Rules, state.LoadedAt = r.rules, len(r.rules), r.at
	return changed, told
}

// apply builds a table of all rules and puts it in force.
func (m *merge) apply() {
	o := m.loader.Options
	o.Previous = m.loader.Live.Table()
	table, problems := Build(slices.Concat(m.sets...), o)
	m.loader.Live.Swap(table)
	m.publish(&Report{Table: table, Problems: problems})
	if !m.served {
		m.served = true
		close(m.loader.firstLoad())
	}
}

// publish makes a report known; nil means that only the sources have changed.
func (m *merge) publish(r *Report) {
	l := m.loader
	l.mu.Lock()
	if r != nil {
		l.report = *r
	}
	l.report.Sources = slices.Clone(m.states)
	report := l.report
	if l.next != nil {
		close(l.next)
		l.next = nil
	}
	l.mu.Unlock()
	if l.Observe != nil {
		l.Observe(report)
	}
}
