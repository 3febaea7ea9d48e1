package engine_test

import (
	"archive/tar"
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/docker/docker/api/types/image"
	"github.com/docker/docker/client"

	"faas-docker/engine"
	"faas-docker/engine/enginetest"
	"faas-docker/function"
)

// removeImage takes an image off the engine, now and after the test.
func removeImage(t *testing.T, ref string) {
	t.Helper()
	docker := newDocker(t)
	remove := func() { _, _ = docker.ImageRemove(context.Background(), ref, image.RemoveOptions{Force: true}) }
	remove()
	t.Cleanup(remove)
}

// wanting is a function whose image is yet to be found.
func wanting(ref string, policy function.PullPolicy) function.Function {
	return function.Function{Spec: function.Spec{Image: ref, Annotations: map[string]string{function.AnnotationPullPolicy: string(policy)}}}
}

// find is what a deployment with this policy gets.
func find(t *testing.T, e *engine.Engine, ref string, policy function.PullPolicy) function.Image {
	t.Helper()
	found, err := e.Image(t.Context(), wanting(ref, policy))
	if err != nil {
		t.Fatalf("%s: %v", policy, err)
	}
	docker := newDocker(t)
	t.Cleanup(func() { _, _ = docker.ImageRemove(context.Background(), found.ID, image.RemoveOptions{Force: true}) })
	return found
}

func TestImage_IsPulledAsThePolicySays(t *testing.T) {
	t.Parallel()
	e, r := enginetest.Docker(t), enginetest.NewRegistry(t)
	ref, digest := r.Push(t, "figlet", []byte("first"))
	if _, err := e.Image(t.Context(), wanting(ref, function.PullNever)); !errors.Is(err, function.ErrInvalid) || !strings.HasPrefix(err.Error(), `image: "`+ref+`"`) {
		t.Errorf("never: got %v, want an ErrInvalid that names the image", err)
	}
	first := find(t, e, ref, function.PullIfNotPresent)
	if want := r.Host() + "/figlet@" + digest; first.Digest != want || first.Kept != "" || !strings.HasPrefix(first.ID, "sha256:") {
		t.Errorf("if not present: got %+v, want it under %s", first, want)
	}
	if got := find(t, e, ref, function.PullIfNewer); !reflect.DeepEqual(got, first) {
		t.Errorf("if newer: got %+v, want what is there and in the registry, %+v", got, first)
	}
	r.Push(t, "figlet", []byte("second"))
	kept := find(t, e, ref, function.PullIfNotPresent)
	if kept.ID != first.ID || kept.Digest != first.Digest || !strings.Contains(kept.Kept, first.Digest) || !strings.Contains(kept.Kept, function.AnnotationPullPolicy) || !strings.Contains(kept.Kept, "pull_policy") {
		t.Errorf("if not present: got %+v, want what is there, and how to change that", kept)
	}
	if got := find(t, e, ref, function.PullNever); !reflect.DeepEqual(got, first) {
		t.Errorf("never: got %+v, want %+v", got, first)
	}
	second := find(t, e, ref, function.PullIfNewer)
	if second.ID == first.ID || second.Digest == first.Digest || second.Kept != "" {
		t.Errorf("if newer: got %+v, want the image that was pushed since", second)
	}
	r.Push(t, "figlet", []byte("third"))
	third := find(t, e, ref, function.PullAlways)
	if third.ID == second.ID || third.ID == first.ID {
		t.Errorf("always: got %+v, want the image that was pushed since", third)
	}
	if got := find(t, e, ref, ""); !reflect.DeepEqual(got, third) {
		t.Errorf("without a policy: got %+v, want %+v", got, third)
	}
}

