package store_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"go.etcd.io/bbolt"

	"faas-docker/function"
	"faas-docker/store"
)

const home = function.DefaultNamespace

// TestMain lets tests run this binary again as another process, see child_test.go.
func TestMain(m *testing.M) {
	if len(os.Args) == 3 && strings.HasPrefix(os.Args[1], "child-") {
		os.Exit(runChild(os.Args[1], os.Args[2]))
	}
	os.Exit(m.Run())
}

func TestOpen_MakesFolderAndFileForTheOwnerOnly(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "a", "b", "store.db")
	open(t, path)
	wantMode(t, path, 0o600)
	wantMode(t, filepath.Dir(path), 0o700|os.ModeDir)
	wantMode(t, filepath.Dir(filepath.Dir(path)), 0o700|os.ModeDir)
}

func TestOpen_ClosesALooseFileToOthers(t *testing.T) {
	t.Parallel()
	path := newPath(t)
	closeStore(t, open(t, path))
	must(t, os.Chmod(path, 0o644))
	open(t, path)
	wantMode(t, path, 0o600)
}

func TestOpen_RefusesBadDefaultNamespace(t *testing.T) {
	t.Parallel()
	path := newPath(t)
	_, err := store.Open(path, "No Such")
	wantError(t, err, function.ErrInvalid, "default namespace", "No Such")
	if _, err := os.Stat(path); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("got %v from stat, want no file to be made", err)
	}
}

func TestOpen_SaysWhenTheFolderCannotBeMade(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "file")
	must(t, os.WriteFile(file, nil, 0o600))
	path := filepath.Join(file, "store.db")
	_, err := store.Open(path, home)
	wantError(t, err, nil, path, "make its folder", "not a directory")
}

func TestStore_RefusesSecondOwner(t *testing.T) {
	t.Parallel()
	path := newPath(t)
	first := open(t, path)
	began := time.Now()
	_, err := store.Open(path, home)
	if took := time.Since(began); took > 3*time.Second {
		t.Errorf("refused after %v, want less than 3s", took)
	}
	want := fmt.Sprintf("store %q: another faas-docker is using it: stop that one, or set data_dir to another folder", path)
	if err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
	create(t, first, spec("figlet", home))
	closeStore(t, first)
	wantFunctions(t, open(t, path), home, "figlet")
}

func TestFresh_UntilSomethingWasStored(t *testing.T) {
	t.Parallel()
	changes := map[string]func(*store.Store) error{
		"function":       func(s *store.Store) error { _, err := s.Create(spec("figlet", home)); return err },
		"namespace":      func(s *store.Store) error { return s.CreateNamespace(function.Namespace{Name: "dev"}) },
		"secret":         func(s *store.Store) error { return s.CreateSecret(secret("key", home, "v")) },
		"empty adoption": func(s *store.Store) error { return s.Adopt(nil) },
	}
	for name, change := range changes {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			path := newPath(t)
			closeStore(t, open(t, path))
			s := open(t, path)
			if !s.Fresh() {
				t.Error("got stale, want fresh: an owner killed before it stored anything must adopt again")
			}
			must(t, change(s))
			if !s.Fresh() {
				t.Error("got stale, want the answer of Open to stay")
			}
			closeStore(t, s)
			if open(t, path).Fresh() {
				t.Errorf("got fresh after a %s, want stale", name)
			}
		})
	}
}

func TestFresh_StaysFalseWhenEverythingIsDeleted(t *testing.T) {
	t.Parallel()
	path := newPath(t)
	s := open(t, path)
	create(t, s, spec("figlet", home))
	must(t, s.Delete(name("figlet", home)))
	closeStore(t, s)
	if open(t, path).Fresh() {
		t.Error("got fresh, want stale: deleted functions must not be adopted back")
	}
}

func TestOpen_RefusesNewerSchema(t *testing.T) {
	t.Parallel()
	path := filled(t)
	edit(t, path, func(tx *bbolt.Tx) error { return tx.Bucket([]byte("meta")).Put([]byte("schema"), []byte("2")) })
	before := read(t, path)
	_, err := store.Open(path, "another-default")
	wantError(t, err, nil, path, "newer faas-docker", "schema 2", "upgrade")
	if !slices.Equal(before, read(t, path)) {
		t.Error("the refused file was changed")
	}
}

