package store

import (
	"cmp"
	"errors"
	"slices"

	"go.etcd.io/bbolt"

	"faas-docker/function"
)

// functionTable are the functions of a Store.
type functionTable struct{ *core }

// Functions returns the functions of a namespace, or of all if it is empty, sorted by name and then
// by namespace. The slice is the caller's and never nil.
func (m *memory) Functions(namespace string) []function.Function {
	m.mu.RLock()
	found := make([]function.Function, 0, len(m.functions))
	for id, f := range m.functions {
		if namespace == "" || namespace == id.Namespace {
			found = append(found, f)
		}
	}
	m.mu.RUnlock()
	slices.SortFunc(found, func(a, b function.Function) int {
		return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(a.Namespace, b.Namespace))
	})
	return found
}

// Function returns one function; one that is not deployed is an ErrNotFound.
func (s functionTable) Function(n function.Name) (function.Function, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	f, deployed := s.functions[n]
	if !deployed {
		return function.Function{}, function.UnknownFunction(n)
	}
	return f, nil
}

// Create stores a function that does not exist yet and returns it with its Revision, which the
// store assigns. It is an ErrConflict if the function exists, an ErrNotFound if its namespace does
// not, and an ErrInvalid if one of its secrets does not.
func (s functionTable) Create(f function.Function) (function.Function, error) {
	n := f.ID()
	if err := n.Validate(); err != nil {
		return function.Function{}, err
	}
	s.writing.Lock()
	defer s.writing.Unlock()
	if err := s.needNamespace(n.Namespace); err != nil {
		return function.Function{}, err
	}
	if _, deployed := s.functions[n]; deployed {
		return function.Function{}, function.Conflict("function %q is deployed already in namespace %q: update it, or delete it first", n.Name, n.Namespace)
	}
	if err := s.needSecrets(n.Namespace, f.Secrets); err != nil {
		return function.Function{}, err
	}
	return s.put(f, nextRevision)
}

// Replace stores what change makes of a function, as a new Revision, which it returns. A function
// that is not deployed is an ErrNotFound, and a secret that does not exist an ErrInvalid. change may
// read the Store but not change it, and it cannot give the function another name.
func (s functionTable) Replace(n function.Name, change func(function.Function) function.Function) (function.Function, error) {
	return s.rewrite(n, nextRevision, func(old function.Function) (function.Function, error) {
		next := change(old)
		return next, s.needSecrets(n.Namespace, next.Secrets)
	})
}

// Restore is Replace with a revision that was there before, of which nothing else has the number:
// change names it. An error of change is returned, and changes nothing.
func (s functionTable) Restore(n function.Name, change func(function.Function) (function.Function, error)) (function.Function, error) {
	return s.rewrite(n, givenRevision, change)
}

// Change is Replace without a new deployment: the Revision stays. When change
// answers false the function is left, and returned, as it is.
func (s functionTable) Change(n function.Name, change func(function.Function) (function.Function, bool)) (function.Function, error) {
	var kept function.Function
	changed, err := s.rewrite(n, givenRevision, func(old function.Function) (function.Function, error) {
		next, different := change(old)
		if !different {
			kept = old
			return old, errUnchanged
		}
		next.Revision = old.Revision
		return next, nil
	})
	if errors.Is(err, errUnchanged) {
		return kept, nil
	}
	return changed, err
}

// errUnchanged: there is nothing to store.
var errUnchanged = errors.New("unchanged")

// rewrite stores what change makes of a function, under the revision that number gives it.
func (s functionTable) rewrite(n function.Name, number numbering, change func(function.Function) (function.Function, error)) (function.Function, error) {
	s.writing.Lock()
	defer s.writing.Unlock()
	old, err := s.Function(n)
	if err != nil {
		return function.Function{}, err
	}
	next, err := change(old)
	if err != nil {
		return function.Function{}, err
	}
	next.Name, next.Namespace = n.Name, n.Namespace
	return s.put(next, number)
}

// Delete forgets a function; one that is not deployed is an ErrNotFound. Its
// Revision is not used again.
func (s functionTable) Delete(n function.Name) error {
	s.writing.Lock()
	defer s.writing.Unlock()
	if _, err := s.Function(n); err != nil {
		return err
	}
	return s.change(erasing(functionsBucket, keyOf(n)), func() { delete(s.functions, n) })
}

// put makes f durable under the revision that number gives it, then shows it to
// readers. The caller holds writing.
func (s functionTable) put(f function.Function, number numbering) (stored function.Function, err error) {
	err = s.change(func(tx *bbolt.Tx) (err error) {
		stored, err = writeFunction(tx, f, number)
		return err
	}, func() { s.functions[stored.ID()] = stored })
	if err != nil {
		return function.Function{}, err
	}
	return stored, nil
}

// change commits a change of the functions, and tells of it.
func (s functionTable) change(change func(tx *bbolt.Tx) error, show func()) error {
	err := s.commit(change, show)
	if err == nil && s.FunctionsChanged != nil {
		s.FunctionsChanged()
	}
	return err
}

func writeFunction(tx *bbolt.Tx, f function.Function, number numbering) (function.Function, error) {
	revision, err := number(tx.Bucket([]byte(functionsBucket)), f.Revision)
	if err != nil {
		return function.Function{}, err
	}
	f.Revision = revision
	return putRecord(tx, functionsBucket, keyOf(f.ID()), f)
}

// numbering decides which revision a record is written under, given the one it has.
type numbering func(bucket *bbolt.Bucket, given uint64) (uint64, error)

func nextRevision(bucket *bbolt.Bucket, _ uint64) (uint64, error) { return bucket.NextSequence() }

// givenRevision keeps the revision, and keeps it from being given out again.
func givenRevision(bucket *bbolt.Bucket, given uint64) (uint64, error) {
	if given <= bucket.Sequence() {
		return given, nil
	}
	return given, bucket.SetSequence(given)
}

func (m *memory) loadFunctions(tx *bbolt.Tx) error {
	key := func(f function.Function) string { return keyOf(f.ID()) }
	return eachRecord(tx, functionsBucket, key, func(f function.Function) { m.functions[f.ID()] = f })
}
