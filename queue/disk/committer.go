package disk

import (
	"cmp"
	"context"
	"sync"

	"go.etcd.io/bbolt"

	"faas-docker/queue"
)

// change is one of many that are committed together. Its methods may be called again, in the same order,
// when a commit has failed because of another change.
type change interface {
	// check says why the change is refused; it writes nothing.
	check(tx *bbolt.Tx) error
	write(tx *bbolt.Tx) error
	// committed is called when the change is durable.
	committed()
}

// mostTogether is how many changes go into one commit: a failure has them all tried one by one.
const mostTogether = 512

// committer makes changes durable, as many in one commit as have come while the last was under way:
// a commit costs two syncs of the disk, whatever its size.
type committer struct {
	db      *bbolt.DB
	waiting chan *pending
	// stopping is closed by stop, and ended when nothing is committed any more.
	stopping, ended chan struct{}
	once            sync.Once
}

// pending is a change that is waited for.
type pending struct {
	change
	done chan error
}

func (c *committer) start(db *bbolt.DB) {
	c.db, c.waiting = db, make(chan *pending, mostTogether)
	c.stopping, c.ended = make(chan struct{}), make(chan struct{})
	go c.run()
}

// do returns when a change is durable, or refused. When ctx ends before, the change may still be made.
func (c *committer) do(ctx context.Context, what change) error {
	p := &pending{change: what, done: make(chan error, 1)}
	select {
	case c.waiting <- p:
	case <-ctx.Done():
		return ctx.Err()
	case <-c.ended:
		return queue.ErrClosed
	}
	select {
	case err := <-p.done:
		return err
	case <-ctx.Done():
		return ctx.Err()
	case <-c.ended:
		select {
		case err := <-p.done:
			return err
		default:
			return queue.ErrClosed
		}
	}
}

func (c *committer) stop() {
	c.once.Do(func() { close(c.stopping) })
	<-c.ended
}

func (c *committer) run() {
	defer close(c.ended)
	for {
		select {
		case <-c.stopping:
			return
		case first := <-c.waiting:
			c.commit(c.gather(first))
		}
	}
}

// gather takes what has come meanwhile.
func (c *committer) gather(first *pending) []*pending {
	together := []*pending{first}
	for len(together) < mostTogether {
		select {
		case next := <-c.waiting:
			together = append(together, next)
		default:
			return together
		}
	}
	return together
}

// commit commits changes together. Where that fails each is tried by itself, so that nobody pays for another's.
func (c *committer) commit(together []*pending) {
	refused := make([]error, len(together))
	err := c.db.Update(func(tx *bbolt.Tx) error {
		for i, p := range together {
			if refused[i] = p.check(tx); refused[i] != nil {
				continue
			}
			if err := p.write(tx); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil && len(together) > 1 {
		for _, p := range together {
			c.commit([]*pending{p})
		}
		return
	}
	for i, p := range together {
		if err == nil && refused[i] == nil {
			p.committed()
		}
		p.done <- cmp.Or(refused[i], err)
	}
}
