package e2e

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/openfaas/faas-provider/types"

	"faas-docker/engine/enginetest"
)

func TestRecovery_KilledProviderAdoptsWhatRuns(t *testing.T) {
	t.Parallel()
	network, dataDir := enginetest.Network(t), t.TempDir()
	first := spawn(t, network, dataDir)
	spec := everything(first.host, t)
	first.deploy(t, spec)
	if err := first.sdk.ScaleFunction(t.Context(), spec.Service, defaultNS, 2); err != nil {
		t.Fatal(err)
	}
	before := first.awaitReplicas(t, spec.Service, 2)
	ids := first.containers(t, spec.Service)
	first.kill()

	second := spawn(t, network, dataDir)
	after := second.awaitReplicas(t, spec.Service, 2)
	if now := second.containers(t, spec.Service); !sameSet(ids, now) {
		t.Errorf("containers %v became %v: they were restarted", ids, now)
	}
	if before.InvocationCount, after.InvocationCount = 0, 0; !reflect.DeepEqual(before, after) {
		t.Errorf("status was\n%+v, is\n%+v", before, after)
	}
	second.readsSecret(t, spec.Service, spec.Secrets[0], "s3cr3t")
}

func sameSet(a, b []string) bool {
	return slices.Equal(slices.Sorted(slices.Values(a)), slices.Sorted(slices.Values(b)))
}

func TestRecovery_KilledWhileDeployingLosesNothingAcknowledged(t *testing.T) {
	t.Parallel()
	network, dataDir := enginetest.Network(t), t.TempDir()
	// The moments differ, so that some fall before, some into the start.
	for i, moment := range []time.Duration{0, 20 * time.Millisecond, 100 * time.Millisecond, 250 * time.Millisecond} {
		c := spawn(t, network, dataDir)
		spec := types.FunctionDeployment{Service: fmt.Sprintf("early-%d", i), Image: image(t, "echo"), Namespace: defaultNS}
		if code, err := c.sdk.Deploy(t.Context(), spec); err != nil {
			t.Fatal(code, err)
		}
		time.Sleep(moment) // the moment is what is tested
		c.kill()
	}
	c := spawn(t, network, dataDir)
	for i := range 4 {
		name := fmt.Sprintf("early-%d", i)
		c.awaitReplicas(t, name, 1)
		c.do(t, request{method: http.MethodPost, path: "/function/" + name, body: "alive"}).wants(t, http.StatusOK, "alive")
	}
	eventually(t, "one container for each function", func() (bool, string) {
		all := containersOn(t, network)
		return len(all) == 4, fmt.Sprint(all)
	})
}

func TestRecovery_LostStoreIsRebuiltFromContainers(t *testing.T) {
	t.Parallel()
	network, dataDir := enginetest.Network(t), t.TempDir()
	first := spawn(t, network, dataDir)
	spec := everything(first.host, t)
	first.deploy(t, spec)
	before := first.status(t, spec.Service)
	ids := first.containers(t, spec.Service)
	first.kill()
	if err := os.RemoveAll(dataDir); err != nil {
		t.Fatal(err)
	}

	second := spawn(t, network, dataDir)
	second.awaitHealthy(t)
	eventually(t, "the function is known", func() (bool, string) {
		got := second.get(t, "/system/function/"+spec.Service)
		return got.StatusCode == http.StatusOK, got.body
	})
	after := second.awaitReplicas(t, spec.Service, 1)
	if now := second.containers(t, spec.Service); !sameSet(ids, now) {
		t.Errorf("containers %v became %v: they were restarted", ids, now)
	}
	before.InvocationCount, after.InvocationCount = 0, 0
	// The function was created a moment before its container, of which the labels tell.
	if gap := after.CreatedAt.Sub(before.CreatedAt).Abs(); gap > time.Minute {
		t.Errorf("created at %s, it was %s", after.CreatedAt, before.CreatedAt)
	}
	after.CreatedAt = before.CreatedAt
	if !reflect.DeepEqual(before, after) {
		t.Errorf("status was\n%+v, is\n%+v", before, after)
	}
	if !strings.Contains(second.log.String(), "adopted") {
		t.Error("the log does not say that the function was adopted")
	}
	listed, err := second.sdk.GetSecrets(t.Context(), defaultNS)
	if err != nil || len(listed) != 1 || listed[0].Name != spec.Secrets[0] {
		t.Fatalf("secrets: %+v, %v; want %s", listed, err, spec.Secrets[0])
	}
	// The secret that was read back must also be good for new containers.
	if err := second.sdk.ScaleFunction(t.Context(), spec.Service, defaultNS, 2); err != nil {
		t.Fatal(err)
	}
	second.awaitReplicas(t, spec.Service, 2)
	for range 4 {
		second.readsSecret(t, spec.Service, spec.Secrets[0], "s3cr3t")
	}
}

