package metrics

import (
	"maps"
	"sync/atomic"
)

// table is a map that is read at every invocation without a lock or an allocation, and copied at each of
// its rare writes. The zero value is empty. Writers must exclude each other.
type table[K comparable, V any] struct {
	entries atomic.Pointer[map[K]V]
}

func (t *table[K, V]) get(key K) (V, bool) {
	value, ok := t.load()[key]
	return value, ok
}

func (t *table[K, V]) put(key K, value V) {
	entries := make(map[K]V, len(t.load())+1)
	maps.Copy(entries, t.load())
	entries[key] = value
	t.entries.Store(&entries)
}

func (t *table[K, V]) remove(key K) {
	entries := maps.Clone(t.load())
	delete(entries, key)
	t.entries.Store(&entries)
}

func (t *table[K, V]) load() map[K]V {
	if entries := t.entries.Load(); entries != nil {
		return *entries
	}
	return nil
}
