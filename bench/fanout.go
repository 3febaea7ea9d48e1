package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"time"

	"golang.org/x/sync/errgroup"
)

const (
	// openStreams is how many event streams are open at once.
	openStreams = 1000
	// eventLines is how many lines each has had before memory is looked at: two events.
	eventLines = 4
	// fanOutTime is for how long the processor time is counted then.
	fanOutTime    = 5 * time.Second
	fanOutTimeout = time.Minute
)

// fanOut is what open event streams cost a proxy.
type fanOut struct {
	target string
	// memory is in KiB for each stream, processor in milliseconds each second for all.
	memory, processor float64
}

// runFanOut measures one proxy after the other, and before all else: the memory that a proxy
// has kept from other loads would be used for the streams, and would not be seen.
func (b *bench) runFanOut(ctx context.Context) error {
	fmt.Fprintf(os.Stderr, "event streams, %s\n", time.Now().Format(time.TimeOnly))
	for _, t := range b.stage.chosen([]string{nginx, caddy, reverse, ours}) {
		cost, err := measureFanOut(ctx, t)
		if err != nil {
			return fmt.Errorf("%d event streams, %s: %w", openStreams, t.name, err)
		}
		b.fanOuts = append(b.fanOuts, cost)
	}
	return nil
}

func measureFanOut(ctx context.Context, t target) (fanOut, error) {
	ctx, cancel := context.WithTimeout(ctx, fanOutTimeout)
	defer cancel() // which ends the streams
	client := &http.Client{Transport: &http.Transport{}}
	if err := get(ctx, client, t.base+"/"); err != nil {
		return fanOut{}, err
	}
	before, err := consumed(t.pid)
	if err != nil {
		return fanOut{}, err
	}
	if err := openAll(ctx, client, t.base+"/events"); err != nil {
		return fanOut{}, err
	}
	open, err := consumed(t.pid)
	if err != nil {
		return fanOut{}, err
	}
	time.Sleep(fanOutTime)
	after, err := consumed(t.pid)
	return fanOut{
		target:    t.name,
		memory:    float64(open.resident()-before.resident()) / 1024 / openStreams,
		processor: float64((after.processor() - open.processor()).Milliseconds()) / fanOutTime.Seconds(),
	}, err
}

// openAll returns when all streams have had their events. They stay open until the context ends.
func openAll(ctx context.Context, client *http.Client, url string) error {
	var group errgroup.Group
	for range openStreams {
		group.Go(func() error { return openStream(ctx, client, url) })
	}
	return group.Wait()
}

func openStream(ctx context.Context, client *http.Client, url string) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	response, err := client.Do(request)
	if err != nil {
		return err
	}
	if response.StatusCode != http.StatusOK {
		_ = response.Body.Close()
		return fmt.Errorf("call %s: %d", url, response.StatusCode)
	}
	events := bufio.NewReader(response.Body)
	for range eventLines {
		if _, err := events.ReadString('\n'); err != nil {
			_ = response.Body.Close()
			return fmt.Errorf("read an event: %w", err)
		}
	}
	go func() {
		defer response.Body.Close()
		_, _ = io.Copy(io.Discard, events)
	}()
	return nil
}
