// Package disk keeps the calls of a queue in one bbolt file, and long bodies beside it.
package disk

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/google/uuid"
	"go.etcd.io/bbolt"

	"faas-docker/queue"
)

// The buckets of the file: every call by its ID; those that are not over by lane, due time and place; those
// that are over by state and end; the IDs of an X-Call-Id; the ID of an Idempotency-Key of a lane.
const (
	callsBucket  = "calls"
	dueBucket    = "due"
	overBucket   = "over"
	callIDBucket = "call-ids"
	keysBucket   = "keys"
)

func buckets() []string {
	return []string{callsBucket, dueBucket, overBucket, callIDBucket, keysBucket}
}

// Options say how much a Queue keeps. The zero value has no bound.
type Options struct {
	// MaxBytes bounds the calls with their bodies, in bytes. Zero means no bound.
	MaxBytes int64
}

// Queue is a queue.Backend on one disk.
type Queue struct {
	options Options
	db      *bbolt.DB
	bodies  bodies
	commits committer
	clock   clock
	// bytes is the size of all calls with their bodies, and keeping that of bodies that no call has yet. batch is
	// what is accepted in the commit under way; it is the committer's alone.
	bytes, keeping atomic.Int64
	batch          struct {
		tx    *bbolt.Tx
		bytes int64
	}

	// mu protects lanes. Who looks into the file for claims takes it first: a transaction that began before could
	// show a call as it was before it was settled, which is claimed no more. It is never held across a commit.
	mu    sync.Mutex
	lanes map[string]*lane
}

var _ queue.Backend = (*Queue)(nil)

// Open reads the file queue.db in a folder, and makes both where they are missing. What was claimed when the
// last process ended can be claimed again.
func Open(folder string, options Options) (*Queue, error) {
	q := &Queue{options: options, lanes: map[string]*lane{}, bodies: bodies{folder: filepath.Join(folder, "bodies")}}
	if err := os.MkdirAll(q.bodies.folder, 0o700); err != nil {
		return nil, fmt.Errorf("open the queue: make its folder: %w", err)
	}
	var err error
	if q.db, err = openFile(filepath.Join(folder, "queue.db")); err != nil {
		return nil, fmt.Errorf("open the queue: %w", err)
	}
	if err := q.prepare(); err != nil {
		q.db.Close()
		return nil, fmt.Errorf("open the queue: %w", err)
	}
	q.commits.start(q.db)
	return q, nil
}