func TestRecovery_SecondProviderOnTheSameStoreIsRefused(t *testing.T) {
	t.Parallel()
	network, dataDir := enginetest.Network(t), t.TempDir()
	first := spawn(t, network, dataDir)
	_, err := trySpawn(t, network, dataDir)
	if err == nil {
		t.Fatal("it serves beside the first")
	}
	if !strings.Contains(err.Error(), dataDir) || !strings.Contains(err.Error(), "another") {
		t.Errorf("%v: want the store's path and that another provider has it", err)
	}
	first.awaitHealthy(t)
}

// With a store of its own each would remove what the other starts.
func TestRecovery_SecondProviderOnTheSameNetworkIsRefused(t *testing.T) {
	t.Parallel()
	network, dataDir := enginetest.Network(t), t.TempDir()
	first := spawn(t, network, dataDir)
	_, err := trySpawn(t, network, t.TempDir())
	if err == nil {
		t.Fatal("it serves beside the first")
	}
	if !strings.Contains(err.Error(), network) || !strings.Contains(err.Error(), "function_network") {
		t.Errorf("%v: want the network's name and what to do", err)
	}
	first.kill()
	spawn(t, network, dataDir)
}

// Two providers with networks of their own have nothing to do with one another.
func TestRecovery_TwoProvidersOnOneEngineDoNotSeeEachOther(t *testing.T) {
	t.Parallel()
	one, two := spawn(t, enginetest.Network(t), t.TempDir()), spawn(t, enginetest.Network(t), t.TempDir())
	spec := types.FunctionDeployment{Service: "same", Image: image(t, "env"), Namespace: defaultNS, EnvVars: map[string]string{"owner": "one"}}
	one.deploy(t, spec)
	two.get(t, "/system/functions").wants(t, http.StatusOK, "[]")
	two.get(t, "/function/same").wants(t, http.StatusNotFound)
	spec.EnvVars["owner"] = "two"
	two.deploy(t, spec)
	ours := one.container(t, "same")
	two.kill()
	two = spawn(t, two.network, two.dataDir)
	two.awaitReplicas(t, "same", 1)
	two.get(t, "/function/same").wants(t, http.StatusOK, "owner=two")
	if err := two.sdk.DeleteFunction(t.Context(), "same", defaultNS); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the second one's is gone", func() (bool, string) { left := two.containers(t, "same"); return len(left) == 0, fmt.Sprint(left) })
	one.get(t, "/function/same").wants(t, http.StatusOK, "owner=one")
	if now := one.container(t, "same"); now != ours {
		t.Error("the first one's replica was replaced")
	}
}

func TestRecovery_StoppedProviderLeavesFunctionsRunning(t *testing.T) {
	t.Parallel()
	network, dataDir := enginetest.Network(t), t.TempDir()
	first := spawn(t, network, dataDir)
	spec := types.FunctionDeployment{Service: "stays", Image: image(t, "sleep"), Namespace: defaultNS}
	first.deploy(t, spec)
	id := first.container(t, spec.Service)
	ended := make(chan string, 1)
	go func() {
		got, err := first.try(t.Context(), request{method: http.MethodGet, path: "/function/stays?d=1s"})
		ended <- fmt.Sprintf("%d %v", statusOf(got), err)
	}()
	eventually(t, "the call is under way", func() (bool, string) { return first.status(t, spec.Service).InvocationCount == 1, "" })
	if err := first.terminate(); err != nil {
		t.Errorf("the provider ended with %v\n%s", err, first.log)
	}
	if got := <-ended; got != "200 <nil>" {
		t.Errorf("the call under way ended with %s", got)
	}
	second := spawn(t, network, dataDir)
	second.awaitReplicas(t, spec.Service, 1)
	if now := second.container(t, spec.Service); now != id {
		t.Error("the container was restarted")
	}
}

