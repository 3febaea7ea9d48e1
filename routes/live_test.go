package routes_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"faas-docker/routes"
	"faas-docker/routes/eskip"
	"faas-docker/routes/routestest"
)

func TestLive_WithoutATableFindsNothing(t *testing.T) {
	t.Parallel()
	var live routes.Live
	if route, _ := live.Lookup(get("/")); route != nil || live.Table() != nil {
		t.Errorf("found %v in %v", route, live.Table())
	}
	if _, ok := live.Acquire(get("/")); ok {
		t.Error("a route was lent that does not exist")
	}
}

// tenThousand are rules that every table has, and one that differs by table.
func tenThousand(generation int) []eskip.Rule {
	rules := make([]eskip.Rule, 10000)
	for i := range rules {
		rules[i] = eskip.Rule{
			ID:         fmt.Sprintf("r%d", i),
			Predicates: []eskip.Call{{Name: "Path", Args: []any{fmt.Sprintf("/team%d/service%d/:item", i%100, i)}}, {Name: "Method", Args: []any{"GET"}}},
			Backend:    eskip.Backend{Kind: eskip.BackendFunction, Text: "f"},
		}
	}
	rules[0].Filters = []eskip.Call{{Name: "status", Args: []any{float64(200 + generation)}}}
	return rules
}

func TestLive_SwapsAHundredTimesASecondWithoutAFailedLookup(t *testing.T) {
	t.Parallel()
	var live routes.Live
	tables := make([]*routes.Table, 4)
	for i := range tables {
		tables[i], _ = routes.Build(tenThousand(i), routes.Options{Filters: builtin().Filters, Previous: live.Table()})
		live.Swap(tables[i])
	}
	var failed, lookups atomic.Int64
	var running sync.WaitGroup
	done := make(chan struct{})
	for range 2 {
		running.Go(func() {
			requests := []*http.Request{get("/team0/service0/x"), get("/team99/service9999/x"), get("/team7/service4207/x")}
			for i := 0; ; i++ {
				select {
				case <-done:
					return
				default:
				}
				route, params := live.Lookup(requests[i%len(requests)])
				if route == nil || params.Get("item") != "x" {
					failed.Add(1)
				}
				lookups.Add(1)
			}
		})
	}
	tick := time.NewTicker(10 * time.Millisecond)
	for i := range 100 {
		<-tick.C
		live.Swap(tables[i%len(tables)])
	}
	close(done)
	running.Wait()
	if failed.Load() != 0 || lookups.Load() < 1000 {
		t.Errorf("%d of %d lookups failed", failed.Load(), lookups.Load())
	}
}

// holding is a filter that counts what is open.
type holding struct {
	routes.RequestOnly
	open *atomic.Int64
}

func (h holding) Name() string                        { return "hold" }
func (h holding) Create([]any) (routes.Filter, error) { h.open.Add(1); return h, nil }
func (h holding) Request(*routes.Context)             {}
func (h holding) Close() error                        { h.open.Add(-1); return nil }

func TestLive_ClosesTheFiltersOfDroppedRoutesBehindTheLastRequest(t *testing.T) {
	t.Parallel()
	var open atomic.Int64
	var live routes.Live
	o := builtin(holding{open: &open})
	swap := func(text string) {
		o.Previous = live.Table()
		live.Swap(routestest.Build(t, text, o))
	}
	want := func(n int64, when string) {
		t.Helper()
		if open.Load() != n {
			t.Fatalf("%s: %d filters are open, want %d", when, open.Load(), n)
		}
	}
	swap(`a: Path("/a") -> hold() -> <shunt>; b: Path("/b") -> hold() -> <shunt>`)
	want(2, "at first")
	kept, _ := live.Lookup(get("/b"))
	first, _ := live.Acquire(get("/a"))
	second, _ := live.Acquire(get("/a"))
	swap(`b: Path("/b") -> hold() -> <shunt>; c: * -> <shunt>`)
	want(2, "while requests are under way")
	if again, _ := live.Lookup(get("/b")); again != kept {
		t.Error("a route whose rule is the same was made anew")
	}
	first.Release()
	want(2, "while one request is under way")
	second.Release()
	want(1, "behind the last request")
	swap(`b: Path("/b") -> hold() -> status(201) -> <shunt>`)
	want(1, "when a rule has changed")
	swap(``)
	want(0, "at last")
}

