package e2e

import (
	"context"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/openfaas/faas-provider/types"

	"faas-docker/engine/enginetest"
	"faas-docker/function"
)

// pushed describes a function whose image is in a registry, and shows its environment.
// What is pulled goes after the function.
func (h *host) pushed(t testing.TB, r *enginetest.Registry, env string) (spec types.FunctionDeployment, digest string) {
	t.Helper()
	repository := repositoryOf(t)
	t.Cleanup(func() {
		eventually(t, "the images that were pulled are removed", func() (bool, string) {
			left := dockerLines("images", "-q", "--no-trunc", r.Host()+"/"+repository)
			for _, id := range left {
				dockerLines("rmi", "-f", id) // fails while a replica is left
			}
			return len(left) == 0, strings.Join(left, " ")
		})
	})
	spec = h.spec(t, "env")
	spec.Image, digest = push(t, r, env)
	return spec, digest
}

func repositoryOf(t testing.TB) string { return "env-" + tokenOf(t) }

// push makes an image that no other test has, because tests remove theirs.
func push(t testing.TB, r *enginetest.Registry, env string) (ref, digest string) {
	t.Helper()
	return r.Push(t, repositoryOf(t), enginetest.Program(t, "./functions/env"), env, "test="+t.Name())
}

// dockerLines is what a command of Docker's writes; nothing when it fails. It works after
// the test, too.
func dockerLines(args ...string) []string {
	output, err := exec.CommandContext(context.Background(), "docker", args...).Output()
	if err != nil {
		return nil
	}
	return strings.Fields(string(output))
}

func (h *host) awaitLine(t testing.TB, name, line string) {
	t.Helper()
	eventually(t, "the function shows "+line, func() (bool, string) {
		got := h.get(t, "/function/"+name).body
		return strings.Contains(got, line+"\n"), got
	})
}

// imageOf returns the ID of the image that a function runs.
func (h *host) imageOf(t testing.TB, name string) string {
	t.Helper()
	f, err := h.provider.View().Store.Function(function.ParseName(name, defaultNS))
	if err != nil {
		t.Fatal(err)
	}
	return f.ImageID
}

func TestImages_ADeploymentTakesWhatWasPushedSince(t *testing.T) {
	t.Parallel()
	h, r := patient(t), enginetest.NewRegistry(t)
	spec, _ := h.pushed(t, r, "version=1")
	h.deploy(t, spec)
	h.awaitLine(t, spec.Service, "version=1")

	_, second := push(t, r, "version=2")
	h.send(t, http.MethodPut, "/system/functions", spec)
	h.awaitLine(t, spec.Service, "version=2")
	h.get(t, "/system/logs?name="+spec.Service).wants(t, http.StatusOK, second)

	push(t, r, "version=3")
	spec.Annotations = &map[string]string{function.AnnotationPullPolicy: "IfNotPresent"}
	h.send(t, http.MethodPut, "/system/functions", spec)
	h.get(t, "/system/logs?name="+spec.Service).wants(t, http.StatusOK, "stays", second, function.AnnotationPullPolicy, "pull_policy")
	h.awaitLine(t, spec.Service, "version=2")

	spec.Annotations = &map[string]string{function.AnnotationPullPolicy: "Always"}
	h.send(t, http.MethodPut, "/system/functions", spec)
	h.awaitLine(t, spec.Service, "version=3")

	spec.Annotations = &map[string]string{function.AnnotationPullPolicy: "sometimes"}
	h.send(t, http.MethodPut, "/system/functions", spec).wants(t, http.StatusBadRequest, function.AnnotationPullPolicy, "IfNewer")
}

// A function sleeps at zero while its image is pruned and its tag moves on.
func TestImages_ARevisionKeepsItsDigest(t *testing.T) {
	t.Parallel()
	h, r := patient(t), enginetest.NewRegistry(t)
	spec, digest := h.pushed(t, r, "version=1")
	h.deploy(t, spec)
	id := h.imageOf(t, spec.Service)
	prune := func() {
		t.Helper()
		if err := h.sdk.ScaleFunction(t.Context(), spec.Service, defaultNS, 0); err != nil {
			t.Fatal(err)
		}
		eventually(t, "no container", func() (bool, string) {
			left := h.containers(t, spec.Service)
			return len(left) == 0, strings.Join(left, " ")
		})
		docker(t, "rmi", "-f", id)
	}
	prune()
	push(t, r, "version=2")
	if got := h.get(t, "/function/"+spec.Service).wants(t, http.StatusOK).body; !strings.Contains(got, "version=1\n") {
		t.Errorf("got %s, want what was deployed", got)
	}
	if now := h.imageOf(t, spec.Service); now != id {
		t.Errorf("the revision runs %s by now, want %s", now, id)
	}

	r.Suffer(enginetest.Mishap{Forgotten: true})
	prune()
	h.get(t, "/function/"+spec.Service).wants(t, http.StatusServiceUnavailable, "deploy the function again", digest)
	if now := h.imageOf(t, spec.Service); now != id {
		t.Errorf("the revision is to run %s by now, want %s", now, id)
	}
	r.Suffer(enginetest.Mishap{})
	h.send(t, http.MethodPut, "/system/functions", spec)
	h.awaitLine(t, spec.Service, "version=2")
}

func TestImages_CredentialsThatCannotBeReadAreInTheAnswer(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "config.json"), []byte(`{"credsStore":"not-in-this-container"}`), 0o600); err != nil {
		t.Fatal(err)
	}
	h, r := startHost(t, enginetest.Network(t), map[string]string{"docker_config": dir}), enginetest.NewRegistry(t)
	spec, _ := h.pushed(t, r, "version=1")
	r.Suffer(enginetest.Mishap{User: "user", Password: "password"})
	h.send(t, http.MethodPost, "/system/functions", spec).wants(t, http.StatusBadRequest, "docker-credential-not-in-this-container", "docker_config")
}
