package store_test

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"faas-docker/function"
	"faas-docker/store"
)

func TestSecrets_KeepValuesByteForByteAcrossRestart(t *testing.T) {
	t.Parallel()
	values := map[string][]byte{
		"text":   []byte("hunter2\n"),
		"binary": {0, 255, 10, 13, 0},
		"empty":  {},
		"large":  bytes.Repeat([]byte("x"), 1<<20),
	}
	path := newPath(t)
	s := open(t, path)
	for name, value := range values {
		must(t, s.CreateSecret(function.Secret{Name: name, Namespace: home, Value: value}))
	}
	wantSecrets(t, s, home, "binary", "empty", "large", "text")
	closeStore(t, s)
	s = open(t, path)
	wantSecrets(t, s, home, "binary", "empty", "large", "text")
	for name, value := range values {
		got, err := s.Secret(home, name)
		must(t, err)
		if got.Name != name || got.Namespace != home || !bytes.Equal(got.Value, value) {
			t.Errorf("secret %q: got %q in %q with %d bytes, want %d bytes as stored", name, got.Name, got.Namespace, len(got.Value), len(value))
		}
	}
}

func TestSecret_ValueIsTheCallers(t *testing.T) {
	t.Parallel()
	s := open(t, newPath(t))
	must(t, s.CreateSecret(secret("key", home, "value")))
	got, err := s.Secret(home, "key")
	must(t, err)
	clear(got.Value)
	again, err := s.Secret(home, "key")
	must(t, err)
	if string(again.Value) != "value" {
		t.Errorf("got %q, want %q", again.Value, "value")
	}
}

func TestUpdateSecret_ReplacesTheValue(t *testing.T) {
	t.Parallel()
	path := newPath(t)
	s := open(t, path)
	must(t, s.CreateSecret(secret("key", home, "old")))
	must(t, s.UpdateSecret(secret("key", home, "new")))
	wantSecrets(t, s, home, "key")
	closeStore(t, s)
	got, err := open(t, path).Secret(home, "key")
	must(t, err)
	if string(got.Value) != "new" {
		t.Errorf("got %q, want %q", got.Value, "new")
	}
}

func TestDeleteSecret_Forgets(t *testing.T) {
	t.Parallel()
	path := newPath(t)
	s := open(t, path)
	must(t, s.CreateSecret(secret("key", home, "v")))
	must(t, s.DeleteSecret(home, "key"))
	wantSecrets(t, s, home)
	must(t, s.CreateSecret(secret("key", home, "again")))
	must(t, s.DeleteSecret(home, "key"))
	closeStore(t, s)
	s = open(t, path)
	wantSecrets(t, s, home)
	_, err := s.Secret(home, "key")
	wantError(t, err, function.ErrNotFound)
}

func TestDeleteSecret_NamesTheFunctionsThatReadIt(t *testing.T) {
	t.Parallel()
	reads := func(name, namespace string, secrets ...string) function.Function {
		f := spec(name, namespace)
		f.Secrets = secrets
		return f
	}
	before := func(f function.Function, until time.Time, secrets ...string) function.Function {
		f.Previous = &function.Previous{Spec: reads(f.Name, f.Namespace, secrets...).Spec, Until: until}
		return f
	}
	none := func(f function.Function) function.Function { f.Replicas = 0; return f }
	until := time.Date(2030, 1, 2, 3, 4, 5, 0, time.UTC)
	for _, test := range []struct {
		name  string
		given []function.Function
		want  []string // what the refusal says; nothing means that the secret goes
	}{
		{"no function", nil, nil},
		{"one reader", []function.Function{reads("a", home, "key")}, []string{"key", "is used by a:"}},
		{"two readers", []function.Function{reads("b", home, "key"), reads("a", home, "key")}, []string{"is used by a, b:"}},
		{"one of many secrets", []function.Function{reads("a", home, "key-2", "key", "k")}, []string{"is used by a:"}},
		{"asleep at zero", []function.Function{none(reads("a", home, "key"))}, []string{"is used by a:"}},
		{"another secret", []function.Function{reads("a", home, "key-2")}, nil},
		{"a longer name", []function.Function{reads("a", home, "key.2", "key_")}, nil},
		{"without secrets", []function.Function{reads("a", home)}, nil},
		{"another namespace", []function.Function{reads("a", "dev", "key")}, nil},
		{"of two namespaces", []function.Function{reads("a", "dev", "key"), reads("b", home, "key")}, []string{"is used by b:"}},
		{"kept for a rollback", []function.Function{before(reads("a", home), until, "key")}, []string{"a (the revision before", "rollback until 2030-01-02T03:04:05Z"}},
		{"serves until the next answers", []function.Function{before(reads("a", home), time.Time{}, "key")}, []string{"a (the revision before", "serves until"}},
		{"both revisions", []function.Function{before(reads("a", home, "key"), until, "key")}, []string{"is used by a:"}},
		{"before, another secret", []function.Function{before(reads("a", home), until, "key-2")}, nil},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			s := open(t, newPath(t))
			must(t, s.CreateNamespace(function.Namespace{Name: "dev"}))
			for _, namespace := range []string{home, "dev"} {
				for _, name := range []string{"key", "key-2", "key.2", "key_", "k"} {
					must(t, s.CreateSecret(secret(name, namespace, "v")))
				}
			}
			for _, f := range test.given {
				create(t, s, f)
			}
			err := s.DeleteSecret(home, "key")
			if test.want == nil {
				must(t, err)
				return
			}
			wantError(t, err, function.ErrConflict, test.want...)
			if _, err := s.Secret(home, "key"); err != nil {
				t.Errorf("got %v after the refusal, want the secret", err)
			}
			for _, f := range test.given {
				must(t, s.Delete(f.ID()))
			}
			must(t, s.DeleteSecret(home, "key"))
		})
	}
}

