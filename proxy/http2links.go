package proxy

import (
	"context"
	"fmt"
	"slices"
	"time"
)

// dialing is a link that is being made, for all who need one.
type dialing struct {
	// done is closed at the end; err is set before.
	done chan struct{}
	err  error
}

// currentLinks returns the links that may take calls.
func (u *upstream) currentLinks() []*link {
	u.mu.Lock()
	defer u.mu.Unlock()
	if slices.ContainsFunc(u.links, isGone) {
		u.links = slices.DeleteFunc(slices.Clone(u.links), isGone)
	}
	return u.links
}

// addLink makes one more link, or waits for the one that is being made. The
// function must say its settings within limit.
func (u *upstream) addLink(ctx context.Context, limit time.Duration) error {
	u.mu.Lock()
	d := u.dialing
	if d == nil {
		d = &dialing{done: make(chan struct{})}
		u.dialing = d
		go u.dialLink(d, limit)
	}
	u.mu.Unlock()
	select {
	case <-d.done:
		return d.err
	case <-ctx.Done():
		return fmt.Errorf("%w: %w", errClientGone, context.Cause(ctx))
	}
}

// dialLink makes a link. It does not end with the call that needed it first:
// others wait for it, too.
func (u *upstream) dialLink(d *dialing, limit time.Duration) {
	defer close(d.done)
	l, err := u.newLink(limit)
	u.mu.Lock()
	defer u.mu.Unlock()
	u.dialing, d.err = nil, err
	if err != nil {
		return
	}
	if u.closed {
		l.hurry()
	}
	u.links = append(slices.Clone(u.links), l)
}

func (u *upstream) newLink(limit time.Duration) (*link, error) {
	tcp, err := u.dialTCP(context.Background())
	if err != nil {
		return nil, err
	}
	s := &socket{Conn: tcp, among: &u.sockets}
	u.sockets.add(s)
	l, err := newLink(s, limit)
	if err != nil {
		s.Close()
		return nil, err
	}
	return l, nil
}
