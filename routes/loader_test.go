package routes_test

import (
	"context"
	"errors"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"faas-docker/function"
	"faas-docker/routes"
	"faas-docker/routes/eskip"
)

// fickle is a polled source that a test can break.
type fickle struct {
	name string
	mu   sync.Mutex
	text string
	err  error
}

func (f *fickle) Name() string             { return f.name }
func (f *fickle) Changed() <-chan struct{} { return nil }
func (f *fickle) LoadAll(context.Context) ([]eskip.Rule, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return eskip.ParseEach(f.text), f.err
}

func (f *fickle) set(text string, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.text, f.err = text, err
}

// run starts a loader, and waits for it at the end of the test.
func run(t *testing.T, l *routes.Loader) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	go func() { done <- l.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; !errors.Is(err, context.Canceled) {
			t.Errorf("Run ended with %v", err)
		}
	})
}

// pushed is a source that is told its rules, and rings.
type pushed struct {
	name string
	bell chan struct{}
	// mu protects rules.
	mu    sync.Mutex
	rules []eskip.Rule
}

func newPushed(name string) *pushed { return &pushed{name: name, bell: make(chan struct{}, 1)} }

func (p *pushed) Name() string             { return p.name }
func (p *pushed) Changed() <-chan struct{} { return p.bell }

func (p *pushed) Set(rules []eskip.Rule) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.rules = rules
	select {
	case p.bell <- struct{}{}:
	default:
	}
}

func (p *pushed) LoadAll(context.Context) ([]eskip.Rule, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.rules), nil
}

func firstLoad(t *testing.T, l *routes.Loader) {
	t.Helper()
	if err := l.Await(t.Context(), routes.Report.IsLoaded); err != nil {
		t.Error(err)
	}
}

func TestLoader_TheEarlierSourceWinsAndEveryClashIsReported(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		api, file := newPushed("api"), &fickle{name: "file", text: `shop: Path("/a") -> "function:file"; own: Path("/b") -> <shunt>; twin: Path("/c") -> "function:file"; bad: Pth() -> <shunt>; broken`}
		api.Set(eskip.ParseEach(`shop: Path("/a") -> "function:api"; other: Path("/c") -> "function:api"`))
		var live routes.Live
		l := &routes.Loader{Live: &live, Sources: []routes.Source{api, file}}
		run(t, l)
		firstLoad(t, l)
		for target, want := range map[string]string{"/a": "api", "/b": "", "/c": "api"} {
			if route, _ := live.Lookup(get(target)); route == nil || route.Function.Name != want {
				t.Errorf("%s: got %+v", target, route)
			}
		}
		report := l.Report()
		wants := []string{
			`file: line 1, column 1: rule "shop": there is a rule "shop" from api, which comes first`,
			`file: line 1, column 66: rule "twin": no request would reach it: a rule "other" from api has the same conditions`,
			`file: line 1, column 108: rule "bad": Pth(): there is no condition "Pth"`,
			`file: line 1, column `,
		}
		if len(report.Problems) != len(wants) {
			t.Fatalf("problems: %v", report.Problems)
		}
		for i, want := range wants {
			if got := report.Problems[i].String(); !strings.HasPrefix(got, want) {
				t.Errorf("problem %q, want %q", got, want)
			}
		}
		api.Set(nil)
		synctest.Wait()
		if route, _ := live.Lookup(get("/a")); route == nil || route.Function.Name != "file" {
			t.Errorf("the rule of the file did not come up: %+v", route)
		}
	})
}