// Followers of logs never end by themselves.
func TestRecovery_StopsAtOnceWithFollowersOfLogs(t *testing.T) {
	t.Parallel()
	c := spawn(t, enginetest.Network(t), t.TempDir())
	c.deploy(t, types.FunctionDeployment{Service: "quiet", Image: image(t, "echo"), Namespace: defaultNS})
	f := c.follow(t, t.Context(), "quiet")
	f.until("is ready")
	began := time.Now()
	if err := c.terminate(); err != nil {
		t.Errorf("the provider ended with %v\n%s", err, c.log)
	}
	if took := time.Since(began); took > 5*time.Second {
		t.Errorf("stopping took %s", took)
	}
}

func TestRecovery_StackFileIsDeployedAtStart(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	stack := "version: 1.0\nprovider:\n  name: openfaas\n  gateway: http://127.0.0.1:8080\nfunctions:\n  from-stack:\n    lang: dockerfile\n    handler: ./x\n    image: " + image(t, "env") + "\n    environment:\n      colour: red\n"
	if err := os.WriteFile(folder+"/stack.yml", []byte(stack), 0o600); err != nil {
		t.Fatal(err)
	}
	network, dataDir := enginetest.Network(t), t.TempDir()
	first := spawn(t, network, dataDir, "stack_file="+folder+"/stack.yml")
	eventually(t, "the function of the stack file serves", func() (bool, string) {
		got := first.get(t, "/function/from-stack")
		return got.StatusCode == http.StatusOK && strings.Contains(got.body, "colour=red\n"), got.body
	})
	id := first.container(t, "from-stack")
	first.kill()
	second := spawn(t, network, dataDir, "stack_file="+folder+"/stack.yml")
	second.awaitReplicas(t, "from-stack", 1)
	if now := second.container(t, "from-stack"); now != id {
		t.Error("an unchanged function was deployed again")
	}
}

func TestRecovery_WhatHandsDoToContainersIsPutRight(t *testing.T) {
	t.Parallel()
	h := ownHost(t, nil)
	for _, tc := range []struct {
		name     string
		act      []string
		replaced bool
	}{
		{"removed", []string{"rm", "-f"}, true},
		{"killed", []string{"kill"}, true},
		{"stopped", []string{"stop"}, true},
		{"paused", []string{"pause"}, false},
		{"restarted", []string{"restart"}, false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			h.explainFailure(t)
			spec := h.spec(t, "echo")
			h.deploy(t, spec)
			id := h.container(t, spec.Service)
			_, err := runDocker(t.Context(), append(tc.act, id)...)
			// Docker restarts by a stop and a start. The provider may replace the stopped replica
			// in between, and then the start fails in one of many ways, but only then.
			restarted := tc.name == "restarted"
			if err != nil && !restarted {
				t.Fatal(err)
			}
			either := restarted && err == nil
			replaced := tc.replaced || err != nil
			began := time.Now()
			h.do(t, request{method: http.MethodPost, path: "/function/" + spec.Service, body: "alive"}).wants(t, http.StatusOK, "alive")
			t.Logf("the first call was answered after %s", time.Since(began).Round(time.Millisecond))
			h.awaitReplicas(t, spec.Service, 1)
			eventually(t, "one container is left", func() (bool, string) {
				ids := h.containers(t, spec.Service)
				right := len(ids) == 1 && (either || (ids[0] != id) == replaced)
				return right, fmt.Sprintf("%v, was %s", ids, id)
			})
		})
	}
}

// A label of ours on somebody else's container must not make it ours.
func TestRecovery_OtherContainersAreLeftAlone(t *testing.T) {
	t.Parallel()
	h := startHost(t, enginetest.Network(t), nil)
	spec := h.spec(t, "echo")
	h.deploy(t, spec) // makes sure that the network is there
	other := docker(t, "run", "-d", "--label", "com.openfaas.function="+spec.Service, "--label", "com.openfaas.namespace="+defaultNS,
		"--label", "com.openfaas.provider=somebody-else-"+h.network, "--network", h.network, spec.Image)
	t.Cleanup(func() { _, _ = runDocker(context.Background(), "rm", "-f", other) })
	if err := h.sdk.DeleteFunction(t.Context(), spec.Service, defaultNS); err != nil {
		t.Fatal(err)
	}
	eventually(t, "ours is gone", func() (bool, string) { left := h.containers(t, spec.Service); return len(left) == 0, fmt.Sprint(left) })
	if state := docker(t, "inspect", "--format", "{{.State.Status}}", other); state != "running" {
		t.Errorf("the other container is %s", state)
	}
}
