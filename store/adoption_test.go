package store_test

import (
	"reflect"
	"testing"

	"faas-docker/function"
)

func TestAdopt_KeepsRevisionsAndGoesOnAboveThem(t *testing.T) {
	t.Parallel()
	path := newPath(t)
	s := open(t, path)
	a, b := full(), spec("b", "dev")
	a.Revision, b.Revision = 40, 7
	must(t, s.Adopt([]function.Function{a, b, spec("c", "dev")}))
	closeStore(t, s)
	s = open(t, path)
	got, err := s.Function(a.ID())
	must(t, err)
	if !reflect.DeepEqual(got, a) {
		t.Errorf("got %+v, want %+v", got, a)
	}
	wantFunctions(t, s, "dev", "b", "c")
	if _, err := s.Namespace("dev"); err != nil {
		t.Errorf("got %v, want the namespace to be created", err)
	}
	if next := create(t, s, spec("d", "dev")); next.Revision != 41 {
		t.Errorf("got revision %d, want 41", next.Revision)
	}
}

func TestAdopt_HighestRevisionWins(t *testing.T) {
	t.Parallel()
	s := open(t, newPath(t))
	at := func(revision uint64, image string) function.Function {
		f := spec("figlet", home)
		f.Revision, f.Image = revision, image
		return f
	}
	for _, round := range [][]function.Function{
		{at(5, "five"), at(8, "eight"), at(6, "six")},
		{at(7, "seven")},
	} {
		must(t, s.Adopt(round))
		got, err := s.Function(name("figlet", home))
		must(t, err)
		if got.Revision != 8 || got.Image != "eight" {
			t.Errorf("got revision %d of %s, want 8 of eight", got.Revision, got.Image)
		}
	}
}

func TestAdopt_GoesOnAboveWhatARollbackHasLeft(t *testing.T) {
	t.Parallel()
	s := open(t, newPath(t))
	f := full()
	f.Revision, f.Previous = 5, &function.Previous{Spec: f.Spec, Revision: 9}
	must(t, s.Adopt([]function.Function{f}))
	if got, err := s.Function(f.ID()); err != nil || got.Revision != 5 {
		t.Errorf("got revision %d, %v, want 5", got.Revision, err)
	}
	if next := create(t, s, spec("next", home)); next.Revision != 10 {
		t.Errorf("got revision %d, want 10", next.Revision)
	}
}

func TestAdopt_AllOrNone(t *testing.T) {
	t.Parallel()
	s := open(t, newPath(t))
	err := s.Adopt([]function.Function{spec("fine", "dev"), spec("Not Fine", "dev")})
	wantError(t, err, function.ErrInvalid, "Not Fine")
	wantFunctions(t, s, "")
	if _, err := s.Namespace("dev"); err == nil {
		t.Error("the namespace was created")
	}
}
