package upstream

import (
	"context"
	"fmt"
	"slices"
	"time"
)

// currentLinks returns the links that may take calls.
func (u *Pool) currentLinks() []*link {
	u.mu.Lock()
	defer u.mu.Unlock()
	if slices.ContainsFunc(u.links, isGone) {
		u.links = slices.DeleteFunc(slices.Clone(u.links), isGone)
	}
	return u.links
}

// addLink makes one more link, or waits for the one that is being made: that does not end with
// the call that needed it first. The function must say its settings within limit.
func (u *Pool) addLink(ctx context.Context, limit time.Duration) error {
	select {
	case made := <-u.dialing.DoChan("", func() (any, error) { return nil, u.dialLink(limit) }):
		return made.Err
	case <-ctx.Done():
		return fmt.Errorf("%w: %w", ErrClientGone, context.Cause(ctx))
	}
}

func (u *Pool) dialLink(limit time.Duration) error {
	tcp, err := u.DialTCP(context.Background())
	if err != nil {
		return err
	}
	s := &socket{Conn: tcp, among: &u.sockets}
	u.sockets.add(s)
	l, err := newLink(s, limit)
	if err != nil {
		s.Close()
		return err
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.closed {
		l.closeSoon()
	}
	u.links = append(slices.Clone(u.links), l)
	return nil
}