// Of requests that end at the same moment one is the last.
func TestLive_ClosesTheFiltersWhicheverRequestIsTheLast(t *testing.T) {
	t.Parallel()
	var open atomic.Int64
	var live routes.Live
	for range 2000 {
		live.Swap(routestest.Build(t, `* -> hold() -> <shunt>`, routes.Options{Filters: []routes.FilterSpec{holding{open: &open}}}))
		var ending sync.WaitGroup
		begin := make(chan struct{})
		for range 3 {
			lease, _ := live.Acquire(get("/"))
			ending.Go(func() { <-begin; lease.Release() })
		}
		ending.Go(func() { <-begin; live.Swap(nil) })
		close(begin)
		ending.Wait()
		if n := open.Load(); n != 0 {
			t.Fatalf("%d filters are open", n)
		}
	}
}

func TestLive_KeepsNoFilterOfARuleThatCannotBeBuilt(t *testing.T) {
	t.Parallel()
	var open atomic.Int64
	o := builtin(holding{open: &open})
	_, problems := routes.Build(eskip.ParseEach(`a: * -> hold() -> hold() -> nothing() -> <shunt>`), o)
	if len(problems) != 1 || open.Load() != 0 {
		t.Errorf("%v, %d filters are open", problems, open.Load())
	}
	if _, problems = routes.Check(`a: * -> hold() -> <shunt>; b: Pth("/") -> <shunt>; c`, o); len(problems) != 2 || open.Load() != 0 {
		t.Errorf("%v, %d filters are open", problems, open.Load())
	}
}

func TestLive_NeverLendsAClosedFilter(t *testing.T) {
	t.Parallel()
	var open atomic.Int64
	var live routes.Live
	o := builtin(holding{open: &open})
	var running sync.WaitGroup
	done := make(chan struct{})
	live.Swap(routestest.Build(t, `a: * -> hold() -> <shunt>`, o))
	for range 2 {
		running.Go(func() {
			for r := get("/"); ; {
				select {
				case <-done:
					return
				default:
				}
				lease, ok := live.Acquire(r)
				if !ok || open.Load() < 1 {
					t.Error("lent nothing, or something closed")
					return
				}
				lease.Release()
			}
		})
	}
	for i := range 300 {
		o.Previous = live.Table()
		live.Swap(routestest.Build(t, fmt.Sprintf(`a: * -> hold() -> status(%d) -> <shunt>`, 200+i), o))
	}
	close(done)
	running.Wait()
	if open.Load() != 1 {
		t.Errorf("%d filters are open, want 1", open.Load())
	}
}

// BenchmarkLookup is by path, as rules with a path have it, and by host, as rules
// without one do.
func BenchmarkLookup(b *testing.B) {
	for _, n := range []int{0, 10, 10000} {
		for kind, rule := range map[string]string{
			"path": `r%[1]d: Path("/team%[2]d/service%[1]d/:item") && Method("GET") -> "function:f";`,
			"host": `r%[1]d: Host(/^service%[1]d[.]example[.]org$/) -> "function:f";`,
		} {
			var text strings.Builder
			for i := range n {
				fmt.Fprintf(&text, rule, i, i%100)
			}
			requests := []*http.Request{get("/x")}
			for i := 0; i < n; i += max(1, n/10) {
				r := httptest.NewRequest("GET", fmt.Sprintf("/team%d/service%d/x", i%100, i), nil)
				r.Host = fmt.Sprintf("service%d.example.org", i)
				requests = append(requests, r)
			}
			var live routes.Live
			live.Swap(routestest.Build(b, text.String(), builtin()))
			b.Run(fmt.Sprintf("%s/%d", kind, n), func(b *testing.B) { benchmarkLookup(b, &live, requests) })
		}
	}
}

func benchmarkLookup(b *testing.B, live *routes.Live, requests []*http.Request) {
	b.ReportAllocs()
	const batch = 100
	var samples []time.Duration
	for i := 0; b.Loop(); i++ {
		began := time.Now()
		for j := range batch {
			live.Lookup(requests[j%len(requests)])
		}
		samples = append(samples, time.Since(began)/batch)
	}
	slices.Sort(samples)
	b.ReportMetric(float64(samples[len(samples)/2].Nanoseconds()), "p50-ns/lookup")
}

func BenchmarkBuild(b *testing.B) {
	rules := tenThousand(0)
	changed := tenThousand(1)
	table, _ := routes.Build(rules, builtin())
	b.Run("anew", func(b *testing.B) {
		for b.Loop() {
			routes.Build(rules, builtin())
		}
	})
	b.Run("one-changed", func(b *testing.B) {
		for b.Loop() {
			routes.Build(changed, routes.Options{Filters: builtin().Filters, Previous: table})
		}
	})
}
