package store

import (
	"bytes"
	"errors"
	"maps"
	"slices"

	"go.etcd.io/bbolt"
	bolterrors "go.etcd.io/bbolt/errors"

	"faas-docker/function"
)

// Secrets returns the names of a namespace's secrets, sorted; none if there is
// no such namespace. The slice is the caller's and never nil.
func (s *Store) Secrets(namespace string) []string {
	s.mu.RLock()
	defer s.mu.RUnlock()
	names := slices.AppendSeq(make([]string, 0, len(s.secrets[namespace])), maps.Keys(s.secrets[namespace]))
	slices.Sort(names)
	return names
}

// Secret reads one secret with its value, which is the caller's. A secret that
// does not exist is an ErrNotFound.
func (s *Store) Secret(namespace, name string) (function.Secret, error) {
	secret := function.Secret{Name: name, Namespace: namespace}
	err := s.db.View(func(tx *bbolt.Tx) error {
		// A key that is there has a value that is not nil, however short.
		value := tx.Bucket([]byte(secretsBucket)).Get([]byte(joinKey(namespace, name)))
		if value == nil {
			return unknownSecret(namespace, name)
		}
		secret.Value = bytes.Clone(value)
		return nil
	})
	if err != nil {
		return function.Secret{}, explainRead(err)
	}
	return secret, nil
}

// CreateSecret stores a secret. It is an ErrConflict if the secret exists, and
// an ErrNotFound if its namespace does not.
func (s *Store) CreateSecret(secret function.Secret) error {
	if err := function.ValidateSecretName(secret.Name); err != nil {
		return err
	}
	s.writing.Lock()
	defer s.writing.Unlock()
	if err := s.needNamespace(secret.Namespace); err != nil {
		return err
	}
	if s.hasSecret(secret.Namespace, secret.Name) {
		return function.Conflict("secret %q exists already in namespace %q: update it, or delete it first", secret.Name, secret.Namespace)
	}
	if err := s.commit(func(tx *bbolt.Tx) error { return writeSecret(tx, secret) }); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.rememberSecret(secret.Namespace, secret.Name)
	return nil
}

// UpdateSecret replaces the value of a secret; one that does not exist is an
// ErrNotFound.
func (s *Store) UpdateSecret(secret function.Secret) error {
	s.writing.Lock()
	defer s.writing.Unlock()
	if !s.hasSecret(secret.Namespace, secret.Name) {
		return unknownSecret(secret.Namespace, secret.Name)
	}
	return s.commit(func(tx *bbolt.Tx) error { return writeSecret(tx, secret) })
}

// DeleteSecret forgets a secret; one that does not exist is an ErrNotFound.
func (s *Store) DeleteSecret(namespace, name string) error {
	s.writing.Lock()
	defer s.writing.Unlock()
	if !s.hasSecret(namespace, name) {
		return unknownSecret(namespace, name)
	}
	err := s.commit(func(tx *bbolt.Tx) error {
		return tx.Bucket([]byte(secretsBucket)).Delete([]byte(joinKey(namespace, name)))
	})
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.secrets[namespace], name)
	return nil
}

// hasSecret is for callers that hold writing.
func (s *Store) hasSecret(namespace, name string) bool {
	_, exists := s.secrets[namespace][name]
	return exists
}

// rememberSecret is for callers that hold mu, and for Open.
func (s *Store) rememberSecret(namespace, name string) {
	if s.secrets[namespace] == nil {
		s.secrets[namespace] = map[string]struct{}{}
	}
	s.secrets[namespace][name] = struct{}{}
}

func (s *Store) loadSecrets(tx *bbolt.Tx) error {
	return eachKey(tx, secretsBucket, func(key string, _ []byte) error {
		namespace, name, ok := splitKey(key)
		if !ok {
			return errors.New("its key is not a namespace and a name")
		}
		s.rememberSecret(namespace, name)
		return nil
	})
}

func writeSecret(tx *bbolt.Tx, secret function.Secret) error {
	return tx.Bucket([]byte(secretsBucket)).Put([]byte(joinKey(secret.Namespace, secret.Name)), secret.Value)
}

func explainRead(err error) error {
	if errors.Is(err, bolterrors.ErrDatabaseNotOpen) {
		return stopping(err)
	}
	return err
}

func unknownSecret(namespace, name string) error {
	return function.NotFound("secret %q does not exist in namespace %q", name, namespace)
}