// The image of a deployment may take long; its secrets were there before.
func TestCreate_RefusesASecretThatWasDeletedMeanwhile(t *testing.T) {
	t.Parallel()
	s := open(t, newPath(t))
	f := spec("figlet", home)
	create(t, s, f)
	f.Secrets = []string{"key"}
	_, err := s.Replace(f.ID(), func(function.Function) function.Function { return f })
	wantError(t, err, function.ErrInvalid, `secrets[0]: secret "key" does not exist`)
	f.Name = "cows"
	_, err = s.Create(f)
	wantError(t, err, function.ErrInvalid, `secrets[0]: secret "key" does not exist`)
	must(t, s.CreateSecret(secret("key", home, "v")))
	create(t, s, f)
}

func TestSecrets_BelongToTheirNamespace(t *testing.T) {
	t.Parallel()
	s := open(t, newPath(t))
	must(t, s.CreateNamespace(function.Namespace{Name: "dev"}))
	must(t, s.CreateSecret(secret("key", home, "here")))
	must(t, s.CreateSecret(secret("key", "dev", "there")))
	must(t, s.DeleteSecret("dev", "key"))
	got, err := s.Secret(home, "key")
	must(t, err)
	if string(got.Value) != "here" {
		t.Errorf("got %q, want %q", got.Value, "here")
	}
	wantSecrets(t, s, "dev")
	wantSecrets(t, s, "nowhere")
}

func TestSecrets_RefuseWithoutTellingTheValue(t *testing.T) {
	t.Parallel()
	const value = "hunter2-must-not-leak"
	s := open(t, newPath(t))
	must(t, s.CreateSecret(secret("key", home, value)))
	acts := []struct {
		name string
		act  func() error
		kind error
		text string
	}{
		{"create twice", func() error { return s.CreateSecret(secret("key", home, value)) }, function.ErrConflict, `secret "key" exists already in namespace "openfaas-fn"`},
		{"create nowhere", func() error { return s.CreateSecret(secret("key", "dev", value)) }, function.ErrNotFound, `namespace "dev" does not exist`},
		{"create misnamed", func() error { return s.CreateSecret(secret("Key/1", home, value)) }, function.ErrInvalid, "Key/1"},
		{"update unknown", func() error { return s.UpdateSecret(secret("none", home, value)) }, function.ErrNotFound, `secret "none" does not exist in namespace "openfaas-fn"`},
		{"delete unknown", func() error { return s.DeleteSecret(home, "none") }, function.ErrNotFound, `secret "none" does not exist in namespace "openfaas-fn"`},
		{"read unknown", func() error { _, err := s.Secret(home, "none"); return err }, function.ErrNotFound, `secret "none" does not exist in namespace "openfaas-fn"`},
		{"read nothing", func() error { _, err := s.Secret("", ""); return err }, function.ErrNotFound, "does not exist"},
		{"write when closed", func() error { return closedUpdate(s, secret("key", home, value)) }, function.ErrUnavailable, "stopping"},
	}
	for _, a := range acts {
		err := a.act()
		wantError(t, err, a.kind, a.text)
		if printed := fmt.Sprintf("%v %+v %#v", err, err, err); strings.Contains(printed, value) {
			t.Errorf("%s: got %s, want no value in it", a.name, printed)
		}
	}
	if printed := fmt.Sprintf("%+v %#v", s, s); strings.Contains(printed, value) {
		t.Error("printing the store tells a secret's value")
	}
}

func closedUpdate(s *store.Store, secret function.Secret) error {
	if err := s.Close(); err != nil {
		return err
	}
	return s.UpdateSecret(secret)
}

func wantSecrets(t *testing.T, s *store.Store, namespace string, want ...string) {
	t.Helper()
	got := s.Secrets(namespace)
	if got == nil || !slices.Equal(got, want) {
		t.Errorf("namespace %q: got secrets %#v, want %v", namespace, got, want)
	}
}
