package store

import (
	"maps"
	"slices"
	"strings"

	"go.etcd.io/bbolt"

	"faas-docker/function"
)

// namespaceTable are the namespaces of a Store.
type namespaceTable struct{ *core }

// Namespaces returns all namespaces sorted by name; the default one is always
// among them. The slice is the caller's.
func (s namespaceTable) Namespaces() []function.Namespace {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return slices.SortedFunc(maps.Values(s.namespaces), func(a, b function.Namespace) int {
		return strings.Compare(a.Name, b.Name)
	})
}

// Namespace returns one namespace; one that does not exist is an ErrNotFound.
func (s namespaceTable) Namespace(name string) (function.Namespace, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	n, exists := s.namespaces[name]
	if !exists {
		return function.Namespace{}, function.NotFound("namespace %q does not exist", name)
	}
	return n, nil
}

// CreateNamespace stores a namespace; one that exists is an ErrConflict.
func (s namespaceTable) CreateNamespace(n function.Namespace) error {
	if err := function.ValidateNamespace(n.Name); err != nil {
		return err
	}
	s.writing.Lock()
	defer s.writing.Unlock()
	if _, exists := s.namespaces[n.Name]; exists {
		return function.Conflict("namespace %q exists already", n.Name)
	}
	if err := s.putNamespace(n); err != nil {
		return err
	}
	s.announce()
	return nil
}

// UpdateNamespace replaces the labels and annotations of one that exists, or is an ErrNotFound.
func (s namespaceTable) UpdateNamespace(n function.Namespace) error {
	s.writing.Lock()
	defer s.writing.Unlock()
	if _, err := s.Namespace(n.Name); err != nil {
		return err
	}
	return s.putNamespace(n)
}

// DeleteNamespace forgets a namespace together with its secrets. It is an ErrNotFound if the
// namespace does not exist, and an ErrConflict if functions live in it or it is the default one.
func (s namespaceTable) DeleteNamespace(name string) error {
	s.writing.Lock()
	defer s.writing.Unlock()
	if err := s.mayDeleteNamespace(name); err != nil {
		return err
	}
	return s.commit(func(tx *bbolt.Tx) error { return s.eraseNamespace(tx, name) }, func() {
		delete(s.namespaces, name)
		maps.DeleteFunc(s.secrets, func(secret function.Name, _ struct{}) bool { return secret.Namespace == name })
	})
}

func (s namespaceTable) mayDeleteNamespace(name string) error {
	if _, err := s.Namespace(name); err != nil {
		return err
	}
	if name == s.defaultNamespace {
		return function.Conflict("namespace %q is the default one and cannot be deleted: delete its functions and secrets instead", name)
	}
	if count := len(s.Functions(name)); count > 0 {
		return function.Conflict("functions still live in namespace %q (%d): delete them first", name, count)
	}
	return nil
}

func (s namespaceTable) eraseNamespace(tx *bbolt.Tx, name string) error {
	for _, secret := range s.Secrets(name) {
		if err := erasing(secretsBucket, keyOf(function.Name{Name: secret, Namespace: name}))(tx); err != nil {
			return err
		}
	}
	return erasing(namespaceBucket, name)(tx)
}

// putNamespace makes n durable, then shows it to readers. The caller holds writing.
func (s namespaceTable) putNamespace(n function.Namespace) error {
	var stored function.Namespace
	return s.commit(func(tx *bbolt.Tx) (err error) {
		stored, err = putRecord(tx, namespaceBucket, n.Name, n)
		return err
	}, func() { s.namespaces[stored.Name] = stored })
}

func (m *memory) loadNamespaces(tx *bbolt.Tx) error {
	key := func(n function.Namespace) string { return n.Name }
	return eachRecord(tx, namespaceBucket, key, func(n function.Namespace) { m.namespaces[n.Name] = n })
}

// needNamespace is for records that are about to be put into it. The caller holds writing.
func (m *memory) needNamespace(name string) error {
	if _, exists := m.namespaces[name]; exists {
		return nil
	}
	return function.NotFound("namespace %q does not exist: create it first, for example with: faas-cli namespace create %s", name, name)
}
