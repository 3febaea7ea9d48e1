package store

import (
	"maps"

	"go.etcd.io/bbolt"

	"faas-docker/function"
)

// Adopt stores functions that were found running after the store was lost, all of them or none.
// They keep their Revisions, and later ones are higher than these and those of their Previous. Of
// one function the highest Revision wins, be it given twice or stored already. Namespaces that
// are missing are created.
func (s functionTable) Adopt(fs []function.Function) error {
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
	functions, namespaces := map[function.Name]function.Function{}, map[string]function.Namespace{}
	return s.change(func(tx *bbolt.Tx) (err error) {
		for n, f := range newest {
			if known, stored := s.functions[n]; stored && known.Revision >= f.Revision {
				continue
			}
			if _, exists := s.namespaces[n.Namespace]; !exists {
				namespaces[n.Namespace], err = putRecord(tx, namespaceBucket, n.Namespace, function.Namespace{Name: n.Namespace})
				if err != nil {
					return err
				}
			}
			if functions[n], err = writeFunction(tx, f, adoptedRevision(f.Previous)); err != nil {
				return err
			}
		}
		return nil
	}, func() {
		maps.Copy(s.namespaces, namespaces)
		maps.Copy(s.functions, functions)
	})
}

// adoptedRevision keeps the revision, and it and the one before from being given out again.
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
