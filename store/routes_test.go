package store

import (
	"errors"
	"maps"
	"path/filepath"
	"testing"

	"faas-docker/function"
)

func TestRoutes_OutliveTheProcess(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "store.db")
	s, err := Open(path, function.DefaultNamespace)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.PutRoutes(map[string]string{"a": "* -> <shunt>", "b": "True() -> <shunt>"}); err != nil {
		t.Fatal(err)
	}
	if err := s.PutRoutes(map[string]string{"b": "False() -> <shunt>"}); err != nil {
		t.Fatal(err)
	}
	if err := s.DeleteRoute("a"); err != nil {
		t.Fatal(err)
	}
	if err := s.DeleteRoute("a"); !errors.Is(err, function.ErrNotFound) {
		t.Errorf("deleted twice: %v", err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if err := s.PutRoutes(map[string]string{"c": "* -> <shunt>"}); !errors.Is(err, function.ErrUnavailable) {
		t.Errorf("put after close: %v", err)
	}
	again, err := Open(path, function.DefaultNamespace)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = again.Close() }()
	if got, err := again.Routes(); err != nil || !maps.Equal(got, map[string]string{"b": "False() -> <shunt>"}) {
		t.Errorf("read back %v, %v", got, err)
	}
}
