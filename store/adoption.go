package store

import (
	"slices"

	"go.etcd.io/bbolt"

	"faas-docker/function"
)

// Adopt stores functions that were found running after the store was lost, all
// of them or none. They keep their Revisions, and later ones are higher than these
// and those of their Previous. Of one
// function the highest Revision wins, be it given twice or stored already.
// Namespaces that are missing are created.
func (s *Store) Adopt(fs []function.Function) error {
	newest := map[function.Name]function.Function{}
	for _, f := range fs {
		if err := f.ID().Validate(); err != nil {
			return err
		}
		if known, again := newest[f.ID()]; !again || known.Revision < f.Revision {
			newest[f.ID()] = f
		}
	}
	s.writing.Lock()
	defer s.writing.Unlock()
	adopted := adoption{store: s}
	err := s.commit(func(tx *bbolt.Tx) error { return adopted.write(tx, newest) })
	if err != nil {
		return err
	}
	adopted.remember()
	return nil
}

// adoption is what one call of Adopt writes, kept until it is durable.
type adoption struct {
	store      *Store
	functions  []function.Function
	namespaces []function.Namespace
}

func (a *adoption) write(tx *bbolt.Tx, newest map[function.Name]function.Function) error {
	for n, f := range newest {
		if known, stored := a.store.functions[n]; stored && known.Revision >= f.Revision {
			continue
		}
		if err := a.writeNamespace(tx, n.Namespace); err != nil {
			return err
		}
		stored, err := writeFunction(tx, f, adoptedRevision(f.Previous))
		if err != nil {
			return err
		}
		a.functions = append(a.functions, stored)
	}
	return nil
}

// adoptedRevision keeps the revision, and keeps it and the one before from being given
// out again.
func adoptedRevision(previous *function.Previous) numbering {
	return func(bucket *bbolt.Bucket, given uint64) (uint64, error) {
		if previous != nil {
			if _, err := givenRevision(bucket, previous.Revision); err != nil {
				return 0, err
			}
		}
		return givenRevision(bucket, given)
	}
}

func (a *adoption) writeNamespace(tx *bbolt.Tx, name string) error {
	isIt := func(n function.Namespace) bool { return n.Name == name }
	if _, exists := a.store.namespaces[name]; exists || slices.ContainsFunc(a.namespaces, isIt) {
		return nil
	}
	stored, err := putRecord(tx, namespaceBucket, name, function.Namespace{Name: name})
	if err != nil {
		return err
	}
	a.namespaces = append(a.namespaces, stored)
	return nil
}

func (a *adoption) remember() {
	a.store.show(func() {
		for _, n := range a.namespaces {
			a.store.namespaces[n.Name] = n
		}
		for _, f := range a.functions {
			a.store.functions[f.ID()] = f
		}
	})
}
