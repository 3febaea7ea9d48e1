package store

import (
	"maps"

	"go.etcd.io/bbolt"

	"faas-docker/function"
)

// routeTable are the routing rules of a Store.
type routeTable struct{ *core }

// Routes returns the texts of the routing rules by their names. The map is the
// caller's.
func (s routeTable) Routes() (map[string]string, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return maps.Clone(s.routes), nil
}

// PutRoutes stores routing rules, each in place of the one that has its name: all of
// them or none.
func (s routeTable) PutRoutes(texts map[string]string) error {
	s.writing.Lock()
	defer s.writing.Unlock()
	return s.commit(func(tx *bbolt.Tx) error {
		bucket, err := tx.CreateBucketIfNotExists([]byte(routesBucket))
		if err != nil {
			return err
		}
		for id, text := range texts {
			if err := bucket.Put([]byte(id), []byte(text)); err != nil {
				return err
			}
		}
		return nil
	}, func() { maps.Copy(s.routes, texts) })
}

// DeleteRoute forgets a routing rule; one that does not exist is an ErrNotFound.
func (s routeTable) DeleteRoute(id string) error {
	s.writing.Lock()
	defer s.writing.Unlock()
	if _, exists := s.routes[id]; !exists {
		return function.NotFound("route %q does not exist", id)
	}
	return s.commit(erasing(routesBucket, id), func() { delete(s.routes, id) })
}

// loadRoutes reads a bucket that files of older versions do not have.
func (m *memory) loadRoutes(tx *bbolt.Tx) error {
	if tx.Bucket([]byte(routesBucket)) == nil {
		return nil
	}
	return eachKey(tx, routesBucket, func(id string, text []byte) error {
		m.routes[id] = string(text)
		return nil
	})
}