// prepare makes the buckets, and fills memory from them.
func (q *Queue) prepare() error {
	err := q.db.Update(func(tx *bbolt.Tx) error {
		for _, name := range buckets() {
			if _, err := tx.CreateBucketIfNotExists([]byte(name)); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	files, youngest := map[string]bool{}, time.Now()
	err = q.db.View(func(tx *bbolt.Tx) error {
		for key := range keys(tx.Bucket([]byte(dueBucket)), nil) {
			q.lane(laneOf(key)).enter(key)
		}
		return tx.Bucket([]byte(callsBucket)).ForEach(func(_, value []byte) error {
			r, err := decode(value)
			if err != nil {
				return err
			}
			q.bytes.Add(sizeOf(r.call))
			files[r.call.Request.Body.File] = true
			if r.call.Accepted.After(youngest) {
				youngest = r.call.Accepted
			}
			return nil
		})
	})
	if err != nil {
		return err
	}
	q.clock = clock{began: time.Now(), at: youngest}
	return q.bodies.sweep(files)
}

// Accept implements queue.Backend.
func (q *Queue) Accept(ctx context.Context, calls ...*queue.Call) error {
	a := acceptance{queue: q, calls: calls}
	if err := q.commits.do(ctx, &a); err != nil {
		return explain("accept a call", err)
	}
	return nil
}

// acceptance is the change that accepts calls.
type acceptance struct {
	queue *Queue
	calls []*queue.Call
	// fresh are those that are not known by their Idempotency-Key, with the places they get.
	fresh []record
}

// check finds calls that are known already, and what keeps the others from being accepted.
func (a *acceptance) check(tx *bbolt.Tx) error {
	var size int64
	if err := a.find(tx); err != nil {
		return err
	}
	for _, r := range a.fresh {
		size += sizeOf(r.call)
	}
	return a.queue.hasRoom(tx, size)
}

// find finds the calls that are known already.
func (a *acceptance) find(tx *bbolt.Tx) error {
	a.fresh = a.fresh[:0]
	for _, c := range a.calls {
		known, err := findKey(tx, c)
		switch {
		case err != nil:
			return err
		case known != nil && known.Digest != c.Digest:
			return queue.ErrKeyTaken
		case known != nil:
			*c = *known
			continue
		}
		a.fresh = append(a.fresh, record{call: c})
	}
	return nil
}

// hasRoom refuses calls for which there is no room, those included that are accepted in the same commit.
func (q *Queue) hasRoom(tx *bbolt.Tx, size int64) error {
	if q.batch.tx != tx {
		q.batch.tx, q.batch.bytes = tx, 0
	}
	if most := q.options.MaxBytes; most > 0 && q.bytes.Load()+q.batch.bytes+size > most {
		return queue.ErrFull
	}
	q.batch.bytes += size
	return nil
}

func (a *acceptance) write(tx *bbolt.Tx) error {
	for i := range a.fresh {
		if err := a.queue.insert(tx, &a.fresh[i]); err != nil {
			return err
		}
	}
	return nil
}

func (a *acceptance) committed() {
	for _, r := range a.fresh {
		a.queue.entered(r)
	}
}

// insert gives a call its ID and its place, and writes it.
func (q *Queue) insert(tx *bbolt.Tx, r *record) (err error) {
	c, due := r.call, tx.Bucket([]byte(dueBucket))
	if c.ID, err = uuid.NewV7(); err != nil {
		return fmt.Errorf("make an ID: %w", err)
	}
	c.Accepted, c.State, c.Version = q.clock.now(), queue.Ready, 1
	c.Due, c.CallID = q.clock.read(c.Due), cmp.Or(c.CallID, c.ID.String())
	if r.place, err = due.NextSequence(); err != nil {
		return err
	}
	value, err := r.encode()
	if err != nil {
		return err
	}
	if c.Key != "" {
		err = tx.Bucket([]byte(keysBucket)).Put(keyOf(c), c.ID[:])
	}
	return cmp.Or(err,
		tx.Bucket([]byte(callsBucket)).Put(c.ID[:], value),
		due.Put(r.dueKey(), c.ID[:]),
		tx.Bucket([]byte(callIDBucket)).Put(pairKey(c.CallID, c.ID), nil))
}

func keyOf(c *queue.Call) []byte { return append(lanePrefix(c.Function.String()), c.Key...) }

// findKey returns the call with the same Idempotency-Key, or nil.
func findKey(tx *bbolt.Tx, c *queue.Call) (*queue.Call, error) {
	if c.Key == "" {
		return nil, nil
	}
	id := tx.Bucket([]byte(keysBucket)).Get(keyOf(c))
	if id == nil {
		return nil, nil
	}
	r, err := decode(tx.Bucket([]byte(callsBucket)).Get(id))
	return r.call, err
}

// Settle implements queue.Backend.
func (q *Queue) Settle(ctx context.Context, settlements ...queue.Settlement) error {
	s := settling{queue: q, settlements: settlements}
	for _, one := range settlements {
		s.then.calls = append(s.then.calls, one.Then...)
	}
	s.then.queue = q
	if err := q.commits.do(ctx, &s); err != nil {
		return explain("settle a call", err)
	}
	return nil
}

// settling is the change that settles calls.
type settling struct {
	queue       *Queue
	settlements []queue.Settlement
	then        acceptance
	// before and after are the records as they were and are.
	before, after []record
}

func (s *settling) check(tx *bbolt.Tx) error {
	s.before = s.before[:0]
	for _, one := range s.settlements {
		r, err := read(tx, one.Call.ID)
		if err != nil {
			return err
		}
		if r.call.Version != one.Call.Version {
			return queue.ErrChanged
		}
		s.before = append(s.before, r)
	}
	return s.then.find(tx) // what follows a call has the room that it had
}

func (s *settling) write(tx *bbolt.Tx) error {
	s.after = s.after[:0]
	for i, one := range s.settlements {
		after := *one.Call
		if after.State == queue.Done || after.State == queue.Cancelled {
			after.Request.Header, after.Request.Body = nil, queue.Body{Size: after.Request.Body.Size}
		}
		after.Due = s.queue.clock.read(after.Due)
		if err := replace(tx, s.before[i], &after); err != nil {
			return err
		}
		s.after = append(s.after, record{call: &after, place: s.before[i].place})
	}
	return s.then.write(tx)
}

func (s *settling) committed() {
	for i, after := range s.after {
		before := s.before[i]
		s.settlements[i].Call.Version = after.call.Version
		if before.call.Request.Body.File != after.call.Request.Body.File {
			s.queue.bodies.remove(before.call.Request.Body)
		}
		s.queue.left(before)
		if after.call.State.IsOver() {
			s.queue.bytes.Add(sizeOf(after.call))
		} else {
			s.queue.entered(after)
		}
	}
	s.then.committed()
}

// replace writes what has become of a call.
func replace(tx *bbolt.Tx, before record, after *queue.Call) error {
	after.Version = before.call.Version + 1
	calls, due, over := tx.Bucket([]byte(callsBucket)), tx.Bucket([]byte(dueBucket)), tx.Bucket([]byte(overBucket))
	r := record{call: after, place: before.place}
	value, err := r.encode()
	if err != nil {
		return err
	}
	if before.call.State.IsOver() {
		err = over.Delete(overKey(before.call))
	} else {
		err = due.Delete(before.dueKey())
	}
	if after.State.IsOver() {
		err = cmp.Or(err, over.Put(overKey(after), nil))
	} else {
		err = cmp.Or(err, due.Put(r.dueKey(), after.ID[:]))
	}
	return cmp.Or(err, calls.Put(after.ID[:], value))
}

// read returns a record, or queue.ErrUnknown.
func read(tx *bbolt.Tx, id queue.ID) (record, error) {
	value := tx.Bucket([]byte(callsBucket)).Get(id[:])
	if value == nil {
		return record{}, queue.ErrUnknown
	}
	return decode(value)
}

// Find implements queue.Backend.
func (q *Queue) Find(id queue.ID) (found *queue.Call, err error) {
	err = q.db.View(func(tx *bbolt.Tx) error {
		r, err := read(tx, id)
		found = r.call
		return err
	})
	return found, explain("find a call", err)
}

// FindAll implements queue.Backend.
func (q *Queue) FindAll(callID string, after queue.ID, most int) (found []*queue.Call, err error) {
	err = q.db.View(func(tx *bbolt.Tx) error {
		prefix := append([]byte(callID), 0)
		for key := range from(tx.Bucket([]byte(callIDBucket)), pairKey(callID, after), prefix) {
			id := queue.ID(key[len(prefix):])
			if len(found) == most {
				return nil
			}
			if id == after {
				continue
			}
			r, err := read(tx, id)
			if err != nil {
				return err
			}
			found = append(found, r.call)
		}
		return nil
	})
	return found, explain("find calls", err)
}

// List implements queue.Backend.
func (q *Queue) List(wanted queue.Query) (found []*queue.Call, err error) {
	err = q.db.View(func(tx *bbolt.Tx) error {
		cursor := tx.Bucket([]byte(callsBucket)).Cursor()
		for key, value := before(cursor, wanted.Before); key != nil && len(found) < wanted.Limit; key, value = cursor.Prev() {
			state, lane := stateAndLane(value)
			if wanted.State != 0 && state != wanted.State || wanted.Lane != "" && lane != wanted.Lane {
				continue
			}
			r, err := decode(value)
			if err != nil {
				return err
			}
			found = append(found, r.call)
		}
		return nil
	})
	return found, explain("list calls", err)
}

// before is the youngest record that is older than an ID; without one it is the youngest of all.
func before(cursor *bbolt.Cursor, id queue.ID) (key, value []byte) {
	if id == uuid.Nil {
		return cursor.Last()
	}
	if key, _ := cursor.Seek(id[:]); key == nil {
		return cursor.Last()
	}
	return cursor.Prev()
}

// Sweep implements queue.Backend.
func (q *Queue) Sweep(state queue.State, ended time.Time, most int) (int, error) {
	s := sweeping{queue: q, state: state, ended: ended, most: most}
	if err := q.commits.do(context.Background(), &s); err != nil {
		return 0, explain("forget calls", err)
	}
	return len(s.gone), nil
}

// sweeping is the change that forgets calls.
type sweeping struct {
	queue *Queue
	state queue.State
	ended time.Time
	most  int
	gone  []*queue.Call
}

func (s *sweeping) check(tx *bbolt.Tx) error {
	s.gone = s.gone[:0]
	for key := range keys(tx.Bucket([]byte(overBucket)), []byte{byte(s.state)}) {
		if len(s.gone) == s.most || !endOf(key).Before(s.ended) {
			return nil
		}
		r, err := read(tx, queue.ID(key[len(key)-len(queue.ID{}):]))
		if err != nil {
			return err
		}
		s.gone = append(s.gone, r.call)
	}
	return nil
}

func (s *sweeping) write(tx *bbolt.Tx) error {
	for _, c := range s.gone {
		var err error
		if c.Key != "" {
			err = tx.Bucket([]byte(keysBucket)).Delete(keyOf(c))
		}
		err = cmp.Or(err,
			tx.Bucket([]byte(overBucket)).Delete(overKey(c)),
			tx.Bucket([]byte(callIDBucket)).Delete(pairKey(c.CallID, c.ID)),
			tx.Bucket([]byte(callsBucket)).Delete(c.ID[:]))
		if err != nil {
			return err
		}
	}
	return nil
}

func (s *sweeping) committed() {
	for _, c := range s.gone {
		s.queue.bytes.Add(-sizeOf(c))
		s.queue.bodies.remove(c.Request.Body)
	}
}

// Lanes implements queue.Backend.
func (q *Queue) Lanes() []queue.Lane {
	q.mu.Lock()
	defer q.mu.Unlock()
	lanes := make([]queue.Lane, 0, len(q.lanes))
	for _, name := range slices.Sorted(maps.Keys(q.lanes)) {
		lanes = append(lanes, q.lanes[name].status(name, q.clock))
	}
	return lanes
}

// Close ends the changes under way, and closes the file.
func (q *Queue) Close() error {
	q.commits.stop()
	if err := q.db.Close(); err != nil {
		return fmt.Errorf("close the queue: %w", err)
	}
	return nil
}

// sizeOf is what a call takes, about, in bytes.
func sizeOf(c *queue.Call) int64 {
	size := 512 + int64(len(c.Request.Path)+len(c.URL)+len(c.Callback)+len(c.Request.Body.Inline))
	if c.Request.Body.File != "" {
		size += c.Request.Body.Size
	}
	for key, values := range c.Request.Header {
		for _, value := range values {
			size += int64(len(key) + len(value))
		}
	}
	return size
}

// keys yields the keys of a bucket that begin with a prefix, with what they hold.
func keys(bucket *bbolt.Bucket, prefix []byte) func(yield func(key, value []byte) bool) {
	return from(bucket, prefix, prefix)
}

// from yields those that are not before first.
func from(bucket *bbolt.Bucket, first, prefix []byte) func(yield func(key, value []byte) bool) {
	return func(yield func(key, value []byte) bool) {
		cursor := bucket.Cursor()
		for key, value := cursor.Seek(first); key != nil && bytes.HasPrefix(key, prefix); key, value = cursor.Next() {
			if !yield(key, value) {
				return
			}
		}
	}
}

func explain(attempt string, err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, syscall.ENOSPC):
		return fmt.Errorf("%s: %w: %w", attempt, queue.ErrFull, err)
	case errors.Is(err, queue.ErrUnknown), errors.Is(err, queue.ErrChanged), errors.Is(err, queue.ErrFull), errors.Is(err, queue.ErrKeyTaken):
		return err
	}
	return fmt.Errorf("%s: %w", attempt, err)
}
