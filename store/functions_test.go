package store_test

import (
	"errors"
	"reflect"
	"strings"
	"testing"
	"time"

	"faas-docker/function"
)

// full is a function that uses every field.
func full() function.Function {
	return function.Function{
		Spec: function.Spec{
			Name: "figlet", Namespace: home, Image: "ghcr.io/openfaas/figlet:latest", EnvProcess: "figlet -f slant",
			EnvVars: map[string]string{"a": "1", "b": "ü\u2028<&>"}, Constraints: []string{"disk=ssd"}, Secrets: []string{"key"},
			Labels: map[string]string{"l": "x"}, Annotations: map[string]string{"a": `{"any":[1,"json"]}`},
			Limits: &function.Resources{Memory: "128Mi", CPU: "100m", NvidiaGPU: "1"}, Requests: &function.Resources{Memory: "5Mi"},
			ReadOnlyRootFilesystem: true,
		},
		Replicas: 3, ImageID: "sha256:abc", CreatedAt: time.Date(2024, 5, 6, 7, 8, 9, 123456789, time.UTC),
	}
}

func TestCreate_KeepsEveryFieldAcrossRestart(t *testing.T) {
	t.Parallel()
	path := newPath(t)
	s := open(t, path)
	must(t, s.CreateSecret(secret("key", home, "v")))
	stored := create(t, s, full())
	want := full()
	want.Revision = 1
	if !reflect.DeepEqual(stored, want) {
		t.Errorf("got %+v, want %+v", stored, want)
	}
	closeStore(t, s)
	got, err := open(t, path).Function(want.ID())
	must(t, err)
	if !reflect.DeepEqual(got, want) {
		t.Errorf("after restart: got %+v, want %+v", got, want)
	}
}

func TestCreate_ShowsTheSameBeforeAndAfterRestart(t *testing.T) {
	t.Parallel()
	path := newPath(t)
	s := open(t, path)
	f := spec("figlet", home)
	f.CreatedAt = time.Now()
	before := create(t, s, f)
	closeStore(t, s)
	after, err := open(t, path).Function(f.ID())
	must(t, err)
	if !reflect.DeepEqual(before, after) {
		t.Errorf("got %#v after the restart, want %#v", after, before)
	}
}

func TestCreate_SharesNothingWithTheCaller(t *testing.T) {
	t.Parallel()
	s := open(t, newPath(t))
	must(t, s.CreateSecret(secret("key", home, "v")))
	f := full()
	create(t, s, f)
	f.Labels["l"] = "changed"
	f.Limits.Memory = "changed"
	got, err := s.Function(f.ID())
	must(t, err)
	if got.Labels["l"] != "x" || got.Limits.Memory != "128Mi" {
		t.Errorf("got %v and %v, want what was stored", got.Labels, got.Limits)
	}
}

func TestCreate_Refuses(t *testing.T) {
	t.Parallel()
	cases := []struct {
		name string
		give function.Function
		kind error
		text string
	}{
		{"a second of the name", spec("figlet", home), function.ErrConflict, `function "figlet" is deployed already in namespace "openfaas-fn": update it, or delete it first`},
		{"an unknown namespace", spec("figlet", "dev"), function.ErrNotFound, `namespace "dev" does not exist: create it first, for example with: faas-cli namespace create dev`},
		{"a name that is none", spec("a/b", home), function.ErrInvalid, "service"},
		{"no name", spec("", home), function.ErrInvalid, "service"},
	}
	path := newPath(t)
	s := open(t, path)
	create(t, s, spec("figlet", home))
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			_, err := s.Create(c.give)
			wantError(t, err, c.kind, c.text)
		})
	}
	wantFunctions(t, s, "", "figlet")
	if next := create(t, s, spec("second", home)); next.Revision != 2 {
		t.Errorf("got revision %d, want 2: a refusal uses none up", next.Revision)
	}
	closeStore(t, s)
	wantFunctions(t, open(t, path), "", "figlet", "second")
}

