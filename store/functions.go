package store

import (
	"cmp"
	"slices"

	"go.etcd.io/bbolt"

	"faas-docker/function"
)

// Functions returns the functions of a namespace, or of all namespaces if it is
// empty, sorted by name and then by namespace. The slice is the caller's and
// never nil.
func (s *Store) Functions(namespace string) []function.Function {
	found := s.collectFunctions(namespace)
	slices.SortFunc(found, func(a, b function.Function) int {
		return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(a.Namespace, b.Namespace))
	})
	return found
}

func (s *Store) collectFunctions(namespace string) []function.Function {
	s.mu.RLock()
	defer s.mu.RUnlock()
	found := make([]function.Function, 0, len(s.functions))
	for id, f := range s.functions {
		if namespace == "" || namespace == id.Namespace {
			found = append(found, f)
		}
	}
	return found
}

// Function returns one function; one that is not deployed is an ErrNotFound.
func (s *Store) Function(n function.Name) (function.Function, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	f, deployed := s.functions[n]
	if !deployed {
		return function.Function{}, function.UnknownFunction(n)
	}
	return f, nil
}

// Create stores a function that does not exist yet and returns it with its
// Revision, which the store assigns. It is an ErrConflict if the function
// exists, and an ErrNotFound if its namespace does not.
func (s *Store) Create(f function.Function) (function.Function, error) {
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
	return s.putFunction(f, nextRevision)
}

// Replace stores what change makes of a function, as a new Revision, which it
// returns. A function that is not deployed is an ErrNotFound. change may read
// the Store but not change it, and it cannot give the function another name.
func (s *Store) Replace(n function.Name, change func(function.Function) function.Function) (function.Function, error) {
	s.writing.Lock()
	defer s.writing.Unlock()
	old, deployed := s.functions[n]
	if !deployed {
		return function.Function{}, function.UnknownFunction(n)
	}
	next := change(old)
	next.Name, next.Namespace = n.Name, n.Namespace
	return s.putFunction(next, nextRevision)
}

// Restore is Replace with a revision that was there before, of which nothing else
// has the number: change names it. An error of change is returned, and changes
// nothing.
func (s *Store) Restore(n function.Name, change func(function.Function) (function.Function, error)) (function.Function, error) {
	s.writing.Lock()
	defer s.writing.Unlock()
	old, deployed := s.functions[n]
	if !deployed {
		return function.Function{}, function.UnknownFunction(n)
	}
	next, err := change(old)
	if err != nil {
		return function.Function{}, err
	}
	next.Name, next.Namespace = n.Name, n.Namespace
	return s.putFunction(next, givenRevision)
}

// Change is Replace without a new deployment: the Revision stays. When change
// answers false the function is left, and returned, as it is.
func (s *Store) Change(n function.Name, change func(function.Function) (function.Function, bool)) (function.Function, error) {
	s.writing.Lock()
	defer s.writing.Unlock()
	old, deployed := s.functions[n]
	if !deployed {
		return function.Function{}, function.UnknownFunction(n)
	}
	next, changed := change(old)
	if !changed {
		return old, nil
	}
	next.Name, next.Namespace, next.Revision = n.Name, n.Namespace, old.Revision
	return s.putFunction(next, givenRevision)
}

// Delete forgets a function; one that is not deployed is an ErrNotFound. Its
// Revision is not used again.
func (s *Store) Delete(n function.Name) error {
	s.writing.Lock()
	defer s.writing.Unlock()
	if _, deployed := s.functions[n]; !deployed {
		return function.UnknownFunction(n)
	}
	err := s.commit(func(tx *bbolt.Tx) error {
		return tx.Bucket([]byte(functionsBucket)).Delete(functionKey(n))
	})
	if err != nil {
		return err
	}
	s.show(func() { delete(s.functions, n) })
	return nil
}

// putFunction makes f durable under the revision that number gives it, then
// shows it to readers. The caller holds writing.
func (s *Store) putFunction(f function.Function, number numbering) (stored function.Function, err error) {
	err = s.commit(func(tx *bbolt.Tx) (err error) {
		stored, err = writeFunction(tx, f, number)
		return err
	})
	if err != nil {
		return function.Function{}, err
	}
	s.show(func() { s.functions[stored.ID()] = stored })
	return stored, nil
}

// show lets readers see a change of the functions that is durable.
func (s *Store) show(change func()) {
	s.mu.Lock()
	change()
	s.mu.Unlock()
	if s.FunctionsChanged != nil {
		s.FunctionsChanged()
	}
}

func writeFunction(tx *bbolt.Tx, f function.Function, number numbering) (function.Function, error) {
	revision, err := number(tx.Bucket([]byte(functionsBucket)), f.Revision)
	if err != nil {
		return function.Function{}, err
	}
	f.Revision = revision
	return putRecord(tx, functionsBucket, string(functionKey(f.ID())), f)
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

func (s *Store) loadFunctions(tx *bbolt.Tx) error {
	key := func(f function.Function) string { return string(functionKey(f.ID())) }
	return eachRecord(tx, functionsBucket, key, func(f function.Function) { s.functions[f.ID()] = f })
}

func functionKey(n function.Name) []byte { return []byte(joinKey(n.Namespace, n.Name)) }
