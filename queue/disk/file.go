package disk

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"go.etcd.io/bbolt"
	bolterrors "go.etcd.io/bbolt/errors"
)

const (
	// A file that is longer than minCompact bytes and more than half empty is written anew when it is opened: the
	// file of bbolt never shrinks by itself.
	minCompact = 64 << 20
	// compactStep is how many bytes are written at once then.
	compactStep = 16 << 20
)

// openFile opens the file, and makes it smaller where that pays.
func openFile(path string) (*bbolt.DB, error) {
	db, err := openBolt(path)
	if err != nil || !isMostlyEmpty(db) {
		return db, err
	}
	if err := errors.Join(compact(db, path+".new"), db.Close()); err != nil {
		os.Remove(path + ".new")
		return openBolt(path) // as long as it was
	}
	if err := os.Rename(path+".new", path); err != nil {
		return nil, fmt.Errorf("replace it by a smaller one: %w", err)
	}
	if err := syncFolder(filepath.Dir(path)); err != nil {
		return nil, fmt.Errorf("replace it by a smaller one: %w", err)
	}
	return openBolt(path)
}

// openBolt opens the file with its list of free pages in memory only, which is found again by reading the file:
// a commit writes less for it.
func openBolt(path string) (*bbolt.DB, error) {
	db, err := bbolt.Open(path, 0o600, &bbolt.Options{Timeout: time.Second, NoFreelistSync: true, FreelistType: bbolt.FreelistMapType})
	switch {
	case errors.Is(err, bolterrors.ErrTimeout):
		return nil, errors.New("another faas-docker is using it: stop that one, or set data_dir to another folder")
	case errors.Is(err, bolterrors.ErrInvalid), errors.Is(err, bolterrors.ErrChecksum), errors.Is(err, bolterrors.ErrVersionMismatch):
		return nil, fmt.Errorf("%s is damaged, or not faas-docker's: restore it from a backup, or move it away: the calls in it are lost then: %w", path, err)
	}
	return db, err
}

func isMostlyEmpty(db *bbolt.DB) bool {
	size := int64(0)
	_ = db.View(func(tx *bbolt.Tx) error { size = tx.Size(); return nil })
	free := int64(db.Stats().FreePageN) * int64(db.Info().PageSize)
	return size > minCompact && free > size/2
}

func compact(db *bbolt.DB, path string) error {
	smaller, err := bbolt.Open(path, 0o600, &bbolt.Options{Timeout: time.Second, NoFreelistSync: true})
	if err != nil {
		return err
	}
	return errors.Join(bbolt.Compact(smaller, db, compactStep), smaller.Close())
}