func TestFunctions_SortedAndPerNamespace(t *testing.T) {
	t.Parallel()
	s := open(t, newPath(t))
	if got := s.Functions(home); got == nil || len(got) != 0 {
		t.Errorf("got %#v, want an empty slice that is not nil", got)
	}
	must(t, s.CreateNamespace(function.Namespace{Name: "dev"}))
	for _, f := range []function.Function{spec("b", home), spec("c", "dev"), spec("a", home), spec("a", "dev")} {
		create(t, s, f)
	}
	wantFunctions(t, s, home, "a", "b")
	wantFunctions(t, s, "dev", "a", "c")
	wantFunctions(t, s, "", "a", "a", "b", "c")
	wantFunctions(t, s, "nowhere")
	if first := s.Functions("")[0]; first.Namespace != "dev" {
		t.Errorf("got %s first, want a.dev", first.ID())
	}
}

func TestFunction_UnknownIsNotFound(t *testing.T) {
	t.Parallel()
	s := open(t, newPath(t))
	n := name("figlet", home)
	want := function.UnknownFunction(n).Error()
	_, err := s.Function(n)
	wantError(t, err, function.ErrNotFound, want)
	_, err = s.Replace(n, func(f function.Function) function.Function { t.Error("change was called"); return f })
	wantError(t, err, function.ErrNotFound, want)
	_, err = s.Change(n, func(f function.Function) (function.Function, bool) { t.Error("change was called"); return f, true })
	wantError(t, err, function.ErrNotFound, want)
	wantError(t, s.Delete(n), function.ErrNotFound, want)
}

func TestReplace_AssignsTheNextRevision(t *testing.T) {
	t.Parallel()
	path := newPath(t)
	s := open(t, path)
	first := create(t, s, spec("figlet", home))
	create(t, s, spec("other", home))
	got, err := s.Replace(first.ID(), func(f function.Function) function.Function {
		if !reflect.DeepEqual(f, first) {
			t.Errorf("change got %+v, want %+v", f, first)
		}
		f.Spec = spec("renamed", "elsewhere").Spec
		f.Image, f.Revision = "example.com/figlet:2", 99
		return f
	})
	must(t, err)
	want := first
	want.Image, want.Revision = "example.com/figlet:2", 3
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, want %+v", got, want)
	}
	closeStore(t, s)
	got, err = open(t, path).Function(first.ID())
	must(t, err)
	if !reflect.DeepEqual(got, want) {
		t.Errorf("after restart: got %+v, want %+v", got, want)
	}
}

func TestChange_KeepsTheRevision(t *testing.T) {
	t.Parallel()
	path := newPath(t)
	s := open(t, path)
	first := create(t, s, spec("figlet", home))
	got, err := s.Change(first.ID(), func(f function.Function) (function.Function, bool) {
		f.Replicas, f.ImageID, f.Revision, f.Name = 5, "sha256:abc", 99, "renamed"
		return f, true
	})
	must(t, err)
	want := first
	want.Replicas, want.ImageID = 5, "sha256:abc"
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, want %+v", got, want)
	}
	closeStore(t, s)
	s = open(t, path)
	got, err = s.Function(first.ID())
	must(t, err)
	if !reflect.DeepEqual(got, want) {
		t.Errorf("after restart: got %+v, want %+v", got, want)
	}
	if next := create(t, s, spec("second", home)); next.Revision != 2 {
		t.Errorf("got revision %d, want 2: a change uses none up", next.Revision)
	}
}

func TestChange_WithoutChangeWritesNothing(t *testing.T) {
	t.Parallel()
	path := newPath(t)
	s := open(t, path)
	first := create(t, s, spec("figlet", home))
	before := read(t, path)
	got, err := s.Change(first.ID(), func(f function.Function) (function.Function, bool) {
		f.Replicas = 7
		return f, false
	})
	must(t, err)
	if !reflect.DeepEqual(got, first) {
		t.Errorf("got %+v, want it as it was: %+v", got, first)
	}
	if !reflect.DeepEqual(before, read(t, path)) {
		t.Error("the file was written")
	}
}

