package engine_test

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"

	"github.com/docker/docker/api/types/container"

	"faas-docker/engine"
	"faas-docker/engine/enginetest"
	"faas-docker/function"
)

func TestPing_SaysWhyTheEngineCannotBeUsed(t *testing.T) {
	old := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.Header().Set("Api-Version", "1.40") }))
	defer old.Close()
	cases := []struct {
		name, host string
		says       []string
	}{
		{"no socket", "unix:///nowhere/docker.sock", []string{"unix:///nowhere/docker.sock", "is it running", "DOCKER_HOST"}},
		{"nobody listens", "tcp://127.0.0.1:1", []string{"tcp://127.0.0.1:1", "is it running"}},
		{"too old", "tcp://" + strings.TrimPrefix(old.URL, "http://"), []string{"API 1.40", "20.10"}},
	}
	for _, c := range cases {
		t.Setenv("DOCKER_HOST", c.host)
		e, err := engine.New(engine.Config{Network: "unused"})
		if err != nil {
			t.Fatalf("%s: got %v, want no objection before the first call", c.name, err)
		}
		err = e.Ping(t.Context())
		var failure *function.Failure
		if !errors.Is(err, function.ErrUnavailable) || !errors.As(err, &failure) {
			t.Errorf("%s: got %v, want an ErrUnavailable for the caller", c.name, err)
			continue
		}
		for _, want := range c.says {
			if !strings.Contains(err.Error(), want) {
				t.Errorf("%s: got %q, want %q in it", c.name, err, want)
			}
		}
		if err := e.Close(); err != nil {
			t.Errorf("%s: close: %v", c.name, err)
		}
	}
}

func TestNeighbours_HoldTheReplicas(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	n, err := s.Neighbours(t.Context())
	if err != nil || len(n.Functions) == 0 || !n.Joined {
		t.Fatalf("got %+v, %v, want the network's addresses", n, err)
	}
	replica := s.start(s.function("figlet"))
	if !n.Functions[0].Contains(replica.Address.Addr()) {
		t.Errorf("got %v, want %v in it", n.Functions, replica.Address)
	}
}

func TestPrepare_RefusesANetworkWithoutAddresses(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"host", "none"} {
		e, err := engine.New(engine.Config{Network: name})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = e.Close() })
		if err := e.Prepare(t.Context()); !errors.Is(err, function.ErrInvalid) {
			t.Errorf("%s: got %v, want an ErrInvalid", name, err)
		}
	}
}

// A provider in a container reaches functions only from their network.
func TestPrepare_JoinsTheNetworkFromWithinAContainer(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	if !strings.HasPrefix(s.docker.DaemonHost(), "unix://") {
		t.Fatalf("this test hands the engine's socket to a container, and %s is none", s.docker.DaemonHost())
	}
	socket := strings.TrimPrefix(s.docker.DaemonHost(), "unix://")
	for _, hostname := range []string{"", "renamed"} {
		made, err := s.docker.ContainerCreate(t.Context(), &container.Config{
			Image: enginetest.Image(t, "./testdata/prepare"), Env: []string{"network=" + s.network}, Hostname: hostname,
			Labels: map[string]string{function.LabelProvider: s.network},
		}, &container.HostConfig{Binds: []string{socket + ":/var/run/docker.sock"}}, nil, nil, "")
		if err != nil {
			t.Fatal(err)
		}
		if err := s.docker.ContainerStart(t.Context(), made.ID, container.StartOptions{}); err != nil {
			t.Fatal(err)
		}
		ended, failed := s.docker.ContainerWait(t.Context(), made.ID, container.WaitConditionNotRunning)
		select {
		case end := <-ended:
			report, _ := s.PostMortem(t.Context(), made.ID)
			if end.StatusCode != 0 {
				t.Errorf("hostname %q: got exit code %d: %q", hostname, end.StatusCode, report.LastLines)
			}
		case err := <-failed:
			t.Fatal(err)
		}
		found, err := s.docker.ContainerInspect(t.Context(), made.ID)
		if err != nil {
			t.Fatal(err)
		}
		if _, joined := found.NetworkSettings.Networks[s.network]; !joined {
			t.Errorf("hostname %q: got networks %v, want %s among them", hostname, found.NetworkSettings.Networks, s.network)
		}
	}
}

func TestCheck_AsksTheEngine(t *testing.T) {
	t.Parallel()
	e := enginetest.Docker(t)
	name, err := os.Hostname()
	if err != nil {
		t.Fatal(err)
	}
	facts, err := e.Facts(t.Context())
	if err != nil || facts["node.platform.os"] != "linux" || facts["node.hostname"] == "" {
		t.Fatalf("got %v, %v, want the machine's facts", facts, err)
	}
	cpus, memory, err := e.Capacity(t.Context())
	if err != nil || cpus < 1 || memory < 1<<20 {
		t.Errorf("got %d processors, %d bytes, %v", cpus, memory, err)
	}
	good := function.Spec{Image: "figlet", Constraints: []string{"node.platform.os==linux", "node.hostname==" + facts["node.hostname"], "node.hostname!=not-" + name}}
	if err := e.Check(t.Context(), good); err != nil {
		t.Errorf("got %v, want no objection", err)
	}
	for field, bad := range map[string]function.Spec{
		"image":                  {Image: "Not An Image"},
		"constraints[0]":         {Image: "figlet", Constraints: []string{"node.role==edge"}},
		"limits.intel.com/gpu":   {Image: "figlet", Limits: &function.Resources{IntelGPU: "1"}},
		"requests.intel.com/gpu": {Image: "figlet", Requests: &function.Resources{IntelGPU: "1"}},
	} {
		if err := e.Check(t.Context(), bad); !errors.Is(err, function.ErrInvalid) || !strings.HasPrefix(err.Error(), field+": ") {
			t.Errorf("got %v, want an ErrInvalid of %s", err, field)
		}
	}
}

func TestUsage_MeasuresAllReplicas(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	f := s.function("figlet")
	if got, err := s.Usage(t.Context(), f.ID()); err != nil || got != (function.Usage{}) {
		t.Errorf("got %+v, %v without replicas, want nothing", got, err)
	}
	one, two := s.start(f), s.start(f)
	if _, err := s.Usage(t.Context(), f.ID()); err != nil {
		t.Fatal(err)
	}
	for _, replica := range []function.Replica{one, two} {
		s.call(replica, "/burn", map[string][]string{"for": {"200ms"}})
	}
	got, err := s.Usage(t.Context(), f.ID())
	if err != nil || got.Millicores < 10 || got.Millicores > 2500 || got.MemoryBytes < 1<<20 || got.MemoryBytes > 1<<28 {
		t.Errorf("got %+v, %v, want what two small busy programs use", got, err)
	}
}
