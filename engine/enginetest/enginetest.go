// Package enginetest gives tests a real Docker engine: a network of their own,
// images made of Go programs, and a clean engine afterwards.
package enginetest

import (
	"archive/tar"
	"bytes"
	"context"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/containerd/errdefs"
	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/filters"
	"github.com/docker/docker/api/types/image"
	"github.com/docker/docker/api/types/network"
	"github.com/docker/docker/api/types/volume"
	"github.com/docker/docker/client"
	"github.com/hashicorp/go-hclog"

	"faas-docker/engine"
	"faas-docker/function"
)

// labelTest marks the images that tests make.
const labelTest = "com.openfaas.test"

// Docker returns an Engine on a network of the test's own, prepared. After the
// test the network goes, with all containers and volumes that were made on it.
// The test fails when no engine can be reached.
func Docker(t testing.TB) *engine.Engine {
	t.Helper()
	return DockerOn(t, Network(t))
}

// Network returns a name for a network that no other test uses, and removes after
// the test everything that an Engine with that network has made.
func Network(t testing.TB) string {
	t.Helper()
	docker := dial(t)
	name := "faas-test-" + token()
	t.Cleanup(func() { sweep(t, docker, name) })
	return name
}

// DockerOn returns a prepared Engine on a network that Network named: a second
// one with the same name is the same provider after a restart.
func DockerOn(t testing.TB, network string) *engine.Engine {
	t.Helper()
	return DockerWith(t, engine.Config{Network: network})
}

// DockerWith returns a prepared Engine that is configured otherwise, on a network
// that Network named. It logs to the test's log.
func DockerWith(t testing.TB, cfg engine.Config) *engine.Engine {
	t.Helper()
	cfg.Logger = hclog.New(&hclog.LoggerOptions{Name: "engine", Level: hclog.Debug, Output: testWriter{t}})
	e, err := engine.New(cfg)
	if err != nil {
		t.Fatalf("make an engine: %v", err)
	}
	t.Cleanup(func() {
		if err := e.Close(); err != nil {
			t.Errorf("close the engine: %v", err)
		}
	})
	if err := e.Ping(t.Context()); err != nil {
		t.Fatalf("this test needs a Docker engine: %v", err)
	}
	if err := e.Prepare(t.Context()); err != nil {
		t.Fatalf("prepare the engine: %v", err)
	}
	if err := e.Holders.Sweep(t.Context()); err != nil {
		t.Fatalf("remove what earlier runs have left: %v", err)
	}
	return e
}

// Image builds the Go main package pkg, an import path or a folder such as
// "./testdata/probe", into an image that holds nothing but the program, and
// returns its reference. Without further instructions of a Dockerfile it EXPOSEs 8080.
// The image goes with the test.
func Image(t testing.TB, pkg string, instructions ...string) string {
	t.Helper()
	docker := dial(t)
	ref := fmt.Sprintf("faas-test-%s:%s", filepath.Base(pkg), token())
	program := Program(t, pkg)
	if len(instructions) == 0 {
		instructions = []string{"EXPOSE 8080"}
	}
	response, err := docker.ImageImport(t.Context(), image.ImportSource{
		Source:     bytes.NewReader(archive(t, program)),
		SourceName: "-",
	}, ref, image.ImportOptions{Changes: append(instructions, `ENTRYPOINT ["/function"]`, fmt.Sprintf("LABEL %s=%q", labelTest, t.Name()))})
	if err != nil {
		t.Fatalf("make an image of %s: %v", pkg, err)
	}
	defer func() { _ = response.Close() }()
	if answer, err := io.ReadAll(response); err != nil || strings.Contains(string(answer), `"error"`) {
		t.Fatalf("make an image of %s: %v %s", pkg, err, answer)
	}
	t.Cleanup(func() { removeImage(t, docker, ref) })
	return ref
}

// ImageID returns the ID of an image that is on the engine.
func ImageID(t testing.TB, e *engine.Engine, ref string) string {
	t.Helper()
	found, err := e.Image(t.Context(), function.Function{Spec: function.Spec{Image: ref, Annotations: map[string]string{
		function.AnnotationPullPolicy: string(function.PullNever),
	}}})
	if err != nil {
		t.Fatalf("find image %s: %v", ref, err)
	}
	return found.ID
}

// Program builds the Go main package pkg as Image does.
func Program(t testing.TB, pkg string) []byte {
	t.Helper()
	out := filepath.Join(t.TempDir(), "function")
	cmd := exec.CommandContext(t.Context(), "go", "build", "-trimpath", "-ldflags=-s -w", "-o", out, pkg)
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS=linux", "GOFLAGS=")
	if output, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("build %s: %v\n%s", pkg, err, output)
	}
	program, err := os.ReadFile(out)
	if err != nil {
		t.Fatal(err)
	}
	return program
}