func TestLoader_AFailingSourceKeepsItsLastGoodRoutes(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		good, bad := newPushed("good"), &fickle{name: "bad", text: `a: Path("/a") -> <shunt>`}
		var live routes.Live
		var told []routes.Report
		l := &routes.Loader{Live: &live, Sources: []routes.Source{good, bad}, PollInterval: time.Minute, Observe: func(r routes.Report) { told = append(told, r) }}
		run(t, l)
		firstLoad(t, l)
		bad.set("", errors.New("gone"))
		time.Sleep(3 * time.Minute)
		good.Set(eskip.ParseEach(`b: Path("/b") -> <shunt>`))
		synctest.Wait()
		if found(live.Table(), get("/a")) != "a" || found(live.Table(), get("/b")) != "b" {
			t.Errorf("the routes are %v", live.Table().Routes())
		}
		state := l.Report().Sources[1]
		if state.Err == nil || state.Rules != 1 || state.LoadedAt.IsZero() {
			t.Errorf("the source is %+v", state)
		}
		bad.set(`c: Path("/a") -> <shunt>`, nil)
		time.Sleep(time.Minute + time.Second)
		synctest.Wait()
		if found(live.Table(), get("/a")) != "c" || l.Report().Sources[1].Err != nil {
			t.Errorf("the source did not come back: %+v", l.Report())
		}
		// At first, when it began to fail, with the other source, when it was well again.
		if len(told) != 4 {
			t.Errorf("told %d times", len(told))
		}
	})
}

func TestLoader_FirstLoadWaitsForEverySourceButNotForItsSuccess(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var live routes.Live
		l := &routes.Loader{Live: &live, Sources: []routes.Source{&fickle{name: "broken", err: errors.New("gone")}, &slow{}}}
		began := time.Now()
		run(t, l)
		firstLoad(t, l)
		if took := time.Since(began); took != 10*time.Second || live.Table() == nil {
			t.Errorf("took %v, table %v", took, live.Table())
		}
		if n := len(l.Report().Sources); n != 2 {
			t.Fatalf("%d sources are told of, want 2", n)
		}
		for _, s := range l.Report().Sources {
			if s.Err == nil || !s.LoadedAt.IsZero() {
				t.Errorf("%s: %v", s.Name, s.Err)
			}
		}
	})
}

// slow is a source that answers when it is told to stop.
type slow struct{ fickle }

func (s *slow) LoadAll(ctx context.Context) ([]eskip.Rule, error) {
	<-ctx.Done()
	return nil, ctx.Err()
}

func TestLoader_WithoutSourcesIsReady(t *testing.T) {
	t.Parallel()
	var live routes.Live
	l := &routes.Loader{Live: &live}
	run(t, l)
	firstLoad(t, l)
	if live.Table().Len() != 0 {
		t.Errorf("routes out of nothing: %v", live.Table().Routes())
	}
}

