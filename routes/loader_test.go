package routes

import (
	"context"
	"errors"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"faas-docker/function"
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
func (f *fickle) LoadAll(context.Context) ([]Rule, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return parseEach(f.text), f.err
}

func (f *fickle) set(text string, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.text, f.err = text, err
}

// run starts a loader, and waits for it at the end of the test.
func run(t *testing.T, l *Loader) {
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
	bell bell
	// mu protects rules.
	mu    sync.Mutex
	rules []Rule
}

func newPushed(name string) *pushed { return &pushed{name: name, bell: newBell()} }

func (p *pushed) Name() string             { return p.name }
func (p *pushed) Changed() <-chan struct{} { return p.bell }

func (p *pushed) Set(rules []Rule) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.rules = rules
	p.bell.ring()
}

func (p *pushed) LoadAll(context.Context) ([]Rule, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.rules), nil
}

func TestLoader_TheEarlierSourceWinsAndEveryClashIsReported(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		api, file := newPushed("api"), &fickle{name: "file", text: `shop: Path("/a") -> "function:file"; own: Path("/b") -> <shunt>; twin: Path("/c") -> "function:file"; bad: Pth() -> <shunt>; broken`}
		api.Set(parseEach(`shop: Path("/a") -> "function:api"; other: Path("/c") -> "function:api"`))
		var live Live
		l := &Loader{Live: &live, Sources: []Source{api, file}}
		run(t, l)
		<-l.FirstLoad()
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
		var live Live
		var told []Report
		l := &Loader{Live: &live, Sources: []Source{good, bad}, PollInterval: time.Minute, Observe: func(r Report) { told = append(told, r) }}
		run(t, l)
		<-l.FirstLoad()
		bad.set("", errors.New("gone"))
		time.Sleep(3 * time.Minute)
		good.Set(parseEach(`b: Path("/b") -> <shunt>`))
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
		var live Live
		l := &Loader{Live: &live, Sources: []Source{&fickle{name: "broken", err: errors.New("gone")}, &slow{}}, LoadTimeout: time.Minute}
		began := time.Now()
		run(t, l)
		<-l.FirstLoad()
		if took := time.Since(began); took != time.Minute || live.Table() == nil {
			t.Errorf("took %v, table %v", took, live.Table())
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

func (s *slow) LoadAll(ctx context.Context) ([]Rule, error) {
	<-ctx.Done()
	return nil, ctx.Err()
}

func TestLoader_WithoutSourcesIsReady(t *testing.T) {
	t.Parallel()
	var live Live
	l := &Loader{Live: &live}
	run(t, l)
	<-l.FirstLoad()
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
	reports := make(chan Report, 10)
	var live Live
	l := &Loader{Live: &live, Sources: []Source{NewFile(path)}, PollInterval: 5 * time.Millisecond, Observe: func(r Report) { reports <- r }}
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
	file := NewFile(path)
	first, err := file.LoadAll(t.Context())
	if err != nil || len(first) != 1 {
		t.Fatalf("got %v, %v", first, err)
	}
	if again, err := file.LoadAll(t.Context()); err != nil || &again[0] != &first[0] {
		t.Errorf("the file was parsed again: %v, %v", again, err)
	}
	if err := os.WriteFile(path, []byte(strings.Repeat("/", maxFile+1)), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := file.LoadAll(t.Context()); err == nil || !strings.Contains(err.Error(), "larger than 16 MiB") {
		t.Errorf("got %v", err)
	}
}

// shelf is a Shelf in memory.
type shelf struct {
	texts map[string]string
	err   error
}

func (s *shelf) Routes() (map[string]string, error) { return maps.Clone(s.texts), s.err }
func (s *shelf) PutRoutes(texts map[string]string) error {
	if s.err == nil {
		maps.Copy(s.texts, texts)
	}
	return s.err
}
func (s *shelf) DeleteRoute(id string) error {
	if s.err == nil {
		delete(s.texts, id)
	}
	return s.err
}

func TestBook_KeepsItsRulesOnTheShelf(t *testing.T) {
	t.Parallel()
	kept := &shelf{texts: map[string]string{"old": `* -> <shunt>`, "bad": `* <shunt>`}}
	book, err := NewBook("api", kept, Options{})
	if err != nil {
		t.Fatal(err)
	}
	rules := parseEach(`shop: Path("/shop") -> status(200) -> "function:shop"; x: True() -> <shunt>`)
	if err := book.Put(rules...); err != nil {
		t.Fatal(err)
	}
	select {
	case <-book.Changed():
	default:
		t.Error("nobody was told")
	}
	if err := book.Delete("x"); err != nil {
		t.Fatal(err)
	}
	again, err := NewBook("api", kept, Options{})
	if err != nil {
		t.Fatal(err)
	}
	got, _ := again.LoadAll(t.Context())
	wantRules(t, got, book.Rules())
	if len(got) != 3 || got[0].ID != "bad" || got[0].Err == nil || got[1].ID != "old" || !got[2].Equal(rules[0]) {
		t.Errorf("got %v", got)
	}
}

func TestBook_RefusesWhatCannotWorkAndChangesNothing(t *testing.T) {
	t.Parallel()
	kept := &shelf{texts: map[string]string{}}
	book, err := NewBook("api", kept, Options{})
	if err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{`a: * -> <shunt>; b: Pth() -> <shunt>`, `a: * -> <shunt>; a: True() -> <shunt>`, `* -> <shunt>`, `a: * -> nothing() -> <shunt>`, `a: Path("/system/x") -> <shunt>`, `a`} {
		if err := book.Put(parseEach(text)...); !errors.Is(err, function.ErrInvalid) {
			t.Errorf("%s: %v", text, err)
		}
	}
	if err := book.Delete("a"); !errors.Is(err, function.ErrNotFound) {
		t.Errorf("delete: %v", err)
	}
	kept.err = errors.New("disk full")
	if err := book.Put(parseEach(`a: * -> <shunt>`)...); !errors.Is(err, kept.err) {
		t.Errorf("put: %v", err)
	}
	if len(book.Rules()) != 0 || len(kept.texts) != 0 {
		t.Errorf("kept %v and %v", book.Rules(), kept.texts)
	}
	if _, err := NewBook("api", kept, Options{}); !errors.Is(err, kept.err) {
		t.Errorf("new book: %v", err)
	}
}