// What the engine has is used when the registry does not say what it has, and the
// reason is told.
func TestImage_IsKeptWhenTheRegistryCannotTell(t *testing.T) {
	t.Parallel()
	silent := make(chan struct{})
	for _, test := range []struct {
		name   string
		mishap enginetest.Mishap
		says   string
	}{
		{"access denied", enginetest.Mishap{User: "user", Password: "password"}, "docker login"},
		{"tag deleted", enginetest.Mishap{Forgotten: true}, "no such image or tag"},
		{"not found", enginetest.Mishap{Status: 404}, ""},
		{"forbidden", enginetest.Mishap{Status: 403}, ""},
		{"rate limit", enginetest.Mishap{Status: 429}, "limits how often"},
		{"internal error", enginetest.Mishap{Status: 500}, "cannot be reached"},
		{"bad gateway", enginetest.Mishap{Status: 502}, "cannot be reached"},
		{"unavailable", enginetest.Mishap{Status: 503}, "cannot be reached"},
		{"gateway timeout", enginetest.Mishap{Status: 504}, "cannot be reached"},
		{"teapot", enginetest.Mishap{Status: 418}, ""},
		{"silent", enginetest.Mishap{Silent: silent}, "cannot be reached"},
		{"down", enginetest.Mishap{}, "cannot be reached"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			r := enginetest.NewRegistry(t)
			e := enginetest.DockerWith(t, engine.Config{Network: enginetest.Network(t), AskTimeout: time.Second})
			ref, _ := r.Push(t, "figlet", []byte(test.name))
			first := find(t, e, ref, function.PullIfNewer)
			r.Push(t, "figlet", []byte("newer than "+test.name))
			r.Suffer(test.mishap)
			switch test.name {
			case "silent":
				t.Cleanup(func() { close(silent) })
			case "down":
				r.Close()
			}
			for range 2 {
				began := time.Now()
				got := find(t, e, ref, function.PullIfNewer)
				if got.ID != first.ID || got.Digest != first.Digest || !strings.Contains(got.Kept, first.Digest) || !strings.Contains(got.Kept, test.says) {
					t.Errorf("got %+v, want what is there and %q", got, test.says)
				}
				if took := time.Since(began); took > 5*time.Second {
					t.Errorf("it took %s with a limit of one second", took)
				}
			}
		})
	}
}

// A name on an image that did not come from its registry is most likely another's
// there, and what a digest means is known.
func TestImage_AsksNoRegistryForWhatDidNotComeFromThere(t *testing.T) {
	t.Parallel()
	e, r, other := enginetest.Docker(t), enginetest.NewRegistry(t), enginetest.NewRegistry(t)
	docker := newDocker(t)
	built := enginetest.Image(t, "./testdata/probe")
	ref, digest := r.Push(t, "figlet", []byte("first"))
	first := find(t, e, ref, function.PullIfNewer)
	tag := func(source, name string) string {
		t.Helper()
		if err := docker.ImageTag(t.Context(), source, name); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _, _ = docker.ImageRemove(context.Background(), name, image.RemoveOptions{}) })
		return name
	}
	asked := r.TimesAsked()
	for _, test := range []struct {
		name, ref, digest string
	}{
		{"built here", built, ""},
		{"built here, named as in the registry", tag(built, r.Host()+"/built:latest"), ""},
		{"from another registry", tag(ref, other.Host()+"/figlet:latest"), ""},
		{"from another repository", tag(ref, r.Host()+"/cows:latest"), ""},
		{"by digest", r.Host() + "/figlet@" + digest, first.Digest},
		{"by tag and digest", ref + "@" + digest, first.Digest},
	} {
		got := find(t, e, test.ref, function.PullIfNewer)
		if got.Digest != test.digest || got.Kept != "" || got.ID == "" {
			t.Errorf("%s: got %+v, want it with the digest %q", test.name, got, test.digest)
		}
	}
	if now := r.TimesAsked() + other.TimesAsked(); now != asked {
		t.Errorf("the registries were asked %d times", now-asked)
	}
}