func TestLoader_ReadsTheFileAgainWhenItChanges(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "routes.eskip")
	write := func(text string) {
		t.Helper()
		if err := os.WriteFile(path+".new", []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(path+".new", path); err != nil {
			t.Fatal(err)
		}
	}
	reports := make(chan routes.Report, 10)
	var live routes.Live
	l := &routes.Loader{Live: &live, Sources: []routes.Source{routes.NewFile(path)}, PollInterval: 5 * time.Millisecond, Observe: func(r routes.Report) { reports <- r }}
	run(t, l)
	if r := <-reports; r.Sources[0].Err == nil || !errors.Is(r.Sources[0].Err, os.ErrNotExist) {
		t.Errorf("a missing file is %+v", r.Sources[0])
	}
	write(`a: * -> <shunt>`)
	if r := <-reports; found(r.Table, get("/")) != "a" || r.Sources[0].Err != nil {
		t.Errorf("got %+v", r)
	}
	write(`b: * -> <shunt>; c`)
	if r := <-reports; found(r.Table, get("/")) != "b" || len(r.Problems) != 1 {
		t.Errorf("got %+v", r)
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	if r := <-reports; found(r.Table, get("/")) != "b" || r.Sources[0].Err == nil {
		t.Errorf("got %+v", r)
	}
}

func TestFile_ReadsAnUnchangedFileOnce(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "routes")
	if err := os.WriteFile(path, []byte(`a: * -> <shunt>`), 0o600); err != nil {
		t.Fatal(err)
	}
	file := routes.NewFile(path)
	first, err := file.LoadAll(t.Context())
	if err != nil || len(first) != 1 {
		t.Fatalf("got %v, %v", first, err)
	}
	if again, err := file.LoadAll(t.Context()); err != nil || &again[0] != &first[0] {
		t.Errorf("the file was parsed again: %v, %v", again, err)
	}
	if err := os.WriteFile(path, []byte(strings.Repeat("/", 16<<20+1)), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := file.LoadAll(t.Context()); err == nil || !strings.Contains(err.Error(), "larger than 16 MiB") {
		t.Errorf("got %v", err)
	}
}

// ruleStore is a RuleStore in memory.
type ruleStore struct {
	texts map[string]string
	err   error
}

func (s *ruleStore) Routes() (map[string]string, error) { return maps.Clone(s.texts), s.err }
func (s *ruleStore) PutRoutes(texts map[string]string) error {
	if s.err == nil {
		maps.Copy(s.texts, texts)
	}
	return s.err
}
func (s *ruleStore) DeleteRoute(id string) error {
	if s.err == nil {
		delete(s.texts, id)
	}
	return s.err
}

func TestAPIRules_KeepsItsRulesInTheStore(t *testing.T) {
	t.Parallel()
	kept := &ruleStore{texts: map[string]string{"old": `* -> <shunt>`, "bad": `* <shunt>`}}
	api, err := routes.NewAPIRules(kept, builtin())
	if err != nil {
		t.Fatal(err)
	}
	rules := eskip.ParseEach(`shop: Path("/shop") -> status(200) -> "function:shop"; x: True() -> <shunt>`)
	if err := api.Put(rules...); err != nil {
		t.Fatal(err)
	}
	select {
	case <-api.Changed():
	default:
		t.Error("nobody was told")
	}
	if err := api.Delete("x"); err != nil {
		t.Fatal(err)
	}
	again, err := routes.NewAPIRules(kept, builtin())
	if err != nil {
		t.Fatal(err)
	}
	got, _ := again.LoadAll(t.Context())
	if !slices.EqualFunc(got, api.Rules(), eskip.Rule.Equal) {
		t.Errorf("got %v, want %v", got, api.Rules())
	}
	if len(got) != 3 || got[0].ID != "bad" || got[0].Err == nil || got[1].ID != "old" || !got[2].Equal(rules[0]) {
		t.Errorf("got %v", got)
	}
}

func TestAPIRules_RefusesWhatCannotWorkAndChangesNothing(t *testing.T) {
	t.Parallel()
	kept := &ruleStore{texts: map[string]string{}}
	api, err := routes.NewAPIRules(kept, builtin())
	if err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{`a: * -> <shunt>; b: Pth() -> <shunt>`, `a: * -> <shunt>; a: True() -> <shunt>`, `* -> <shunt>`, `a: * -> nothing() -> <shunt>`, `a: Path("/system/x") -> <shunt>`, `a`} {
		if err := api.Put(eskip.ParseEach(text)...); !errors.Is(err, function.ErrInvalid) {
			t.Errorf("%s: %v", text, err)
		}
	}
	if err := api.Delete("a"); !errors.Is(err, function.ErrNotFound) {
		t.Errorf("delete: %v", err)
	}
	kept.err = errors.New("disk full")
	if err := api.Put(eskip.ParseEach(`a: * -> <shunt>`)...); !errors.Is(err, kept.err) {
		t.Errorf("put: %v", err)
	}
	if len(api.Rules()) != 0 || len(kept.texts) != 0 {
		t.Errorf("kept %v and %v", api.Rules(), kept.texts)
	}
	if _, err := routes.NewAPIRules(kept, builtin()); !errors.Is(err, kept.err) {
		t.Errorf("new rules: %v", err)
	}
}

// A file of rules is regular, too: whoever waits for a pipe holds up what comes after it.
func TestFile_WaitsForNoPipe(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	pipe := filepath.Join(folder, "pipe")
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{pipe, "/dev/zero", folder} {
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		_, err := routes.NewFile(path).LoadAll(ctx)
		cancel()
		if err == nil || !strings.Contains(err.Error(), "not a regular file") {
			t.Errorf("%s: %v", path, err)
		}
	}
}