// archive packs a root file system: the program, and a /tmp as every image has.
func archive(t testing.TB, program []byte) []byte {
	t.Helper()
	var packed bytes.Buffer
	w := tar.NewWriter(&packed)
	err := w.AddFS(fstest.MapFS{
		"tmp":      {Mode: fs.ModeDir | fs.ModeSticky | 0o777},
		"function": {Mode: 0o755, Data: program},
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return packed.Bytes()
}

func dial(t testing.TB) *client.Client {
	t.Helper()
	docker, err := client.NewClientWithOpts(client.FromEnv, client.WithAPIVersionNegotiation())
	if err != nil {
		t.Fatalf("configure the Docker client: %v", err)
	}
	t.Cleanup(func() { _ = docker.Close() })
	if _, err := docker.Ping(t.Context()); err != nil {
		t.Fatalf("this test needs a Docker engine: %v", err)
	}
	return docker
}

// sweep removes what carries the provider's label. The test's own context has
// ended by then.
func sweep(t testing.TB, docker *client.Client, provider string) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	ours := filters.NewArgs(filters.Arg("label", function.LabelProvider+"="+provider))
	sweepContainers(ctx, t, docker, ours)
	volumes, err := docker.VolumeList(ctx, volume.ListOptions{Filters: ours})
	report(t, "list volumes", err)
	for _, v := range volumes.Volumes {
		report(t, "remove volume", docker.VolumeRemove(ctx, v.Name, true))
	}
	networks, err := docker.NetworkList(ctx, network.ListOptions{Filters: ours})
	report(t, "list networks", err)
	for _, n := range networks {
		removeNetwork(ctx, t, docker, n.ID)
	}
	// What the engine was creating when its provider was killed may be there only now.
	sweepContainers(ctx, t, docker, ours)
}

func sweepContainers(ctx context.Context, t testing.TB, docker *client.Client, ours filters.Args) {
	containers, err := docker.ContainerList(ctx, container.ListOptions{All: true, Filters: ours})
	report(t, "list containers", err)
	removeContainers(ctx, t, docker, containers)
}

// removeNetwork leaves a network that is empty and still not removed: an engine
// whose client broke off may have counted one too many, and keeps that until it is
// restarted.
func removeNetwork(ctx context.Context, t testing.TB, docker *client.Client, id string) {
	err := docker.NetworkRemove(ctx, id)
	if errdefs.IsPermissionDenied(err) {
		n, inspected := docker.NetworkInspect(ctx, id, network.InspectOptions{})
		if inspected == nil && len(n.Containers) == 0 {
			t.Logf("the engine has miscounted the endpoints of network %s: it is empty, but %v", id, err)
			return
		}
	}
	report(t, "remove network", err)
}

// removeImage removes the image's containers first: of an image that is in use
// Docker removes the name alone. They are the test's own, as the image is.
func removeImage(t testing.TB, docker *client.Client, ref string) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	made := filters.NewArgs(filters.Arg("ancestor", ref))
	containers, err := docker.ContainerList(ctx, container.ListOptions{All: true, Filters: made})
	report(t, "list containers", err)
	removeContainers(ctx, t, docker, containers)
	_, err = docker.ImageRemove(ctx, ref, image.RemoveOptions{Force: true})
	report(t, "remove image", err)
}

// removeContainers returns when they are gone, removed here or elsewhere.
func removeContainers(ctx context.Context, t testing.TB, docker *client.Client, containers []container.Summary) {
	for _, c := range containers {
		gone, failed := docker.ContainerWait(ctx, c.ID, container.WaitConditionRemoved)
		err := docker.ContainerRemove(ctx, c.ID, container.RemoveOptions{Force: true, RemoveVolumes: true})
		if err != nil && !errdefs.IsConflict(err) {
			report(t, "remove container", err)
			continue
		}
		select {
		case <-gone:
		case err := <-failed:
			report(t, "wait for the container's removal", err)
		}
	}
}

func report(t testing.TB, act string, err error) {
	t.Helper()
	if err != nil && !errdefs.IsNotFound(err) {
		t.Errorf("%s after the test: %v", act, err)
	}
}

func token() string {
	raw := make([]byte, 5)
	_, _ = rand.Read(raw) // never fails: crypto/rand ends the program instead
	return hex.EncodeToString(raw)
}

// testWriter sends what the engine logs to the test's own log.
type testWriter struct{ t testing.TB }

func (w testWriter) Write(line []byte) (int, error) {
	w.t.Log(strings.TrimSuffix(string(line), "\n"))
	return len(line), nil
}