func TestOpen_NamesTheRecordThatCannotBeRead(t *testing.T) {
	t.Parallel()
	cases := []struct{ name, bucket, key, value, want string }{
		{"function is not JSON", "functions", home + "/figlet", "{oops", `functions record "openfaas-fn/figlet"`},
		{"function is empty", "functions", home + "/figlet", "", `functions record "openfaas-fn/figlet"`},
		{"function of another name", "functions", home + "/figlet", `{"service":"other","namespace":"openfaas-fn"}`, `it describes "openfaas-fn/other"`},
		{"function with a field of another type", "functions", home + "/figlet", `{"service":"figlet","namespace":"openfaas-fn","replicas":"many"}`, `functions record "openfaas-fn/figlet"`},
		{"namespace is not JSON", "namespaces", "dev", "<xml/>", `namespaces record "dev"`},
		{"secret without namespace", "secrets", "loose", "hush", `secrets record "loose"`},
		{"schema is no number", "meta", "schema", "one", `meta record "schema"`},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			path := filled(t)
			edit(t, path, func(tx *bbolt.Tx) error { return tx.Bucket([]byte(c.bucket)).Put([]byte(c.key), []byte(c.value)) })
			_, err := store.Open(path, home)
			wantError(t, err, nil, path, c.want, "damaged", "backup")
			if strings.Contains(err.Error(), "hush") {
				t.Errorf("got %v, want no secret value in it", err)
			}
		})
	}
}

func TestOpen_RefusesAFileThatIsNotOurs(t *testing.T) {
	t.Parallel()
	path := newPath(t)
	edit(t, path, func(tx *bbolt.Tx) error { _, err := tx.CreateBucket([]byte("wiki")); return err })
	_, err := store.Open(path, home)
	wantError(t, err, nil, path, "not faas-docker's", `"wiki"`)

	missing := filled(t)
	edit(t, missing, func(tx *bbolt.Tx) error { return tx.DeleteBucket([]byte("secrets")) })
	_, err = store.Open(missing, home)
	wantError(t, err, nil, missing, `bucket "secrets" is missing`)
}

func TestOpen_RefusesADamagedFile(t *testing.T) {
	t.Parallel()
	damages := map[string]func(content []byte) []byte{
		"text":            func([]byte) []byte { return []byte(strings.Repeat("not a database\n", 2000)) },
		"a few bytes":     func([]byte) []byte { return []byte("x") },
		"cut to a third":  func(b []byte) []byte { return b[:len(b)/3] },
		"cut to two meta": func(b []byte) []byte { return b[:2*os.Getpagesize()] },
		"overwritten": func(b []byte) []byte {
			for i := 2 * os.Getpagesize(); i < len(b); i++ {
				b[i] = 0xff
			}
			return b
		},
		"blanked": func(b []byte) []byte { clear(b[2*os.Getpagesize():]); return b },
	}
	for name, damage := range damages {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			path := filled(t)
			must(t, os.WriteFile(path, damage(read(t, path)), 0o600))
			_, err := store.Open(path, home)
			wantError(t, err, nil, path, "damaged", "move it away")
		})
	}
}

func TestOpen_NoticesEveryCut(t *testing.T) {
	t.Parallel()
	source := filled(t)
	used := usedBytes(t, source)
	whole := read(t, source)
	for size := os.Getpagesize(); size < used; size += os.Getpagesize() {
		path := newPath(t)
		must(t, os.WriteFile(path, whole[:size], 0o600))
		s, err := store.Open(path, home)
		if err == nil {
			_ = s.Close()
		}
		wantError(t, err, nil, path, "damaged")
		if strings.Count(err.Error(), "damaged") != 1 {
			t.Errorf("got %q, want the advice once", err)
		}
	}
}

// usedBytes is how much of the file holds pages; the rest was set aside to grow into.
func usedBytes(t *testing.T, path string) (used int) {
	t.Helper()
	edit(t, path, func(tx *bbolt.Tx) error { used = int(tx.Size()); return nil })
	return used
}

