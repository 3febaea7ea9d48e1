package store_test

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"faas-docker/function"
	"faas-docker/store"
)

func TestStore_ManyAtOnceLoseNothing(t *testing.T) {
	t.Parallel()
	path := newPath(t)
	s := open(t, path)
	create(t, s, spec("changed", home))
	create(t, s, spec("replaced", home))
	const workers, rounds = 8, 6
	var group sync.WaitGroup
	for worker := range workers {
		group.Go(func() {
			for round := range rounds {
				work(t, s, fmt.Sprintf("fn-%d-%d", worker, round))
			}
		})
	}
	group.Wait()
	closeStore(t, s)
	wantSum(t, open(t, path), workers*rounds)
}

// work makes one of each kind of change, and reads in between.
func work(t *testing.T, s *store.Store, own string) {
	if _, err := s.Create(spec(own, home)); err != nil {
		t.Error(err)
	}
	_, err := s.Change(name("changed", home), func(f function.Function) (function.Function, bool) { f.Replicas++; return f, true })
	if err != nil {
		t.Error(err)
	}
	_, err = s.Replace(name("replaced", home), func(f function.Function) function.Function { f.Replicas++; return f })
	if err != nil {
		t.Error(err)
	}
	if err := s.CreateSecret(secret(own, home, own)); err != nil {
		t.Error(err)
	}
	if got, err := s.Secret(home, own); err != nil || string(got.Value) != own {
		t.Errorf("got %q and %v, want %q", got.Value, err, own)
	}
	if _, err := s.Function(name(own, home)); err != nil {
		t.Error(err)
	}
	_, _, _ = s.Functions(""), s.Namespaces(), s.Secrets(home)
}

func wantSum(t *testing.T, s *store.Store, count int) {
	t.Helper()
	for _, shared := range []string{"changed", "replaced"} {
		got, err := s.Function(name(shared, home))
		must(t, err)
		if got.Replicas != 1+count {
			t.Errorf("%s: got %d replicas, want %d: a write was lost", shared, got.Replicas, 1+count)
		}
	}
	revisions := map[uint64]bool{}
	for _, f := range s.Functions("") {
		revisions[f.Revision] = true
	}
	if len(revisions) != 2+count || len(s.Secrets(home)) != count {
		t.Errorf("got %d revisions and %d secrets, want %d and %d", len(revisions), len(s.Secrets(home)), 2+count, count)
	}
}

func TestStore_OpensAThousandFunctionsWithinASecond(t *testing.T) {
	path := newPath(t)
	s := open(t, path)
	must(t, s.Adopt(many(1000, home)))
	closeStore(t, s)
	began := time.Now()
	s = open(t, path)
	opened := time.Since(began)
	began = time.Now()
	count := len(s.Functions(""))
	listed := time.Since(began)
	t.Logf("%d functions: opened in %v, listed in %v", count, opened, listed)
	if count != 1000 || opened > time.Second || listed > time.Second {
		t.Errorf("got %d functions, opened in %v, listed in %v: want 1000, each within 1s", count, opened, listed)
	}
}

func BenchmarkFunction(b *testing.B) {
	s := open(b, b.TempDir()+"/store.db")
	must(b, s.Adopt(many(1000, home)))
	n := name("fn-0500", home)
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if _, err := s.Function(n); err != nil {
				b.Error(err)
			}
		}
	})
}

func BenchmarkFunctions(b *testing.B) {
	s := open(b, b.TempDir()+"/store.db")
	must(b, s.Adopt(many(1000, home)))
	b.ReportAllocs()
	for b.Loop() {
		s.Functions(home)
	}
}

func BenchmarkChange(b *testing.B) {
	s := open(b, b.TempDir()+"/store.db")
	must(b, s.Adopt(many(1000, home)))
	n := name("fn-0500", home)
	for b.Loop() {
		_, err := s.Change(n, func(f function.Function) (function.Function, bool) { f.Replicas++; return f, true })
		must(b, err)
	}
}