func TestChange_LetsReadersThroughMeanwhile(t *testing.T) {
	t.Parallel()
	s := open(t, newPath(t))
	first := create(t, s, spec("figlet", home))
	_, err := s.Change(first.ID(), func(f function.Function) (function.Function, bool) {
		seen, err := s.Function(f.ID())
		if err != nil || seen.Replicas != 1 {
			t.Errorf("got %+v and %v, want the function as it was", seen, err)
		}
		wantFunctions(t, s, "", "figlet")
		f.Replicas = 2
		return f, true
	})
	must(t, err)
}

func TestChange_ThatPanicsLeavesTheStoreUsable(t *testing.T) {
	t.Parallel()
	s := open(t, newPath(t))
	first := create(t, s, spec("figlet", home))
	func() {
		defer func() { _ = recover() }()
		_, _ = s.Change(first.ID(), func(function.Function) (function.Function, bool) { panic("bug") })
	}()
	create(t, s, spec("second", home))
	wantFunctions(t, s, "", "figlet", "second")
}

func TestRevision_IsNeverReused(t *testing.T) {
	t.Parallel()
	path := newPath(t)
	s := open(t, path)
	for want := uint64(1); want <= 3; want++ {
		f := create(t, s, spec("figlet", home))
		if f.Revision != want {
			t.Errorf("got revision %d, want %d", f.Revision, want)
		}
		must(t, s.Delete(f.ID()))
		wantFunctions(t, s, "")
		closeStore(t, s)
		s = open(t, path)
		wantFunctions(t, s, "")
	}
}

func TestStore_StoresLargeSpecs(t *testing.T) {
	t.Parallel()
	path := newPath(t)
	s := open(t, path)
	f := spec("big", home)
	f.EnvVars = map[string]string{"BIG": strings.Repeat("x", 1<<20)}
	create(t, s, f)
	closeStore(t, s)
	got, err := open(t, path).Function(f.ID())
	must(t, err)
	if !got.Spec.Equal(f.Spec) {
		t.Error("a spec of 1 MiB did not come back")
	}
}

func TestRestore_GivesAnOldRevisionBackItsNumber(t *testing.T) {
	t.Parallel()
	path := newPath(t)
	s := open(t, path)
	must(t, s.CreateSecret(secret("key", home, "v")))
	first := create(t, s, full())
	second, err := s.Replace(first.ID(), func(old function.Function) function.Function {
		return function.Function{Spec: spec("figlet", home).Spec, Previous: old.Replaced(), Answered: true}
	})
	must(t, err)
	refused := function.Conflict("nothing to go back to")
	if _, err := s.Restore(first.ID(), func(function.Function) (function.Function, error) { return function.Function{}, refused }); err != refused {
		t.Errorf("got %v, want the error of change", err)
	}
	back, err := s.Restore(first.ID(), func(now function.Function) (function.Function, error) {
		if now.Revision != second.Revision {
			t.Errorf("asked to change revision %d after a refusal, want %d", now.Revision, second.Revision)
		}
		return first, nil
	})
	must(t, err)
	if !reflect.DeepEqual(back, first) {
		t.Errorf("restored %+v, want %+v", back, first)
	}
	closeStore(t, s)
	s = open(t, path)
	next, err := s.Replace(first.ID(), func(old function.Function) function.Function { return old })
	must(t, err)
	if next.Revision <= second.Revision {
		t.Errorf("the next revision is %d, want more than %d", next.Revision, second.Revision)
	}
	if _, err := s.Restore(function.Name{Name: "nobody", Namespace: home}, nil); !errors.Is(err, function.ErrNotFound) {
		t.Errorf("an unknown function: %v", err)
	}
}
