package store

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime/debug"
	"strconv"
	"strings"
	"syscall"
	"time"

	"go.etcd.io/bbolt"
	bolterrors "go.etcd.io/bbolt/errors"

	"faas-docker/function"
)

// The buckets of the file. Namespaces and routes are keyed by their name, functions and secrets by
// "namespace/name". The sequence of the functions' bucket is the last revision given out.
const (
	metaBucket      = "meta"
	functionsBucket = "functions"
	namespaceBucket = "namespaces"
	secretsBucket   = "secrets"
	routesBucket    = "routes"
)

const (
	// schemaKey, in meta, holds the version of the layout described above.
	schemaKey = "schema"
	schema    = 1
	// writtenKey, in meta, exists once anything was stored by a caller.
	writtenKey = "written"
)

// openFile opens and locks the database file, making it and its folder if need be.
func openFile(path string) (*bbolt.DB, error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return nil, explainOpen(fmt.Errorf("make its folder: %w", err))
	}
	var db *bbolt.DB
	err := guard(func() (err error) {
		db, err = bbolt.Open(path, 0o600, &bbolt.Options{Timeout: time.Second})
		return explainOpen(err)
	})
	if err != nil {
		return nil, err
	}
	if err := restrict(path); err != nil {
		_ = db.Close()
		return nil, err
	}
	return db, nil
}

func explainOpen(err error) error {
	_, onPath := errors.AsType[*fs.PathError](err)
	_, numbered := errors.AsType[syscall.Errno](err)
	switch {
	case err == nil:
		return nil
	case errors.Is(err, bolterrors.ErrTimeout):
		return errors.New("another faas-docker is using it: stop that one, or set data_dir to another folder")
	case errors.Is(err, fs.ErrPermission), errors.Is(err, syscall.EROFS):
		return fmt.Errorf("%w: set data_dir to a folder that this user may write to", err)
	case onPath, numbered:
		return err
	default:
		return damaged(err)
	}
}

// restrict closes a file that was copied here with a looser mode to others.
func restrict(path string) error {
	info, err := os.Stat(path)
	if err != nil {
		return err
	}
	if info.Mode().Perm()&0o077 == 0 {
		return nil
	}
	if err := os.Chmod(path, 0o600); err != nil {
		return fmt.Errorf("it holds secrets and others may read it: give it the mode 0600: %w", err)
	}
	return nil
}

// guard turns bbolt's panics over damaged pages, and the fault of touching one that is not there,
// into an error. A file on which bbolt.Open panicked stays locked until the process ends.
func guard(act func() error) (err error) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		if p := recover(); p != nil {
			err = damaged(fmt.Errorf("%v", p))
		}
	}()
	return act()
}

func damaged(err error) error {
	return fmt.Errorf("the file is damaged, or not faas-docker's: restore it from a backup, or move it away: functions whose containers exist are then adopted from them, secrets must be created anew: %w", err)
}

// prepare loads the file and adds what a new one lacks. It writes only when it
// must, so that a full disk does not keep the provider from starting.
func (s *core) prepare() error {
	if err := guard(func() error { return s.db.View(s.load) }); err != nil {
		return err
	}
	if _, exists := s.namespaces[s.defaultNamespace]; exists {
		return nil
	}
	if err := guard(func() error { return s.db.Update(s.found) }); err != nil {
		return fmt.Errorf("write namespace %q: %w", s.defaultNamespace, err)
	}
	return nil
}

// load fills memory from the file.
func (s *core) load(tx *bbolt.Tx) error {
	if err := checkLength(tx); err != nil {
		return err
	}
	meta := tx.Bucket([]byte(metaBucket))
	if meta == nil {
		s.fresh = true
		return refuseForeign(tx)
	}
	if err := checkSchema(string(meta.Get([]byte(schemaKey)))); err != nil {
		return err
	}
	s.fresh = meta.Get([]byte(writtenKey)) == nil
	for _, read := range []func(*bbolt.Tx) error{s.loadNamespaces, s.loadFunctions, s.loadSecrets, s.loadRoutes} {
		if err := read(tx); err != nil {
			return damaged(err)
		}
	}
	return nil
}

// checkLength finds a file that was cut short. Touching a page that is not there would kill the
// process, perhaps only when a secret is read months later.
func checkLength(tx *bbolt.Tx) error {
	info, err := os.Stat(tx.DB().Path())
	if err != nil {
		return err
	}
	if info.Size() < tx.Size() {
		return damaged(fmt.Errorf("%d bytes long instead of %d", info.Size(), tx.Size()))
	}
	return nil
}

// refuseForeign keeps us from writing into another program's bbolt file.
func refuseForeign(tx *bbolt.Tx) error {
	if first, _ := tx.Cursor().First(); first != nil {
		return damaged(fmt.Errorf("bucket %q without bucket %q", first, metaBucket))
	}
	return nil
}

