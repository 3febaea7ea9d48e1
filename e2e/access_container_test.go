package e2e

import (
	"context"
	"fmt"
	"net/http"
	"os/exec"
	"strings"
	"testing"

	"faas-docker/engine/enginetest"
)

// A provider in a container, as Compose runs it, sees this machine as the gateway of a
// network.
func TestAccess_ProviderInAContainerKnowsItsMachine(t *testing.T) {
	t.Parallel()
	functions, front := enginetest.Network(t), enginetest.Network(t)
	docker(t, "network", "create", "--label", "com.openfaas.provider="+front, front)
	neighbour := intrude(t, front)
	for _, publish := range []struct {
		name, address string
		own           int
	}{
		{"loopback", "127.0.0.1", http.StatusOK},
		{"all addresses", "0.0.0.0", http.StatusForbidden},
	} {
		t.Run(publish.name, func(t *testing.T) {
			// One that the engine chooses is another when the container joins a network.
			port := freePort(t)
			id := runInContainer(t, functions, front, "-p", publish.address+":"+port+":8080", "-e", "allowed_clients="+neighbour.address)
			h := &host{network: functions, log: &logBuffer{}}
			h.connect("http://127.0.0.1:" + port)
			t.Cleanup(h.client.CloseIdleConnections)
			eventually(t, "the provider is healthy", func() (bool, string) {
				got, err := h.try(t.Context(), request{method: http.MethodGet, path: "/healthz"})
				return err == nil && got.StatusCode == http.StatusOK, fmt.Sprint(got.body, err)
			})
			h.get(t, "/system/functions").wants(t, publish.own)
			h.get(t, "/function/nobody-knows-it").wants(t, http.StatusNotFound)
			in := intrude(t, functions)
			enter(t, in, "http://"+containerAddress(t, id, functions)+":8080/system/functions", "403 functions may not")
			enter(t, in, "http://"+gatewaysOn(t, functions)[0]+":"+portOf(h.url)+"/system/functions", "403", "none")
			enter(t, neighbour, "http://"+containerAddress(t, id, front)+":8080/system/functions", "200")
			stranger := intrude(t, front)
			enter(t, stranger, "http://"+containerAddress(t, id, front)+":8080/system/functions", "403 client")
		})
	}
}

// enter has a container try the system API, and wants one of these answers.
func enter(t *testing.T, in intruder, target string, wants ...string) {
	t.Helper()
	got, err := in.try(t.Context(), http.MethodGet, target, "localhost")
	for _, want := range wants {
		if err == nil && strings.HasPrefix(got, want) {
			return
		}
	}
	t.Errorf("%s: answered %q, %v, want %q", target, got, err, wants)
}

func containerAddress(t *testing.T, id, network string) string {
	t.Helper()
	return docker(t, "inspect", id, "--format", `{{(index .NetworkSettings.Networks "`+network+`").IPAddress}}`)
}

// runInContainer starts a provider in a container on the network front.
func runInContainer(t *testing.T, functions, front string, more ...string) (id string) {
	t.Helper()
	args := []string{"run", "-d", "--network", front, "--entrypoint", "/faas-docker",
		"-v", program(t) + ":/faas-docker:ro", "-v", "/var/run/docker.sock:/var/run/docker.sock", "--tmpfs", "/data",
		"-e", "data_dir=/data", "-e", "host=0.0.0.0", "-e", "insecure=true", "-e", "netns_pool=0", "-e", "function_network=" + functions,
	}
	id = docker(t, append(append(args, more...), image(t, "caller"))...)
	t.Cleanup(func() {
		if t.Failed() {
			out, err := exec.Command("docker", "logs", id).CombinedOutput()
			t.Logf("the provider's log: %s %v", out, err)
		}
		if _, err := runDocker(context.Background(), "rm", "-f", id); err != nil {
			t.Error(err)
		}
	})
	return id
}
