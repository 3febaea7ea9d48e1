package filters

import (
	"context"
	"errors"
	"sync"
)

const (
	// mostWaiting bounds how many wait for a turn; further ones are refused.
	mostWaiting = 128
	// mostWaitingOfOne bounds those of one client: one that guesses leaves places to the others.
	mostWaitingOfOne = mostWaiting / 2
)

var errNoTurn = errors.New("too many are waiting")

// turns bound work that takes the processor for long, and its line. Safe for concurrent use.
type turns struct {
	slots chan struct{}

	mu sync.Mutex // protects the fields below
	// waiting counts those in line, and of counts them for each client that has any.
	waiting int
	of      map[string]int
}

func newTurns(atATime int) *turns {
	return &turns{slots: make(chan struct{}, atATime), of: map[string]int{}}
}

// take waits for a turn, to be given back; an error when too many wait, or ctx ends before.
func (t *turns) take(ctx context.Context, client string) error {
	if !t.enter(client) {
		return errNoTurn
	}
	defer t.leave(client)
	select {
	case t.slots <- struct{}{}:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

func (t *turns) give() { <-t.slots }

func (t *turns) enter(client string) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.waiting >= mostWaiting || t.of[client] >= mostWaitingOfOne {
		return false
	}
	t.waiting++
	t.of[client]++
	return true
}

func (t *turns) leave(client string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.waiting--
	if t.of[client]--; t.of[client] == 0 {
		delete(t.of, client)
	}
}