// Whatever its tag means by now, a revision starts what it was deployed with.
func TestImage_OfARevisionIsNeverAnother(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name   string
		change func(*function.Function)
		mishap enginetest.Mishap
		down   bool
		want   error // nil means that the same image is back
		says   string
	}{
		{name: "pulled again"},
		{name: "whatever the policy", change: func(f *function.Function) { *f = annotated(*f, function.PullAlways) }},
		{name: "if not present", change: func(f *function.Function) { *f = annotated(*f, function.PullIfNotPresent) }},
		{name: "of another tag", change: func(f *function.Function) { f.Image = strings.Replace(f.Image, "latest", "gone", 1) }},
		{name: "never pulled", change: func(f *function.Function) { *f = annotated(*f, function.PullNever) }, want: function.ErrNotFound, says: "docker pull"},
		{name: "built here", change: func(f *function.Function) { f.ImageDigest = "" }, want: function.ErrNotFound, says: "built or loaded on this machine"},
		{name: "another under its digest", change: func(f *function.Function) { f.ImageID = "sha256:" + strings.Repeat("0", 64) }, want: function.ErrNotFound, says: "gives another"},
		{name: "no longer in the registry", mishap: enginetest.Mishap{Forgotten: true}, want: function.ErrNotFound, says: "deploy the function again"},
		{name: "access lost", mishap: enginetest.Mishap{User: "user", Password: "password"}, want: function.ErrNotFound, says: "docker login"},
		{name: "registry in trouble", mishap: enginetest.Mishap{Status: 503}, want: function.ErrUnavailable, says: "cannot be reached"},
		{name: "rate limit", mishap: enginetest.Mishap{Status: 429}, want: function.ErrUnavailable, says: "limits how often"},
		{name: "registry down", down: true, want: function.ErrUnavailable, says: "cannot be reached"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			e, r := enginetest.Docker(t), enginetest.NewRegistry(t)
			ref, _ := r.Push(t, "figlet", []byte(test.name))
			first := find(t, e, ref, function.PullIfNewer)
			r.Push(t, "figlet", []byte("newer than "+test.name))
			f := function.Function{Spec: function.Spec{Image: ref}, ImageID: first.ID, ImageDigest: first.Digest}
			if got, err := e.Image(t.Context(), f); err != nil || !reflect.DeepEqual(got, first) {
				t.Errorf("got %+v, %v while it is there, want %+v", got, err, first)
			}
			removeImage(t, first.ID)
			if test.change != nil {
				test.change(&f)
			}
			r.Suffer(test.mishap)
			if test.down {
				r.Close()
			}
			got, err := e.Image(t.Context(), f)
			switch {
			case test.want == nil && (err != nil || !reflect.DeepEqual(got, first)):
				t.Errorf("got %+v, %v, want %+v", got, err, first)
			case test.want != nil && (!errors.Is(err, test.want) || !strings.Contains(err.Error(), test.says)):
				t.Errorf("got %+v, %v, want %v that says %q", got, err, test.want, test.says)
			}
		})
	}
}

func annotated(f function.Function, policy function.PullPolicy) function.Function {
	f.Annotations = map[string]string{function.AnnotationPullPolicy: string(policy)}
	return f
}

// Functions of an older store, and adopted ones, come without it.
func TestImage_OfARevisionLearnsItsDigest(t *testing.T) {
	t.Parallel()
	e, r := enginetest.Docker(t), enginetest.NewRegistry(t)
	ref, _ := r.Push(t, "figlet", []byte("first"))
	first := find(t, e, ref, function.PullIfNewer)
	got, err := e.Image(t.Context(), function.Function{Spec: function.Spec{Image: ref}, ImageID: first.ID})
	if err != nil || !reflect.DeepEqual(got, first) {
		t.Errorf("got %+v, %v, want %+v", got, err, first)
	}
}

func newDocker(t *testing.T) *client.Client {
	t.Helper()
	docker, err := client.NewClientWithOpts(client.FromEnv, client.WithAPIVersionNegotiation())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = docker.Close() })
	return docker
}

func TestImage_PullIsSharedAndOutlivesItsCaller(t *testing.T) {
	t.Parallel()
	e, r := enginetest.Docker(t), enginetest.NewRegistry(t)
	held := make(chan struct{})
	r.Suffer(enginetest.Mishap{Held: held})
	ref, _ := r.Push(t, "figlet", []byte("slow"))
	removeImage(t, ref)
	impatient, leave := context.WithCancel(t.Context())
	left := make(chan error, 1)
	go func() {
		_, err := e.Image(impatient, wanting(ref, function.PullIfNotPresent))
		left <- err
	}()
	for r.TimesAsked() == 0 {
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
			_, err := e.Image(t.Context(), wanting(ref, function.PullIfNotPresent))
			patient <- err
		}()
	}
	close(held)
	for range cap(patient) {
		if err := <-patient; err != nil {
			t.Errorf("got %v for who stayed, want the image", err)
		}
	}
	if got := r.TimesAsked(); got != 1 {
		t.Errorf("the registry was asked %d times, want once", got)
	}
}

