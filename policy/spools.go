package policy

import (
	"cmp"
	"errors"
	"os"
	"sync"
	"syscall"
)

const (
	// defaultSpools is how much all bodies may take that are kept, unless told otherwise.
	defaultSpools = 1 << 30
	// spoolsMemory is how much of that may be in memory.
	spoolsMemory = 64 << 20
	// keptFree is the free disk left to others, above all the store: this, or a tenth of a small disk.
	keptFree = 256 << 20
	// lookEvery is after how many bytes the disk is looked at again.
	lookEvery = 4 << 20
)

var errSpoolsFull = errors.New("no capacity to keep the request body")

// Spools bounds what the bodies of all calls together take that are kept to be sent again. A
// body beyond that is sent once. Its methods are safe for concurrent use; its fields are set
// before. The zero value keeps up to a gibibyte in the system's folder for temporary files.
type Spools struct {
	// Folder is where long bodies are kept; empty means the system's folder for temporary
	// files. Of its disk 256 MiB, or a tenth, are left free.
	Folder string
	// MaxBytes bounds the bytes that are kept, in memory and on disk; zero means 1 GiB, and a negative
	// number that nothing is kept.
	MaxBytes int64

	// disk returns the free space of a folder's disk, and its size; nil asks the system.
	disk func(folder string) (free, size int64, err error)

	// mu protects the fields below.
	mu sync.Mutex
	// memory and files count the bytes that are kept in both.
	memory, files int64
	// capacity is how many bytes may be added to the disk until it is looked at again.
	capacity int64
}

func (s *Spools) limit() int64 { return max(0, cmp.Or(s.MaxBytes, defaultSpools)) }

func (s *Spools) takeMemory(n int64) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.memory+n > spoolsMemory || s.memory+s.files+n > s.limit() {
		return false
	}
	s.memory += n
	return true
}

func (s *Spools) takeDisk(n int64) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.memory+s.files+n > s.limit() {
		return false
	}
	if s.capacity < n {
		s.capacity = min(s.spare(), lookEvery)
	}
	if s.capacity < n {
		return false
	}
	s.capacity -= n
	s.files += n
	return true
}

func (s *Spools) give(memory, files int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.memory -= memory
	s.files -= files
}

// spare is the disk's free space beyond keptFree. A disk that does not tell has enough: it fails when full.
func (s *Spools) spare() int64 {
	disk := s.disk
	if disk == nil {
		disk = freeOf
	}
	free, size, err := disk(cmp.Or(s.Folder, os.TempDir()))
	if err != nil {
		return lookEvery
	}
	return free - min(keptFree, size/10)
}

// freeOf returns the space that the program may use on a folder's disk, and the disk's size, in bytes.
func freeOf(folder string) (free, size int64, err error) {
	var disk syscall.Statfs_t
	if err := syscall.Statfs(folder, &disk); err != nil {
		return 0, 0, err
	}
	return int64(disk.Bavail) * int64(disk.Bsize), int64(disk.Blocks) * int64(disk.Bsize), nil
}
