package store

import (
	"encoding/json"
	"fmt"

	"go.etcd.io/bbolt"

	"faas-docker/function"
)

// callsKey, in meta, holds how often each function was called.
const callsKey = "calls"

// callTable is how often the functions of a Store were called.
type callTable struct{ *core }

// Calls returns what PutCalls was told last, without functions that are not deployed. What cannot
// be read counts as nothing.
func (s callTable) Calls() map[function.Name]uint64 {
	var kept map[string]uint64
	_ = s.db.View(func(tx *bbolt.Tx) error {
		if meta := tx.Bucket([]byte(metaBucket)); meta != nil {
			_ = json.Unmarshal(meta.Get([]byte(callsKey)), &kept)
		}
		return nil
	})
	s.mu.RLock()
	defer s.mu.RUnlock()
	calls := map[function.Name]uint64{}
	for name := range s.functions {
		if count := kept[name.String()]; count > 0 {
			calls[name] = count
		}
	}
	return calls
}

// PutCalls remembers how often the functions were called, at the cost of a write of the file.
func (s callTable) PutCalls(calls map[function.Name]uint64) error {
	kept := make(map[string]uint64, len(calls))
	for name, count := range calls {
		kept[name.String()] = count
	}
	record, err := json.Marshal(kept)
	if err != nil {
		return fmt.Errorf("encode the numbers of calls: %w", err)
	}
	s.writing.Lock()
	defer s.writing.Unlock()
	// The store stays fresh: a number of calls is nothing that should run.
	return explainWrite(s.db.Update(func(tx *bbolt.Tx) error {
		return tx.Bucket([]byte(metaBucket)).Put([]byte(callsKey), record)
	}))
}
