package store_test

import (
	"reflect"
	"testing"

	"faas-docker/function"
	"faas-docker/store"
)

func TestNamespaces_DefaultAlwaysExists(t *testing.T) {
	t.Parallel()
	path := newPath(t)
	s := open(t, path)
	wantNamespaces(t, s, home)
	wantError(t, s.DeleteNamespace(home), function.ErrConflict, home, "default")
	wantNamespaces(t, s, home)
	closeStore(t, s)

	moved, err := store.Open(path, "another")
	must(t, err)
	defer func() { _ = moved.Close() }()
	wantNamespaces(t, moved, "another", home)
	must(t, moved.DeleteNamespace(home))
	wantNamespaces(t, moved, "another")
}

func TestNamespaces_SortedAndKeptAcrossRestart(t *testing.T) {
	t.Parallel()
	path := newPath(t)
	s := open(t, path)
	dev := function.Namespace{Name: "dev", Labels: map[string]string{"openfaas": "1"}, Annotations: map[string]string{"team": "a"}}
	must(t, s.CreateNamespace(function.Namespace{Name: "zoo"}))
	must(t, s.CreateNamespace(dev))
	wantNamespaces(t, s, "dev", home, "zoo")
	closeStore(t, s)
	s = open(t, path)
	wantNamespaces(t, s, "dev", home, "zoo")
	got, err := s.Namespace("dev")
	must(t, err)
	if !reflect.DeepEqual(got, dev) {
		t.Errorf("got %+v, want %+v", got, dev)
	}
}

func TestUpdateNamespace_Replaces(t *testing.T) {
	t.Parallel()
	path := newPath(t)
	s := open(t, path)
	must(t, s.CreateNamespace(function.Namespace{Name: "dev", Labels: map[string]string{"a": "1"}}))
	must(t, s.UpdateNamespace(function.Namespace{Name: "dev", Annotations: map[string]string{"b": "2"}}))
	closeStore(t, s)
	got, err := open(t, path).Namespace("dev")
	must(t, err)
	if want := (function.Namespace{Name: "dev", Annotations: map[string]string{"b": "2"}}); !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, want %+v", got, want)
	}
}

func TestNamespaces_Refuse(t *testing.T) {
	t.Parallel()
	s := open(t, newPath(t))
	must(t, s.CreateNamespace(function.Namespace{Name: "dev"}))
	wantError(t, s.CreateNamespace(function.Namespace{Name: "dev"}), function.ErrConflict, `namespace "dev" exists already`)
	wantError(t, s.CreateNamespace(function.Namespace{Name: "a/b"}), function.ErrInvalid, "namespace")
	wantError(t, s.CreateNamespace(function.Namespace{}), function.ErrInvalid, "namespace")
	wantError(t, s.UpdateNamespace(function.Namespace{Name: "none"}), function.ErrNotFound, `namespace "none" does not exist`)
	wantError(t, s.DeleteNamespace("none"), function.ErrNotFound, `namespace "none" does not exist`)
	_, err := s.Namespace("none")
	wantError(t, err, function.ErrNotFound, `namespace "none" does not exist`)
	wantNamespaces(t, s, "dev", home)
}

func TestDeleteNamespace_TakesItsSecretsAndNoOthers(t *testing.T) {
	t.Parallel()
	path := newPath(t)
	s := open(t, path)
	for _, namespace := range []string{"dev", "dev-2"} {
		must(t, s.CreateNamespace(function.Namespace{Name: namespace}))
		must(t, s.CreateSecret(secret("one", namespace, "1")))
		must(t, s.CreateSecret(secret("two", namespace, "2")))
	}
	must(t, s.DeleteNamespace("dev"))
	wantSecrets(t, s, "dev")
	closeStore(t, s)
	s = open(t, path)
	wantNamespaces(t, s, "dev-2", home)
	wantSecrets(t, s, "dev-2", "one", "two")

	must(t, s.CreateNamespace(function.Namespace{Name: "dev"}))
	wantSecrets(t, s, "dev")
	_, err := s.Secret("dev", "one")
	wantError(t, err, function.ErrNotFound)
}

func TestDeleteNamespace_RefusesWhileFunctionsLiveThere(t *testing.T) {
	t.Parallel()
	s := open(t, newPath(t))
	must(t, s.CreateNamespace(function.Namespace{Name: "dev"}))
	must(t, s.CreateSecret(secret("key", "dev", "v")))
	f := create(t, s, spec("figlet", "dev"))
	wantError(t, s.DeleteNamespace("dev"), function.ErrConflict, `namespace "dev"`, "delete them first")
	wantNamespaces(t, s, "dev", home)
	wantSecrets(t, s, "dev", "key")
	must(t, s.Delete(f.ID()))
	must(t, s.DeleteNamespace("dev"))
	wantNamespaces(t, s, home)
}

func wantNamespaces(t *testing.T, s *store.Store, want ...string) {
	t.Helper()
	var got []string
	for _, n := range s.Namespaces() {
		got = append(got, n.Name)
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got namespaces %v, want %v", got, want)
	}
}
