package engine

import (
	"cmp"
	"context"
	"errors"
	"io"
	"sync"

	"golang.org/x/sync/errgroup"

	"faas-docker/function"
	"faas-docker/function/clock"
)

// follower follows the logs of one function for one caller.
type follower struct {
	reader *LogReader
	name   function.Name
	query  function.LogQuery
	// lines leads from the goroutine of each container to the caller's.
	lines chan function.LogLine
	// bell rings when the function's containers have changed.
	bell clock.Bell

	mu sync.Mutex // protects the fields below
	// read is how far each known container was read, while no goroutine reads it.
	read map[string]position
	// active has the containers that a goroutine reads.
	active map[string]bool
}

func (l *LogReader) followLogs(ctx context.Context, name function.Name, q function.LogQuery, emit func(function.LogLine) error) error {
	f := &follower{
		reader: l, name: name, query: q,
		lines:  make(chan function.LogLine),
		bell:   clock.NewBell(),
		active: map[string]bool{},
	}
	running, cancel := context.WithCancel(ctx)
	group, running := errgroup.WithContext(running)
	err := f.run(running, group, emit)
	cancel()
	broken := group.Wait()
	return cmp.Or(ctx.Err(), err, broken)
}

// run emits until ctx ends or emit fails. It subscribes before it lists, so that
// no replica starts unseen.
func (f *follower) run(ctx context.Context, group *errgroup.Group, emit func(function.LogLine) error) error {
	subscribed := make(chan struct{})
	group.Go(func() error {
		return f.reader.containers.Events(ctx, func() { close(subscribed) }, func(event function.Event) {
			if event.Function == f.name {
				f.bell.Ring()
			}
		})
	})
	select {
	case <-subscribed:
	case <-ctx.Done():
		return nil
	}
	replicas, err := f.reader.loggedReplicas(ctx, f.name, f.query)
	if err != nil {
		return err
	}
	if f.read, err = f.reader.emitPast(ctx, replicas, f.query, emit); err != nil {
		return err
	}
	f.bell.Ring()
	group.Go(func() error { return f.watch(ctx, group) })
	for {
		select {
		case line := <-f.lines:
			if err := emit(line); err != nil {
				return err
			}
		case <-ctx.Done():
			return nil
		}
	}
}

func (f *follower) watch(ctx context.Context, group *errgroup.Group) error {
	for {
		select {
		case <-f.bell:
		case <-ctx.Done():
			return ctx.Err()
		}
		replicas, err := f.reader.loggedReplicas(ctx, f.name, f.query)
		if err != nil {
			return err
		}
		for _, replica := range replicas {
			if from, wanted := f.claim(replica); wanted {
				group.Go(func() error { return f.follow(ctx, replica, from) })
			}
		}
	}
}

// claim decides whether a container is to be read now, and from where. One that
// is known and has stopped was read to its end.
func (f *follower) claim(replica function.Replica) (from position, wanted bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	from, known := f.read[replica.ID]
	if f.active[replica.ID] || (known && replica.State == function.Exited) {
		return nil, false
	}
	f.active[replica.ID] = true
	return from, true
}

func (f *follower) follow(ctx context.Context, replica function.Replica, from position) error {
	part := logRange{since: from.since(f.query.Since), follow: true}
	log, err := f.reader.openLog(ctx, replica, part)
	if err != nil {
		return err
	}
	defer func() { _ = log.Close() }()
	r := newLineReader(log, replica.Instance, from)
	line, err := r.next()
	for ; err == nil; line, err = r.next() {
		select {
		case f.lines <- line:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	if !errors.Is(err, io.EOF) {
		f.reader.logger.Debug("log cut off", "replica", replica.Instance, "err", err)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.active, replica.ID)
	f.read[replica.ID] = r.position()
	return nil
}