func TestImage_TroubleSaysWhatToDo(t *testing.T) {
	t.Parallel()
	e := enginetest.Docker(t)
	cases := []struct {
		name   string
		mishap enginetest.Mishap
		down   bool
		want   error
		says   string
	}{
		{name: "no such tag", want: function.ErrInvalid, says: "no such image"},
		{name: "access denied", mishap: enginetest.Mishap{User: "user", Password: "password"}, want: function.ErrInvalid, says: "docker login"},
		{name: "registry in trouble", mishap: enginetest.Mishap{Status: 503}, want: function.ErrUnavailable, says: "cannot be reached"},
		{name: "rate limit", mishap: enginetest.Mishap{Status: 429}, want: function.ErrUnavailable, says: "limits how often"},
		{name: "registry down", down: true, want: function.ErrUnavailable, says: "cannot be reached"},
	}
	for _, c := range cases {
		r := enginetest.NewRegistry(t)
		r.Suffer(c.mishap)
		if c.down {
			r.Close()
		}
		_, err := e.Image(t.Context(), wanting(r.Host()+"/figlet:nope", function.PullAlways))
		if !errors.Is(err, c.want) || !strings.HasPrefix(err.Error(), `image: "`+r.Host()+`/figlet:nope"`) || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: got %v, want %v that says %q", c.name, err, c.want, c.says)
		}
	}
	if _, err := e.Image(t.Context(), wanting("Not An Image", function.PullAlways)); !errors.Is(err, function.ErrInvalid) {
		t.Errorf("got %v for a bad reference, want an ErrInvalid", err)
	}
}

