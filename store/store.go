// Package store remembers what should run: functions with their replica
// counts, namespaces, secrets and routing rules, in one bbolt file.
//
// Reads are answered from memory. A change is synced to the file before memory
// shows it and before the call returns, so acknowledged changes survive the
// process being killed. Secret values stay in the file.
package store

import (
	"fmt"
	"sync"

	"go.etcd.io/bbolt"

	"faas-docker/function"
)

// Store is the open file and its content. All methods are safe for concurrent use. Functions and
// namespaces that it returns share their maps and slices with every other reader: they must not
// be modified. The hooks FunctionsChanged and Created may be set before use.
type Store struct {
	*core
	functionTable
	namespaceTable
	secretTable
	routeTable
	callTable
}

// core is what the tables of a Store have in common.
type core struct {
	// FunctionsChanged is called after functions were stored or deleted. It must return
	// at once, may read the Store and must not change it. Set it before use; nil means
	// that there is nothing to call.
	FunctionsChanged func()
	// Created is called after a namespace or a secret was created, and like
	// FunctionsChanged in all else.
	Created func()

	defaultNamespace string
	db               *bbolt.DB
	fresh            bool

	// writing serialises changes; it is held across the sync of the file.
	writing sync.Mutex
	memory
}

// memory is what the file holds, but for the values of secrets. It changes with writing
// and mu both held, hence a holder of writing may read it without mu.
type memory struct {
	// mu protects the maps below and is never held across I/O: readers do not wait for the disk.
	mu         sync.RWMutex
	functions  map[function.Name]function.Function
	namespaces map[string]function.Namespace
	// secrets holds names only.
	secrets map[function.Name]struct{}
	// routes holds the texts of the routing rules by their names.
	routes map[string]string
}

// Open reads the file at path, making it (mode 0600) and its folder (mode 0700) when they are
// missing, and makes sure that defaultNamespace exists. Only one Store can have the file open: a
// second one gives up after about a second. A record that cannot be read fails Open, because
// leaving it out would stop a function or lose a secret. The caller must Close the Store.
func Open(path, defaultNamespace string) (*Store, error) {
	if err := function.ValidateNamespace(defaultNamespace); err != nil {
		return nil, fmt.Errorf("default namespace: %w", err)
	}
	db, err := openFile(path)
	if err != nil {
		return nil, fmt.Errorf("store %q: %w", path, err)
	}
	c := &core{
		defaultNamespace: defaultNamespace,
		db:               db,
		memory: memory{
			functions:  map[function.Name]function.Function{},
			namespaces: map[string]function.Namespace{},
			secrets:    map[function.Name]struct{}{},
			routes:     map[string]string{},
		},
	}
	if err := c.prepare(); err != nil {
		_ = db.Close()
		return nil, fmt.Errorf("store %q: %w", path, err)
	}
	return &Store{c, functionTable{c}, namespaceTable{c}, secretTable{c}, routeTable{c}, callTable{c}}, nil
}

// Close waits for a change under way and releases the file. Later changes, and
// reads of secret values, are an ErrUnavailable. Closing twice does no harm.
func (s *core) Close() error {
	if err := s.db.Close(); err != nil {
		return fmt.Errorf("close store: %w", err)
	}
	return nil
}

// Fresh reports whether, when Open returned, nothing had ever been stored: the file was new, or its
// first owner was stopped before that. The answer stays the same for the life of the Store.
func (s *core) Fresh() bool { return s.fresh }
