package engine_test

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/docker/docker/api/types/image"
	"github.com/docker/docker/client"

	"faas-docker/engine"
	"faas-docker/engine/enginetest"
	"faas-docker/function"
)

// remove takes an image off the engine, now and after the test.
func removeImage(t *testing.T, ref string) func() {
	t.Helper()
	docker, err := client.NewClientWithOpts(client.FromEnv, client.WithAPIVersionNegotiation())
	if err != nil {
		t.Fatal(err)
	}
	remove := func() {
		_, _ = docker.ImageRemove(context.WithoutCancel(t.Context()), ref, image.RemoveOptions{Force: true})
	}
	t.Cleanup(func() { remove(); _ = docker.Close() })
	return remove
}

func TestImage_IsPulledAsThePolicySays(t *testing.T) {
	t.Parallel()
	e, r := enginetest.Docker(t), newRegistry(t)
	ref := r.push(t, "figlet", "first")
	removeImage(t, ref)
	if _, err := e.Image(t.Context(), ref, engine.PullNever); !errors.Is(err, function.ErrInvalid) || !strings.HasPrefix(err.Error(), `image: "`+ref+`"`) {
		t.Errorf("never: got %v, want an ErrInvalid that names the image", err)
	}
	first, err := e.Image(t.Context(), ref, engine.PullIfNotPresent)
	if err != nil || !strings.HasPrefix(first, "sha256:") {
		t.Fatalf("if not present: got %q, %v, want an ID", first, err)
	}
	r.push(t, "figlet", "second")
	removeImage(t, first)
	if got, err := e.Image(t.Context(), ref, engine.PullIfNotPresent); err != nil || got != first {
		t.Errorf("if not present: got %q, %v, want what is there, %q", got, err, first)
	}
	second, err := e.Image(t.Context(), ref, engine.PullAlways)
	if err != nil || second == first {
		t.Errorf("always: got %q, %v, want the image that was pushed since", second, err)
	}
	if got, err := e.Image(t.Context(), ref, engine.PullNever); err != nil || got != second {
		t.Errorf("never: got %q, %v, want %q", got, err, second)
	}
}

func TestImage_PullIsSharedAndOutlivesItsCaller(t *testing.T) {
	t.Parallel()
	e, r := enginetest.Docker(t), newRegistry(t)
	r.held = make(chan struct{})
	ref := r.push(t, "figlet", "slow")
	removeImage(t, ref)
	impatient, leave := context.WithCancel(t.Context())
	left := make(chan error, 1)
	go func() {
		_, err := e.Image(impatient, ref, engine.PullIfNotPresent)
		left <- err
	}()
	for r.timesAsked() == 0 {
		if t.Context().Err() != nil {
			t.Fatal("the registry was not asked")
		}
	}
	leave()
	if err := <-left; !errors.Is(err, context.Canceled) {
		t.Errorf("got %v for who left, want the error of the context", err)
	}
	patient := make(chan error, 3)
	for range cap(patient) {
		go func() {
			_, err := e.Image(t.Context(), ref, engine.PullIfNotPresent)
			patient <- err
		}()
	}
	close(r.held)
	for range cap(patient) {
		if err := <-patient; err != nil {
			t.Errorf("got %v for who stayed, want the image", err)
		}
	}
	if got := r.timesAsked(); got != 1 {
		t.Errorf("the registry was asked %d times, want once", got)
	}
}

func TestImage_TroubleSaysWhatToDo(t *testing.T) {
	t.Parallel()
	e := enginetest.Docker(t)
	cases := []struct {
		name  string
		setUp func(r *registry)
		want  error
		says  string
	}{
		{"no such tag", func(*registry) {}, function.ErrInvalid, "no such image"},
		{"access denied", func(r *registry) { r.user, r.password = "user", "password" }, function.ErrInvalid, "docker login"},
		{"registry in trouble", func(r *registry) { r.status = 503 }, function.ErrUnavailable, "cannot be reached"},
		{"rate limit", func(r *registry) { r.status = 429 }, function.ErrUnavailable, "limits how often"},
		{"registry down", func(r *registry) { r.Close() }, function.ErrUnavailable, "cannot be reached"},
	}
	for _, c := range cases {
		r := newRegistry(t)
		r.set(func() { c.setUp(r) })
		_, err := e.Image(t.Context(), r.host()+"/figlet:nope", engine.PullAlways)
		if !errors.Is(err, c.want) || !strings.HasPrefix(err.Error(), `image: "`+r.host()+`/figlet:nope"`) || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: got %v, want %v that says %q", c.name, err, c.want, c.says)
		}
	}
	if _, err := e.Image(t.Context(), "Not An Image", engine.PullAlways); !errors.Is(err, function.ErrInvalid) {
		t.Errorf("got %v for a bad reference, want an ErrInvalid", err)
	}
}

func TestImage_IsPulledWithTheUsersCredentials(t *testing.T) {
	t.Parallel()
	r := newRegistry(t)
	r.set(func() { r.user, r.password = "user", "pass:word" })
	ref := r.push(t, "figlet", "private")
	removeImage(t, ref)
	dir := t.TempDir()
	e, err := engine.New(engine.Config{Network: enginetest.Network(t), DockerConfigDir: dir})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = e.Close() })
	if _, err := e.Image(t.Context(), ref, engine.PullIfNotPresent); !errors.Is(err, function.ErrInvalid) {
		t.Errorf("got %v without credentials, want an ErrInvalid", err)
	}
	// As docker login would now: the next pull finds it.
	config := fmt.Sprintf(`{"auths":{%q:{"auth":%q}}}`, r.host(), base64.StdEncoding.EncodeToString([]byte("user:pass:word")))
	if err := os.WriteFile(filepath.Join(dir, "config.json"), []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := e.Image(t.Context(), ref, engine.PullIfNotPresent); err != nil {
		t.Errorf("got %v with credentials, want the image", err)
	}
}

func TestStart_SaysThatTheImageCannotBeRun(t *testing.T) {
	t.Parallel()
	e, r := enginetest.Docker(t), newRegistry(t)
	ref := r.push(t, "figlet", "not a program")
	removeImage(t, ref)
	id, err := e.Image(t.Context(), ref, engine.PullIfNotPresent)
	if err != nil {
		t.Fatal(err)
	}
	f := function.Function{Spec: function.Spec{Name: "figlet", Namespace: "dev", Image: ref}, Revision: 1, ImageID: id}
	_, err = e.Start(t.Context(), f)
	if !errors.Is(err, function.ErrInvalid) || !strings.HasPrefix(err.Error(), `image: "`+ref+`"`) || !strings.Contains(err.Error(), "permission denied") {
		t.Errorf("got %v, want an ErrInvalid that says why", err)
	}
	if left, err := e.Replicas(t.Context(), f.ID()); err != nil || len(left) != 0 {
		t.Errorf("got %v, %v, want no container left", left, err)
	}
}