func TestClose_EndsChangesButNotReads(t *testing.T) {
	t.Parallel()
	s := open(t, newPath(t))
	create(t, s, spec("figlet", home))
	closeStore(t, s)
	closeStore(t, s)
	wantFunctions(t, s, home, "figlet")
	_, err := s.Create(spec("second", home))
	wantError(t, err, function.ErrUnavailable, "stopping")
	_, err = s.Secret(home, "key")
	wantError(t, err, function.ErrUnavailable, "stopping")
	wantFunctions(t, s, home, "figlet")
}

func newPath(t *testing.T) string { return filepath.Join(t.TempDir(), "store.db") }

// open opens a store that is closed when the test ends, if not before.
func open(t testing.TB, path string) *store.Store {
	t.Helper()
	s, err := store.Open(path, home)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

func closeStore(t testing.TB, s *store.Store) {
	t.Helper()
	must(t, s.Close())
}

// filled makes a closed store with something of everything in it.
func filled(t *testing.T) string {
	t.Helper()
	path := newPath(t)
	s := open(t, path)
	must(t, s.Adopt(many(200, home)))
	must(t, s.CreateNamespace(function.Namespace{Name: "dev"}))
	must(t, s.CreateSecret(secret("key", "dev", "hush")))
	create(t, s, spec("figlet", home))
	closeStore(t, s)
	return path
}

func many(count int, namespace string) []function.Function {
	fs := make([]function.Function, count)
	for i := range fs {
		fs[i] = spec(fmt.Sprintf("fn-%04d", i), namespace)
		fs[i].Revision = uint64(i + 1)
		fs[i].EnvVars = map[string]string{"greeting": strings.Repeat("hello ", 50)}
	}
	return fs
}

func spec(fn, namespace string) function.Function {
	return function.Function{
		Spec:      function.Spec{Name: fn, Namespace: namespace, Image: "example.com/" + fn + ":1"},
		Replicas:  1,
		CreatedAt: time.Date(2024, 5, 6, 7, 8, 9, 0, time.UTC),
	}
}

func secret(name, namespace, value string) function.Secret {
	return function.Secret{Name: name, Namespace: namespace, Value: []byte(value)}
}

func name(fn, namespace string) function.Name {
	return function.Name{Name: fn, Namespace: namespace}
}

func create(t testing.TB, s *store.Store, f function.Function) function.Function {
	t.Helper()
	stored, err := s.Create(f)
	if err != nil {
		t.Fatal(err)
	}
	return stored
}

// edit changes the file behind the store's back.
func edit(t *testing.T, path string, change func(*bbolt.Tx) error) {
	t.Helper()
	db, err := bbolt.Open(path, 0o600, nil)
	if err != nil {
		t.Fatal(err)
	}
	must(t, db.Update(change))
	must(t, db.Close())
}

func read(t *testing.T, path string) []byte {
	t.Helper()
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return content
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func wantMode(t *testing.T, path string, want os.FileMode) {
	t.Helper()
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if got := info.Mode(); got != want {
		t.Errorf("%s: got mode %v, want %v", path, got, want)
	}
}

// wantError checks the kind, unless it is nil, and that the text holds all parts.
func wantError(t *testing.T, err, kind error, parts ...string) {
	t.Helper()
	if err == nil {
		t.Fatalf("got no error, want one with %q", parts)
	}
	if kind != nil && !errors.Is(err, kind) {
		t.Errorf("got %v, want kind %v", err, kind)
	}
	for _, part := range parts {
		if !strings.Contains(err.Error(), part) {
			t.Errorf("got %q, want %q in it", err, part)
		}
	}
}

func wantFunctions(t *testing.T, s *store.Store, namespace string, want ...string) {
	t.Helper()
	got := []string{}
	for _, f := range s.Functions(namespace) {
		got = append(got, f.Name)
	}
	if !slices.Equal(got, want) {
		t.Errorf("namespace %q: got functions %v, want %v", namespace, got, want)
	}
}
