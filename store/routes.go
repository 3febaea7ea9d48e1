package store

import (
	"maps"

	"go.etcd.io/bbolt"

	"faas-docker/function"
)

// Routes returns the texts of the routing rules by their names. The map is the
// caller's.
func (s *Store) Routes() (map[string]string, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return maps.Clone(s.routes), nil
}

// PutRoutes stores routing rules, each in place of the one that has its name: all of
// them or none.
func (s *Store) PutRoutes(texts map[string]string) error {
	s.writing.Lock()
	defer s.writing.Unlock()
	err := s.commit(func(tx *bbolt.Tx) error {
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
	})
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	maps.Copy(s.routes, texts)
	return nil
}

// DeleteRoute forgets a routing rule; one that does not exist is an ErrNotFound.
func (s *Store) DeleteRoute(id string) error {
	s.writing.Lock()
	defer s.writing.Unlock()
	if _, exists := s.routes[id]; !exists {
		return function.NotFound("route %q does not exist", id)
	}
	err := s.commit(func(tx *bbolt.Tx) error { return tx.Bucket([]byte(routesBucket)).Delete([]byte(id)) })
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.routes, id)
	return nil
}

// loadRoutes reads a bucket that a file of before there were routes does not have.
func (s *Store) loadRoutes(tx *bbolt.Tx) error {
	if tx.Bucket([]byte(routesBucket)) == nil {
		return nil
	}
	return eachKey(tx, routesBucket, func(id string, text []byte) error {
		s.routes[id] = string(text)
		return nil
	})
}
