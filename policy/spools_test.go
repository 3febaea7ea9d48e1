package policy

import (
	"bytes"
	"errors"
	"io"
	"sync"
	"testing"
)

// crowd reads so many bodies of a size at the same time, each to its end, and reports how many
// of them can be sent again.
func crowd(t *testing.T, all *Spools, bodies, size int) (kept int, free func()) {
	t.Helper()
	spools := make([]*spool, bodies)
	var readers sync.WaitGroup
	for i := range spools {
		sent := noise(size)
		spools[i] = newSpool(bytes.NewReader(sent), 1<<30, all)
		readers.Go(func() {
			if got, err := io.ReadAll(&spoolReader{spool: spools[i]}); err != nil || !bytes.Equal(got, sent) {
				t.Errorf("%d of %d bytes: %v", len(got), size, err)
			}
		})
	}
	readers.Wait()
	for _, s := range spools {
		if s.canReplay() {
			kept++
		}
	}
	return kept, func() {
		for _, s := range spools {
			s.close()
		}
	}
}

func TestSpools_AllTogetherAreBounded(t *testing.T) {
	const mi = 1 << 20
	disk := func(free, size int64) func(string) (int64, int64, error) {
		return func(string) (int64, int64, error) { return free, size, nil }
	}
	vast := disk(1<<40, 1<<40)
	for name, row := range map[string]struct {
		max          int64
		disk         func(string) (int64, int64, error)
		bodies, size int
		least, most  int
	}{
		"all fit":                           {0, vast, 8, 2 * mi, 8, 8},
		"small ones fit":                    {0, vast, 100, 10 << 10, 100, 100},
		"more than the cap":                 {10 * mi, vast, 20, 2 * mi, 1, 5},
		"more than the cap, in memory":      {mi, vast, 100, 100 << 10, 1, 10},
		"one is larger than the cap":        {3 * mi, vast, 1, 4 * mi, 0, 0},
		"exactly the cap":                   {4 * mi, vast, 1, 4 * mi, 1, 1},
		"none is kept":                      {-1, vast, 5, 10, 0, 0},
		"nothing to keep":                   {-1, vast, 5, 0, 5, 5},
		"more than memory goes to the disk": {0, vast, 100, mi, 100, 100},
		"a full disk":                       {0, disk(0, 1<<40), 10, 2 * mi, 0, 0},
		"a disk with the store's room only": {0, disk(keptFree, 1<<40), 10, 2 * mi, 0, 0},
		"a small disk":                      {0, disk(100*mi, 200*mi), 3, 2 * mi, 3, 3},
		"a small disk that is full":         {0, disk(20*mi, 200*mi), 3, 2 * mi, 0, 0},
		"a disk that does not tell":         {0, func(string) (int64, int64, error) { return 0, 0, errors.New("no") }, 3, 2 * mi, 3, 3},
		"memory serves on a full disk":      {0, disk(0, 1<<40), 10, mi, 10, 10},
	} {
		t.Run(name, func(t *testing.T) {
			all := &Spools{Folder: t.TempDir(), MaxBytes: row.max, disk: row.disk}
			for range 2 {
				kept, free := crowd(t, all, row.bodies, row.size)
				if kept < row.least || kept > row.most {
					t.Errorf("%d of %d bodies are kept, want %d to %d", kept, row.bodies, row.least, row.most)
				}
				if all.memory+all.files > all.limit() || all.memory > spoolsMemory {
					t.Errorf("%d bytes are kept in memory, %d in files", all.memory, all.files)
				}
				free()
				if all.memory != 0 || all.files != 0 {
					t.Errorf("%d bytes in memory and %d in files were not given back", all.memory, all.files)
				}
			}
		})
	}
}

// The disk is looked at again while it fills up.
func TestSpools_TheDiskIsWatchedWhileItFills(t *testing.T) {
	left := int64(keptFree + 20<<20)
	all := &Spools{Folder: t.TempDir()}
	all.disk = func(string) (int64, int64, error) { return left - all.files, 1 << 40, nil }
	kept, free := crowd(t, all, 40, 2<<20)
	defer free()
	if kept == 0 || kept > 10 || all.files > 20<<20+lookEvery {
		t.Errorf("%d bodies are kept, with %d bytes", kept, all.files)
	}
}

// What cannot be kept any more gives back what it had.
func TestSpools_AFullOneKeepsNothing(t *testing.T) {
	all := &Spools{Folder: t.TempDir()}
	s := newSpool(bytes.NewReader(noise(4*spoolMemory)), 2*spoolMemory, all)
	defer s.close()
	if _, err := io.ReadAll(&spoolReader{spool: s}); err != nil {
		t.Fatal(err)
	}
	if all.memory != 0 || all.files != 0 || s.file != nil {
		t.Errorf("%d bytes in memory, %d in files", all.memory, all.files)
	}
}
