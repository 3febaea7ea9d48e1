package store

import (
	"bytes"
	"errors"
	"slices"
	"strings"
	"time"

	"go.etcd.io/bbolt"
	bolterrors "go.etcd.io/bbolt/errors"

	"faas-docker/function"
)

// secretTable are the secrets of a Store.
type secretTable struct{ *core }

// Secrets returns the names of a namespace's secrets, sorted; none if there is
// no such namespace. The slice is the caller's and never nil.
func (m *memory) Secrets(namespace string) []string {
	m.mu.RLock()
	defer m.mu.RUnlock()
	names := []string{}
	for secret := range m.secrets {
		if secret.Namespace == namespace {
			names = append(names, secret.Name)
		}
	}
	slices.Sort(names)
	return names
}

// Secret reads one secret with its value, which is the caller's. A secret that
// does not exist is an ErrNotFound.
func (s secretTable) Secret(namespace, name string) (function.Secret, error) {
	secret := function.Secret{Name: name, Namespace: namespace}
	err := s.db.View(func(tx *bbolt.Tx) error {
		// A key that is there has a value that is not nil, however short.
		value := tx.Bucket([]byte(secretsBucket)).Get([]byte(keyOf(function.Name{Name: name, Namespace: namespace})))
		if value == nil {
			return unknownSecret(namespace, name)
		}
		secret.Value = bytes.Clone(value)
		return nil
	})
	if errors.Is(err, bolterrors.ErrDatabaseNotOpen) {
		err = stopping(err)
	}
	if err != nil {
		return function.Secret{}, err
	}
	return secret, nil
}

// CreateSecret stores a secret. It is an ErrConflict if the secret exists, and
// an ErrNotFound if its namespace does not.
func (s secretTable) CreateSecret(secret function.Secret) error {
	if err := function.ValidateSecretName(secret.Name); err != nil {
		return err
	}
	s.writing.Lock()
	defer s.writing.Unlock()
	if err := s.needNamespace(secret.Namespace); err != nil {
		return err
	}
	id := function.Name{Name: secret.Name, Namespace: secret.Namespace}
	if _, exists := s.secrets[id]; exists {
		return function.Conflict("secret %q exists already in namespace %q: update it, or delete it first", secret.Name, secret.Namespace)
	}
	err := s.commit(storing(id, secret.Value), func() { s.secrets[id] = struct{}{} })
	if err == nil {
		s.announce()
	}
	return err
}

// announce says that something was created which functions may need.
func (s *core) announce() {
	if s.Created != nil {
		s.Created()
	}
}

// UpdateSecret replaces the value of a secret; one that does not exist is an ErrNotFound.
func (s secretTable) UpdateSecret(secret function.Secret) error {
	s.writing.Lock()
	defer s.writing.Unlock()
	id := function.Name{Name: secret.Name, Namespace: secret.Namespace}
	if _, exists := s.secrets[id]; !exists {
		return unknownSecret(secret.Namespace, secret.Name)
	}
	return s.commit(storing(id, secret.Value), func() {})
}

// DeleteSecret forgets a secret; one that does not exist is an ErrNotFound, and one that a function
// reads an ErrConflict that names the functions. Those without a replica, and the deployments that
// are kept for a rollback, count too: their next start would fail.
func (s secretTable) DeleteSecret(namespace, name string) error {
	s.writing.Lock()
	defer s.writing.Unlock()
	id := function.Name{Name: name, Namespace: namespace}
	if _, exists := s.secrets[id]; !exists {
		return unknownSecret(namespace, name)
	}
	if users := s.readersOf(namespace, name); len(users) > 0 {
		return function.Conflict("secret %q is used by %s: delete these functions first, or deploy them without it", name, strings.Join(users, ", "))
	}
	return s.commit(erasing(secretsBucket, keyOf(id)), func() { delete(s.secrets, id) })
}

// readersOf lists the functions that read a secret, for people.
func (s secretTable) readersOf(namespace, secret string) []string {
	var readers []string
	for _, f := range s.Functions(namespace) {
		switch {
		case slices.Contains(f.Secrets, secret):
			readers = append(readers, f.Name)
		case f.Reads(secret) && f.Previous.Serving():
			readers = append(readers, f.Name+" (the revision before, which serves until the present one answers)")
		case f.Reads(secret):
			readers = append(readers, f.Name+" (the revision before, which is kept for a rollback until "+f.Previous.Until.Format(time.RFC3339)+")")
		}
	}
	return readers
}

// needSecrets is for a function that is about to be stored: a secret may have been deleted since the
// deployment was judged. The caller holds writing.
func (m *memory) needSecrets(namespace string, secrets []string) error {
	for i, name := range secrets {
		if _, exists := m.secrets[function.Name{Name: name, Namespace: namespace}]; !exists {
			return function.MissingSecret(i, name, namespace)
		}
	}
	return nil
}

func (m *memory) loadSecrets(tx *bbolt.Tx) error {
	return eachKey(tx, secretsBucket, func(key string, _ []byte) error {
		id, ok := splitKey(key)
		if !ok {
			return errors.New("its key is not a namespace and a name")
		}
		m.secrets[id] = struct{}{}
		return nil
	})
}

// storing is the change that stores a secret's value.
func storing(secret function.Name, value []byte) func(tx *bbolt.Tx) error {
	return func(tx *bbolt.Tx) error { return tx.Bucket([]byte(secretsBucket)).Put([]byte(keyOf(secret)), value) }
}

func unknownSecret(namespace, name string) error {
	return function.NotFound("secret %q does not exist in namespace %q", name, namespace)
}
