package store

import (
	"fmt"
	"maps"
	"path/filepath"
	"testing"

	"faas-docker/function"
)

func TestCalls_OutliveARestart(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "store.db")
	reopen := func() *Store {
		s, err := Open(path, function.DefaultNamespace)
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	s := reopen()
	if calls := s.Calls(); len(calls) != 0 {
		t.Errorf("a new store has counted %v", calls)
	}
	want := map[function.Name]uint64{}
	for i := range 3 {
		f := function.Function{Spec: function.Spec{Name: fmt.Sprintf("f%d", i), Namespace: function.DefaultNamespace, Image: "x"}}
		if _, err := s.Create(f); err != nil {
			t.Fatal(err)
		}
		want[f.ID()] = uint64(i+1) << 40
	}
	deleted := function.Name{Name: "gone", Namespace: function.DefaultNamespace}
	told := maps.Clone(want)
	told[deleted] = 7
	for range 2 {
		if err := s.PutCalls(told); err != nil {
			t.Fatal(err)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		s = reopen()
		if got := s.Calls(); !maps.Equal(got, want) {
			t.Errorf("got %v, want %v", got, want)
		}
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if err := s.PutCalls(told); err == nil {
		t.Error("written to a closed store")
	}
}

func TestCalls_LeaveAFreshStoreFresh(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "store.db")
	for range 2 {
		s, err := Open(path, function.DefaultNamespace)
		if err != nil {
			t.Fatal(err)
		}
		if !s.Fresh() {
			t.Error("the store is not fresh")
		}
		if err := s.PutCalls(map[function.Name]uint64{{Name: "f", Namespace: "n"}: 1}); err != nil {
			t.Fatal(err)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
}
