package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"time"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/events"
	"github.com/docker/docker/api/types/filters"
	"github.com/docker/docker/client"
)

const (
	benchImage  = "faas-docker/bench-hello"
	lookPause   = 5 * time.Millisecond
	lookTimeout = time.Minute
)

// rawEngine is Docker itself, called as directly as its API can be: what waking
// is compared with, and how the benchmark sees what the provider does.
type rawEngine struct {
	docker       *client.Client
	installation string
	calls        *http.Client
	paused       string
	address      string
}

func openRawEngine(installation string) (*rawEngine, error) {
	docker, err := client.NewClientWithOpts(client.FromEnv, client.WithAPIVersionNegotiation())
	if err != nil {
		return nil, fmt.Errorf("configure the Docker client: %w", err)
	}
	// A frozen container has no connection that is left from before.
	calls := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: lookTimeout}
	return &rawEngine{docker: docker, installation: installation, calls: calls}, nil
}

func (e *rawEngine) close() {
	if e.paused != "" {
		_ = e.remove(context.Background(), []string{e.paused})
	}
	_ = e.docker.Close()
}

// start runs a container as the provider runs a function's, without its labels,
// so that the provider leaves it alone.
func (e *rawEngine) start(ctx context.Context) (id, address string, err error) {
	made, err := e.docker.ContainerCreate(ctx, &container.Config{Image: benchImage},
		&container.HostConfig{NetworkMode: container.NetworkMode(e.installation)}, nil, nil, "")
	if err != nil {
		return "", "", fmt.Errorf("create a container: %w", err)
	}
	if err := e.docker.ContainerStart(ctx, made.ID, container.StartOptions{}); err != nil {
		return made.ID, "", fmt.Errorf("start a container: %w", err)
	}
	found, err := e.docker.ContainerInspect(ctx, made.ID)
	if err != nil {
		return made.ID, "", fmt.Errorf("inspect a container: %w", err)
	}
	return made.ID, net.JoinHostPort(found.NetworkSettings.Networks[e.installation].IPAddress, "8080"), nil
}

func (e *rawEngine) startAndCall(ctx context.Context) (id string, err error) {
	id, address, err := e.start(ctx)
	if err != nil {
		return id, err
	}
	return id, e.call(ctx, address)
}

// call calls a container until it answers.
func (e *rawEngine) call(ctx context.Context, address string) error {
	ctx, cancel := context.WithTimeout(ctx, lookTimeout)
	defer cancel()
	for {
		err := get(ctx, e.calls, "http://"+address+"/")
		if err == nil || ctx.Err() != nil {
			return err
		}
		time.Sleep(200 * time.Microsecond)
	}
}

// get is one call that must be answered with 200.
func get(ctx context.Context, calls *http.Client, url string) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	response, err := calls.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err == nil && response.StatusCode != http.StatusOK {
		err = fmt.Errorf("call %s: %d: %s", url, response.StatusCode, body)
	}
	return err
}

func (e *rawEngine) keepOnePaused(ctx context.Context) error {
	var err error
	if e.paused, e.address, err = e.start(ctx); err != nil {
		return err
	}
	if err := e.call(ctx, e.address); err != nil {
		return err
	}
	return e.docker.ContainerPause(ctx, e.paused)
}

// thaw unpauses the paused container, calls it, and pauses it again.
func (e *rawEngine) thaw(ctx context.Context) (time.Duration, error) {
	began := time.Now()
	if err := e.docker.ContainerUnpause(ctx, e.paused); err != nil {
		return 0, fmt.Errorf("unpause a container: %w", err)
	}
	err := e.call(ctx, e.address)
	took := time.Since(began)
	return took, errors.Join(err, e.docker.ContainerPause(ctx, e.paused))
}

func (e *rawEngine) remove(ctx context.Context, ids []string) error {
	var failures error
	for _, id := range ids {
		if id != "" {
			err := e.docker.ContainerRemove(ctx, id, container.RemoveOptions{Force: true})
			failures = errors.Join(failures, err)
		}
	}
	return failures
}

// still is how long what a list shows must have been so: for a moment after a
// change it still shows what was before.
const still = 300 * time.Millisecond

// awaitFrozen returns when so many of the provider's replicas are paused.
func (e *rawEngine) awaitFrozen(ctx context.Context, count int) error {
	since := time.Now()
	return e.await(ctx, func(list []container.Summary) bool {
		paused := 0
		for _, c := range list {
			if c.State == "paused" {
				paused++
			}
		}
		if paused != count {
			since = time.Now()
		}
		return time.Since(since) > still
	})
}

// awaitQuiet returns when the provider has a ready network namespace for each
// function at zero, and nothing has changed for a while: making them is not what is
// measured.
func (e *rawEngine) awaitQuiet(ctx context.Context) error {
	seen, since := "", time.Now()
	return e.await(ctx, func(list []container.Summary) bool {
		now, ready := "", 0
		for _, c := range list {
			now += c.ID + c.State
			switch {
			case c.Labels["com.openfaas.role"] == "holder" && c.State == "running":
				ready++
			case c.Labels["com.openfaas.holder"] != "":
				ready--
			}
		}
		if now != seen {
			seen, since = now, time.Now()
		}
		return ready == crowdOfSleepers && time.Since(since) > still
	})
}

// awaitNone returns when functions that were scaled to zero have no container.
func (e *rawEngine) awaitNone(ctx context.Context, first string, functions int) error {
	names := map[string]bool{first: true}
	for i := range functions {
		names[zeroName(i)] = true
	}
	return e.await(ctx, func(list []container.Summary) bool {
		for _, c := range list {
			if names[c.Labels["com.openfaas.function"]] {
				return false
			}
		}
		return true
	})
}

// await lists the provider's containers until they are as they should be.
func (e *rawEngine) await(ctx context.Context, holds func([]container.Summary) bool) error {
	ctx, cancel := context.WithTimeout(ctx, lookTimeout)
	defer cancel()
	ours := filters.NewArgs(filters.Arg("label", "com.openfaas.provider="+e.installation))
	for {
		list, err := e.docker.ContainerList(ctx, container.ListOptions{All: true, Filters: ours})
		if err != nil {
			return fmt.Errorf("list the provider's containers: %w", err)
		}
		if holds(list) {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%d containers are not as they should be: %w", len(list), ctx.Err())
		case <-time.After(lookPause):
		}
	}
}

// count counts the events of one kind about a function's containers while act runs.
func (e *rawEngine) count(ctx context.Context, function, event string, act func() error) (int, error) {
	began := strconv.FormatInt(time.Now().Unix(), 10)
	before, err := e.countSince(ctx, function, event, began)
	if err != nil {
		return 0, err
	}
	if err := act(); err != nil {
		return 0, err
	}
	after, err := e.countSince(ctx, function, event, began)
	return after - before, err
}

func (e *rawEngine) countSince(ctx context.Context, function, event, since string) (int, error) {
	selected := filters.NewArgs(filters.Arg("label", "com.openfaas.provider="+e.installation),
		filters.Arg("label", "com.openfaas.function="+function), filters.Arg("event", event))
	until := strconv.FormatFloat(float64(time.Now().UnixMicro())/1e6, 'f', 6, 64)
	messages, failed := e.docker.Events(ctx, events.ListOptions{Since: since, Until: until, Filters: selected})
	for count := 0; ; count++ {
		select {
		case <-messages:
		case err := <-failed:
			if errors.Is(err, io.EOF) {
				err = nil
			}
			return count, err
		}
	}
}