func checkSchema(text string) error {
	version, err := strconv.Atoi(text)
	switch {
	case err != nil || version < 1:
		return damaged(fmt.Errorf("%s record %q: %q is not a version", metaBucket, schemaKey, text))
	case version > schema:
		return fmt.Errorf("written by a newer faas-docker (schema %d, this one knows %d): upgrade faas-docker, or set data_dir to another folder", version, schema)
	}
	return nil
}

// found lays out a new file, or adds the default namespace to an old one. The file stays fresh.
func (s *core) found(tx *bbolt.Tx) error {
	for _, name := range []string{metaBucket, functionsBucket, namespaceBucket, secretsBucket, routesBucket} {
		if _, err := tx.CreateBucketIfNotExists([]byte(name)); err != nil {
			return fmt.Errorf("make bucket %q: %w", name, err)
		}
	}
	if err := tx.Bucket([]byte(metaBucket)).Put([]byte(schemaKey), []byte(strconv.Itoa(schema))); err != nil {
		return err
	}
	n, err := putRecord(tx, namespaceBucket, s.defaultNamespace, function.Namespace{Name: s.defaultNamespace})
	if err != nil {
		return err
	}
	s.namespaces[n.Name] = n
	return nil
}

// commit makes a change durable as a whole and then shows it to readers, or leaves file
// and memory as they were. Its errors are ErrUnavailable. The caller holds writing.
func (s *core) commit(change func(tx *bbolt.Tx) error, show func()) error {
	err := s.db.Update(func(tx *bbolt.Tx) error {
		if err := change(tx); err != nil {
			return err
		}
		return markWritten(tx)
	})
	if err != nil {
		return explainWrite(err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	show()
	return nil
}

// erasing is the change that deletes one record.
func erasing(bucket, key string) func(tx *bbolt.Tx) error {
	return func(tx *bbolt.Tx) error { return tx.Bucket([]byte(bucket)).Delete([]byte(key)) }
}

// markWritten is not part of Open: a provider killed before it adopted anything still finds its
// store fresh.
func markWritten(tx *bbolt.Tx) error {
	meta := tx.Bucket([]byte(metaBucket))
	if meta.Get([]byte(writtenKey)) != nil {
		return nil
	}
	return meta.Put([]byte(writtenKey), []byte("yes"))
}

func explainWrite(err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, bolterrors.ErrDatabaseNotOpen):
		return stopping(err)
	default:
		return function.Unavailable(err, "nothing was changed, because the store cannot be written: %v: make sure that its disk has room and is writable, then try again", err)
	}
}

func stopping(err error) error {
	return function.Unavailable(err, "faas-docker is stopping: try again when it is back")
}

// putRecord writes one record and returns it as it will be read back: what is in memory is the same
// before and after a restart, and shares nothing with the caller.
func putRecord[T any](tx *bbolt.Tx, bucket, key string, record T) (stored T, err error) {
	text, err := json.Marshal(record)
	if err != nil {
		return stored, fmt.Errorf("encode %s record %q: %w", bucket, key, err)
	}
	if err := json.Unmarshal(text, &stored); err != nil {
		return stored, fmt.Errorf("decode %s record %q: %w", bucket, key, err)
	}
	return stored, tx.Bucket([]byte(bucket)).Put([]byte(key), text)
}

// eachRecord decodes every record of a bucket, and hands those to keep that lie under their key.
func eachRecord[T any](tx *bbolt.Tx, bucket string, key func(T) string, keep func(T)) error {
	return eachKey(tx, bucket, func(at string, text []byte) error {
		var record T
		if err := json.Unmarshal(text, &record); err != nil {
			return err
		}
		if key(record) != at {
			return fmt.Errorf("it describes %q", key(record))
		}
		keep(record)
		return nil
	})
}

// eachKey visits a bucket in the order of its keys; errors name the record.
func eachKey(tx *bbolt.Tx, bucket string, visit func(key string, value []byte) error) error {
	b := tx.Bucket([]byte(bucket))
	if b == nil {
		return fmt.Errorf("bucket %q is missing", bucket)
	}
	return b.ForEach(func(key, value []byte) error {
		if err := visit(string(key), value); err != nil {
			return fmt.Errorf("%s record %q: %w", bucket, key, err)
		}
		return nil
	})
}

// keyOf is the key of a function or a secret. Neither part has a slash: both were validated.
func keyOf(n function.Name) string { return n.Namespace + "/" + n.Name }

func splitKey(key string) (n function.Name, ok bool) {
	n.Namespace, n.Name, ok = strings.Cut(key, "/")
	return n, ok && n.Namespace != "" && n.Name != ""
}
