package engine

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/containerd/errdefs"
	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/events"
	"github.com/docker/docker/api/types/filters"
	"github.com/docker/docker/client"
	"github.com/hashicorp/go-hclog"

	"faas-docker/function"
)

const (
	// createTimeout bounds creating, which takes milliseconds.
	createTimeout = time.Minute
	// startTimeout bounds all that an engine is asked for one start of a replica, beside the
	// clean-up after one that failed.
	startTimeout = 3 * time.Minute
	// discardTimeout bounds the removal of a container that could not be started.
	discardTimeout = time.Minute
	// timeTimeout bounds the question for the time. A slow disk after a boot takes it a
	// while; one that is never answered must not keep events from being read.
	timeTimeout = 2 * time.Minute
)

// daemon is the connection to one Docker engine, which all parts of an Engine share.
type daemon struct {
	docker  *client.Client
	network string
	logger  hclog.Logger
}

// isHere reports whether the engine runs on this machine.
func (d *daemon) isHere() bool { return strings.HasPrefix(d.docker.DaemonHost(), "unix://") }

// time returns the engine's clock. An engine that stays silent fails.
func (d *daemon) time(ctx context.Context) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, timeTimeout)
	defer cancel()
	info, err := d.docker.Info(ctx)
	return info.SystemTime, d.explain("ask for the engine's time", err)
}

// events calls heard for each event that is selected, and subscribed once before all that:
// no later event is missed. It returns ctx's error when ctx ends, and another when the
// stream breaks.
func (d *daemon) events(ctx context.Context, selected filters.Args, subscribed func(), heard func(events.Message)) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	// The engine answers a subscription a little before it has subscribed us: asked for events
	// since a moment before, it replays the ones in between.
	since, err := d.time(ctx)
	if err != nil {
		return err
	}
	messages, broken := d.docker.Events(ctx, events.ListOptions{Since: since, Filters: selected})
	subscribed()
	for {
		select {
		case message := <-messages:
			heard(message)
		case err := <-broken:
			return cmp.Or(ctx.Err(), d.explain("read events", err))
		}
	}
}

// remove kills and removes a container. One that is gone, or is being removed, is no
// error.
func (d *daemon) remove(ctx context.Context, id string) error {
	err := d.docker.ContainerRemove(ctx, id, container.RemoveOptions{Force: true, RemoveVolumes: true})
	if errdefs.IsNotFound(err) || meaningOf(err) == removalInProgress {
		return nil
	}
	return d.explain(fmt.Sprintf("remove container %q", id), err)
}

// discard removes a container that its caller will not hear of, even after ctx ended.
func (d *daemon) discard(ctx context.Context, instance string) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), discardTimeout)
	defer cancel()
	if err := d.remove(ctx, instance); err != nil {
		d.log(err)("container not removed", "container", instance, "err", err)
	}
}

// log returns the level at which a failure is logged that is put right later by itself.
// That the engine is away is logged elsewhere, once.
func (d *daemon) log(err error) func(message string, args ...any) {
	if errors.Is(err, function.ErrUnavailable) || errors.Is(err, context.DeadlineExceeded) {
		return d.logger.Debug
	}
	return d.logger.Warn
}

func randomHex(bytes int) string {
	raw := make([]byte, bytes)
	_, _ = rand.Read(raw) // never fails: crypto/rand ends the program instead
	return fmt.Sprintf("%x", raw)
}
