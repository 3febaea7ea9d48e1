package disk

import (
	"bytes"
	"time"

	"go.etcd.io/bbolt"

	"faas-docker/queue"
)

// lane is what memory knows of a lane with calls that are not over.
type lane struct {
	waiting int
	// claimed are the keys of the calls that were claimed.
	claimed map[string]struct{}
	// from is where to look for calls on: what stands before it is claimed.
	from []byte
	// next is the due time of the first call that is not claimed; zero when there is none.
	next time.Time
}

// enter adds a call by its key.
func (l *lane) enter(key []byte) {
	l.waiting++
	l.back(key)
}

// back has the next look begin at a key at the latest.
func (l *lane) back(key []byte) {
	if bytes.Compare(key, l.from) < 0 {
		l.from = bytes.Clone(key)
	}
	if due := dueOf(key); l.next.IsZero() || due.Before(l.next) {
		l.next = due
	}
}

func (l *lane) status(name string, by clock) queue.Lane {
	status := queue.Lane{Name: name, Waiting: l.waiting, Claimed: len(l.claimed)}
	if !l.next.IsZero() {
		status.Next = by.show(l.next)
	}
	return status
}

// lane returns that of a name. The caller holds mu, or is alone.
func (q *Queue) lane(name string) *lane {
	l := q.lanes[name]
	if l == nil {
		l = &lane{claimed: map[string]struct{}{}, from: lanePrefix(name)}
		q.lanes[name] = l
	}
	return l
}

// entered takes note of a call that waits now.
func (q *Queue) entered(r record) {
	q.bytes.Add(sizeOf(r.call))
	q.mu.Lock()
	defer q.mu.Unlock()
	l, key := q.lane(r.call.Lane), r.dueKey()
	if r.call.State != queue.Started {
		l.enter(key)
		return
	}
	l.waiting++
	l.claimed[string(key)] = struct{}{} // it is being made
}

// left takes note of a call that does not stand where it stood.
func (q *Queue) left(r record) {
	q.bytes.Add(-sizeOf(r.call))
	if r.call.State.IsOver() {
		return
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	l := q.lane(r.call.Lane)
	delete(l.claimed, string(r.dueKey()))
	if l.waiting--; l.waiting == 0 {
		delete(q.lanes, r.call.Lane)
	}
}

// Claim implements queue.Backend.
func (q *Queue) Claim(name string, most int) (claimed []*queue.Call, err error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	l := q.lanes[name]
	if l == nil {
		return nil, nil
	}
	err = q.db.View(func(tx *bbolt.Tx) error {
		claimed, err = l.claim(tx, name, q.clock.now(), most)
		return err
	})
	return claimed, explain("claim calls", err)
}

// claim takes calls that are due, and notes when the first of the others is.
func (l *lane) claim(tx *bbolt.Tx, name string, now time.Time, most int) (claimed []*queue.Call, err error) {
	l.next = time.Time{}
	for key, id := range from(tx.Bucket([]byte(dueBucket)), l.from, lanePrefix(name)) {
		if _, taken := l.claimed[string(key)]; taken {
			continue
		}
		l.from = bytes.Clone(key)
		if l.next = dueOf(key); l.next.After(now) || len(claimed) == most {
			return claimed, nil
		}
		r, err := read(tx, queue.ID(id))
		if err != nil {
			return claimed, err
		}
		l.claimed[string(key)] = struct{}{}
		claimed = append(claimed, r.call)
		l.next = time.Time{}
	}
	return claimed, nil
}

// GiveBack implements queue.Backend.
func (q *Queue) GiveBack(calls ...*queue.Call) {
	q.mu.Lock()
	defer q.mu.Unlock()
	_ = q.db.View(func(tx *bbolt.Tx) error {
		for _, c := range calls {
			r, err := read(tx, c.ID)
			l := q.lanes[c.Lane]
			if err != nil || l == nil || r.call.Version != c.Version {
				continue // it was settled
			}
			key := r.dueKey()
			delete(l.claimed, string(key))
			l.back(key)
		}
		return nil
	})
}
