package engine_test

import (
	"context"
	"errors"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/client"

	"faas-docker/engine"
	"faas-docker/function"
)

// Each refusal is provoked on the engine: another version of it may say it differently.
func TestSayings_AreWhatTheEngineSays(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	provoke := map[string]func() error{
		// A name with the word network in it is no network.
		"the container does not exist": func() error {
			return s.docker.ContainerStart(t.Context(), "network."+s.network, container.StartOptions{})
		},
		"the network does not exist": func() error {
			return s.startRaw(&container.HostConfig{NetworkMode: container.NetworkMode("missing-" + s.network)})
		},
		"the machine has no driver for GPUs": func() error {
			gpu := container.DeviceRequest{Driver: "nvidia", Count: 1, Capabilities: [][]string{{"gpu"}}}
			return s.startRaw(&container.HostConfig{Resources: container.Resources{DeviceRequests: []container.DeviceRequest{gpu}}})
		},
		"the container is being removed": s.removeAtOnce,
		"the container is not frozen": func() error {
			return s.docker.ContainerUnpause(t.Context(), s.start(s.function("figlet")).ID)
		},
		"the container has the name already": func() error {
			replica := s.start(s.function("figlet"))
			return s.docker.ContainerRename(t.Context(), replica.ID, replica.Instance)
		},
	}
	for _, want := range engine.Meanings() {
		if provoke[want] == nil {
			t.Errorf("%s: not provoked", want)
			continue
		}
		if err := provoke[want](); err == nil || engine.MeaningOf(err) != want {
			t.Errorf("%v: got %q, want %q", err, engine.MeaningOf(err), want)
		}
	}
	if got := engine.MeaningOf(errors.New("Error response from daemon: port is already allocated")); got != "" {
		t.Errorf("got %q for another refusal, want none", got)
	}
}

// startRaw creates and starts a container of the probe's image.
func (s *scene) startRaw(config *container.HostConfig) error {
	s.t.Helper()
	labels := map[string]string{function.LabelProvider: s.network}
	made, err := s.docker.ContainerCreate(s.t.Context(), &container.Config{Image: s.imageID, Labels: labels}, config, nil, nil, "")
	if err != nil {
		s.t.Fatal(err)
	}
	return s.docker.ContainerStart(s.t.Context(), made.ID, container.StartOptions{})
}

// removeAtOnce removes one container several times at once, until a removal is refused.
func (s *scene) removeAtOnce() error {
	for {
		replica := s.start(s.function("figlet"))
		removed := make(chan error, 6)
		for range cap(removed) {
			go func() {
				removed <- s.docker.ContainerRemove(s.t.Context(), replica.ID, container.RemoveOptions{Force: true})
			}()
		}
		var refused error
		for range cap(removed) {
			if err := <-removed; err != nil {
				refused = err
			}
		}
		if refused != nil {
			return refused
		}
	}
}

func TestPing_SaysThatTheSocketIsNotOurs(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "docker.sock")
	listener, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = listener.Close() }()
	if err := os.Chmod(path, 0); err != nil {
		t.Fatal(err)
	}
	docker, err := client.NewClientWithOpts(client.WithHost("unix://"+path), client.WithDialContext(dialAsNobody(path)))
	if err != nil {
		t.Fatal(err)
	}
	e := engine.NewThrough(engine.Config{Network: "unused"}, docker)
	defer func() { _ = e.Close() }()
	err = e.Ping(t.Context())
	if !errors.Is(err, function.ErrUnavailable) || !strings.Contains(err.Error(), "may not be used by this user") {
		t.Errorf("got %v, want an ErrUnavailable about the right to use the socket", err)
	}
}

// dialAsNobody connects without the rights of root, if the test has them.
func dialAsNobody(path string) func(context.Context, string, string) (net.Conn, error) {
	return func(context.Context, string, string) (net.Conn, error) {
		runtime.LockOSThread() // whose rights they are
		defer runtime.UnlockOSThread()
		_ = syscall.Setfsuid(65534)
		defer func() { _ = syscall.Setfsuid(os.Geteuid()) }()
		return net.Dial("unix", path)
	}
}