func TestImage_IsPulledWithTheUsersCredentials(t *testing.T) {
	t.Parallel()
	r := enginetest.NewRegistry(t)
	r.Suffer(enginetest.Mishap{User: "user", Password: "pass:word"})
	ref, _ := r.Push(t, "figlet", []byte("private"))
	removeImage(t, ref)
	dir := t.TempDir()
	e, err := engine.New(engine.Config{Network: enginetest.Network(t), DockerConfigDir: dir})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = e.Close() })
	if _, err := e.Image(t.Context(), wanting(ref, function.PullIfNotPresent)); !errors.Is(err, function.ErrInvalid) || !strings.Contains(err.Error(), dir) {
		t.Errorf("got %v without credentials, want an ErrInvalid that says where they were looked for", err)
	}
	login := func(user string) {
		t.Helper()
		config := fmt.Sprintf(`{"auths":{%q:{"auth":%q}}}`, r.Host(), base64.StdEncoding.EncodeToString([]byte(user+":pass:word")))
		if err := os.WriteFile(filepath.Join(dir, "config.json"), []byte(config), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	login("stranger")
	if _, err := e.Image(t.Context(), wanting(ref, function.PullIfNotPresent)); !errors.Is(err, function.ErrInvalid) || !strings.Contains(err.Error(), "stranger") {
		t.Errorf("got %v with the wrong credentials, want an ErrInvalid that says whose they were", err)
	}
	// As docker login would now: the next pull finds it.
	login("user")
	find(t, e, ref, function.PullIfNotPresent)
	newest, _ := r.Push(t, "figlet", []byte("private, and newer"))
	if got := find(t, e, newest, function.PullIfNewer); got.Kept != "" {
		t.Errorf("got %+v, want the credentials used for the question, too", got)
	}
}

// A login of the machine may be worth nothing where the provider runs.
func TestImage_SaysWhyCredentialsCouldNotBeRead(t *testing.T) {
	t.Parallel()
	folder := func(content string) func(*testing.T, string) string {
		return func(t *testing.T, host string) string {
			dir := t.TempDir()
			if err := os.WriteFile(filepath.Join(dir, "config.json"), []byte(strings.ReplaceAll(content, "HOST", host)), 0o600); err != nil {
				t.Fatal(err)
			}
			return dir
		}
	}
	for _, test := range []struct {
		name string
		dir  func(t *testing.T, host string) string
		says string
	}{
		{"store's helper missing", folder(`{"credsStore":"nowhere-to-be-found"}`), "docker-credential-nowhere-to-be-found"},
		{"store's helper missing, with an entry", folder(`{"auths":{"HOST":{}},"credsStore":"desktop-test"}`), "docker-credential-desktop-test"},
		{"registry's helper missing", folder(`{"credHelpers":{"HOST":"ecr-login-test"}}`), "docker-credential-ecr-login-test"},
		{"registry's helper before the store's", folder(`{"credsStore":"other","credHelpers":{"HOST":"gcloud-test"}}`), "docker-credential-gcloud-test"},
		{"not JSON", folder(`auths: {}`), "config.json"},
		{"cut off", folder(`{"auths":{`), "config.json"},
		{"empty", folder(``), "config.json"},
		{"not base64", folder(`{"auths":{"HOST":{"auth":"§"}}}`), "config.json"},
		{"no password", folder(`{"auths":{"HOST":{"auth":"dXNlcg=="}}}`), "config.json"},
		{"auths of another kind", folder(`{"auths":[]}`), "config.json"},
		{"a folder", func(t *testing.T, _ string) string {
			dir := t.TempDir()
			if err := os.Mkdir(filepath.Join(dir, "config.json"), 0o700); err != nil {
				t.Fatal(err)
			}
			return dir
		}, "is a directory"},
		{"no folder", func(t *testing.T, _ string) string { return filepath.Join(t.TempDir(), "none") }, "has no credentials"},
		{"a file for the folder", func(t *testing.T, host string) string {
			return filepath.Join(folder(`{}`)(t, host), "config.json")
		}, "not a directory"},
		{"nothing for this registry", folder(`{"auths":{"ghcr.io":{"auth":"dXNlcjpwYXNz"}}}`), "has no credentials"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			r := enginetest.NewRegistry(t)
			ref, _ := r.Push(t, "figlet", []byte("private, "+test.name))
			e, err := engine.New(engine.Config{Network: enginetest.Network(t), DockerConfigDir: test.dir(t, r.Host())})
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = e.Close() })
			r.Suffer(enginetest.Mishap{User: "user", Password: "password"})
			_, err = e.Image(t.Context(), wanting(ref, function.PullIfNewer))
			if !errors.Is(err, function.ErrInvalid) || !strings.Contains(err.Error(), test.says) || !strings.Contains(err.Error(), "docker_config") {
				t.Errorf("got %v, want an ErrInvalid that says %q and names docker_config", err, test.says)
			}
			// Public images need none.
			r.Suffer(enginetest.Mishap{})
			find(t, e, ref, function.PullIfNewer)
		})
	}
}

func TestStart_SaysThatTheImageCannotBeRun(t *testing.T) {
	t.Parallel()
	e, docker, ref := enginetest.Docker(t), newDocker(t), "faas-test-programless:1"
	var empty bytes.Buffer
	if err := tar.NewWriter(&empty).Close(); err != nil {
		t.Fatal(err)
	}
	response, err := docker.ImageImport(t.Context(), image.ImportSource{Source: &empty, SourceName: "-"}, ref, image.ImportOptions{Changes: []string{`ENTRYPOINT ["/missing"]`}})
	if err != nil {
		t.Fatal(err)
	}
	_, _ = io.Copy(io.Discard, response)
	_ = response.Close()
	f := function.Function{
		Spec: function.Spec{Name: "figlet", Namespace: "dev", Image: ref}, Revision: 1,
		ImageID: find(t, e, ref, function.PullNever).ID,
	}
	_, err = e.Start(t.Context(), f)
	if !errors.Is(err, function.ErrInvalid) || !strings.HasPrefix(err.Error(), `image: "`+ref+`"`) || !strings.Contains(err.Error(), "no such file or directory") {
		t.Errorf("got %v, want an ErrInvalid that says why", err)
	}
	if left, err := e.Replicas(t.Context(), f.ID()); err != nil || len(left) != 0 {
		t.Errorf("got %v, %v, want no container left", left, err)
	}
}
