//go:build long

package engine_test

import (
	"io"
	"net/http"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/network"

	"faas-docker/engine"
	"faas-docker/engine/enginetest"
	"faas-docker/function"
)

// Beside the engine's own create, start and first call on the same network,
// interleaved, so that whatever else the machine does slows both.
func TestStart_WithAReadyNamespaceIsFasterThanDockerItself(t *testing.T) {
	const runs = 30
	s := newScene(t)
	s.image = enginetest.Image(t, "../functions/echo")
	s.imageID = enginetest.ImageID(t, s.Engine, s.image)
	e := enginetest.DockerWith(t, engine.Config{Network: s.network, Holders: 2})
	keepHolders(t, e)
	f := s.function("echo")
	var raw, held, started []time.Duration
	for range runs {
		raw = append(raw, s.rawColdStart())
		s.awaitReadyHolders(e, 2)
		begun := time.Now()
		replica, err := e.Start(t.Context(), f)
		if err != nil {
			t.Fatal(err)
		}
		started = append(started, time.Since(begun))
		firstCall(t, replica.Address)
		held = append(held, time.Since(begun))
		if err := e.Remove(t.Context(), replica.ID); err != nil {
			t.Fatal(err)
		}
	}
	ratio := float64(median(held)) / float64(median(raw))
	t.Logf("medians of %d: Docker's create, start and first call %v; Start in a ready namespace and first call %v, of which Start %v; ratio %.2f",
		runs, median(raw), median(held), median(started), ratio)
	t.Logf("90th percentiles: %v and %v", percentile(raw, 90), percentile(held, 90))
	if ratio > 0.45 {
		t.Errorf("got a ratio of %.2f, want at most 0.45", ratio)
	}
}

func median(spans []time.Duration) time.Duration { return percentile(spans, 50) }

func percentile(spans []time.Duration, percent int) time.Duration {
	sorted := slices.Sorted(slices.Values(spans))
	return sorted[(len(sorted)-1)*percent/100]
}

// rawColdStart is what a user of the engine's API would do.
func (s *scene) rawColdStart() time.Duration {
	s.t.Helper()
	ctx := s.t.Context()
	begun := time.Now()
	made, err := s.docker.ContainerCreate(ctx, &container.Config{
		Image: s.imageID, Labels: map[string]string{function.LabelProvider: s.network, function.LabelRole: "raw"},
	}, &container.HostConfig{NetworkMode: container.NetworkMode(s.network)}, &network.NetworkingConfig{}, nil, "")
	if err != nil {
		s.t.Fatal(err)
	}
	if err := s.docker.ContainerStart(ctx, made.ID, container.StartOptions{}); err != nil {
		s.t.Fatal(err)
	}
	found, err := s.docker.ContainerInspect(ctx, made.ID)
	if err != nil {
		s.t.Fatal(err)
	}
	address := netip.MustParseAddr(found.NetworkSettings.Networks[s.network].IPAddress)
	firstCall(s.t, netip.AddrPortFrom(address, 8080))
	took := time.Since(begun)
	if err := s.docker.ContainerRemove(ctx, made.ID, container.RemoveOptions{Force: true}); err != nil {
		s.t.Fatal(err)
	}
	return took
}

// firstCall calls until it is answered, as soon as it can be.
func firstCall(t testing.TB, address netip.AddrPort) {
	t.Helper()
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(200 * time.Microsecond) {
		answer, err := client.Get("http://" + address.String() + "/")
		if err == nil {
			_, _ = io.Copy(io.Discard, answer.Body)
			_ = answer.Body.Close()
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("no answer from %v: %v", address, err)
		}
	}
}
