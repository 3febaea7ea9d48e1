package handlers

import (
	"context"
	"net/http"
	"net/http/httptest"
	"net/url"
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/openfaas/faas-provider/types"
	"github.com/openfaas/go-sdk"

	"faas-docker/function"
)

// official is OpenFaaS's own client, logged in to the scene.
func official(t *testing.T, s *scene) *sdk.Client {
	t.Helper()
	auth := BasicAuth{User: "admin", Password: "s3cret"}
	server := httptest.NewServer(auth.Wrap(s.routes()))
	t.Cleanup(server.Close)
	address, err := url.Parse(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	return sdk.NewClient(address, &sdk.BasicAuth{Username: auth.User, Password: auth.Password}, http.DefaultClient)
}

func TestSDK_Functions(t *testing.T) {
	t.Parallel()
	s, did := newScene(), []string{}
	knows(s)
	act := func(verb string, name function.Name) error {
		did = append(did, verb+" "+name.String())
		if name.Name == "nobody" {
			return function.UnknownFunction(name)
		}
		return nil
	}
	s.fleet.create = func(spec function.Spec) (bool, error) { return false, act("create", spec.ID()) }
	s.fleet.update = func(spec function.Spec) (bool, error) { return true, act("update", spec.ID()) }
	s.fleet.delete = func(name function.Name) error { return act("delete", name) }
	s.fleet.scale = func(name function.Name, _ int) error { return act("scale", name) }
	s.fleet.list = func(namespace string) []function.Status {
		figlet, _ := s.fleet.status(function.Name{Name: "figlet", Namespace: namespace})
		return []function.Status{figlet}
	}
	client, ctx := official(t, s), t.Context()

	for verb, deploy := range map[string]func(context.Context, types.FunctionDeployment) (int, error){"create": client.Deploy, "update": client.Update} {
		status, err := deploy(ctx, types.FunctionDeployment{Service: "figlet", Image: "figlet:1", Namespace: "dev"})
		if want := map[string]int{"create": 202, "update": 200}[verb]; err != nil || status != want {
			t.Errorf("%s: got %d, %v, want %d", verb, status, err, want)
		}
		if status, err := deploy(ctx, types.FunctionDeployment{Service: "nobody", Image: "x"}); err == nil || status != 404 {
			t.Errorf("%s nobody: got %d, %v, want 404", verb, status, err)
		}
	}
	if got, err := client.GetFunction(ctx, "figlet", ""); err != nil || got.AvailableReplicas != 1 || got.Labels == nil || got.Annotations == nil {
		t.Errorf("get: got %+v, %v", got, err)
	}
	if got, err := client.GetFunctions(ctx, "openfaas-fn"); err != nil || len(got) != 1 || got[0].InvocationCount != 7 {
		t.Errorf("list: got %+v, %v", got, err)
	}
	if err := client.ScaleFunction(ctx, "figlet", "dev", 3); err != nil {
		t.Errorf("scale: %v", err)
	}
	if err := client.DeleteFunction(ctx, "figlet", "dev"); err != nil {
		t.Errorf("delete: %v", err)
	}
	if err := client.DeleteFunction(ctx, "nobody", ""); err == nil || err.Error() != "function nobody not found" {
		t.Errorf("delete nobody: got %v", err)
	}
	slices.Sort(did)
	want := []string{"create figlet.dev", "create nobody.openfaas-fn", "delete figlet.dev", "delete nobody.openfaas-fn", "scale figlet.dev", "update figlet.dev", "update nobody.openfaas-fn"}
	if !slices.Equal(did, want) {
		t.Errorf("got %q, want %q", did, want)
	}
}

func TestSDK_Secrets(t *testing.T) {
	t.Parallel()
	s, stored := newScene(), map[string]string{}
	s.secrets.names = func(namespace string) []string { return []string{"key-of-" + namespace} }
	s.secrets.create = func(secret function.Secret) error {
		stored[secret.Namespace+"/"+secret.Name] = string(secret.Value)
		return nil
	}
	s.secrets.update = s.secrets.create
	s.secrets.delete = func(namespace, name string) error {
		if _, found := stored[namespace+"/"+name]; !found {
			return function.NotFound("no secret")
		}
		delete(stored, namespace+"/"+name)
		return nil
	}
	s.fleet.secretChanged = noSecretChange
	client, ctx := official(t, s), t.Context()

	if status, err := client.CreateSecret(ctx, types.Secret{Name: "key", Namespace: "dev", Value: "one"}); err != nil || status != 201 {
		t.Errorf("create: got %d, %v, want 201", status, err)
	}
	if status, err := client.UpdateSecret(ctx, types.Secret{Name: "key", Namespace: "dev", RawValue: []byte("two")}); err != nil || status != 200 {
		t.Errorf("update: got %d, %v, want 200", status, err)
	}
	if stored["dev/key"] != "two" {
		t.Errorf("got %q stored, want two", stored)
	}
	if got, err := client.GetSecrets(ctx, "dev"); err != nil || !reflect.DeepEqual(got, []types.Secret{{Name: "key-of-dev", Namespace: "dev"}}) {
		t.Errorf("list: got %+v, %v", got, err)
	}
	if err := client.DeleteSecret(ctx, "key", "dev"); err != nil {
		t.Errorf("delete: %v", err)
	}
	if err := client.DeleteSecret(ctx, "key", "dev"); err == nil || err.Error() != "secret key not found" {
		t.Errorf("delete again: got %v", err)
	}
}

func TestSDK_Namespaces(t *testing.T) {
	t.Parallel()
	s, stored := newScene(), function.Namespace{}
	find := func(name string) (function.Namespace, error) {
		if stored.Name != name {
			return function.Namespace{}, function.NotFound("no namespace")
		}
		return stored, nil
	}
	s.namespaces.all = []function.Namespace{{Name: "dev"}}
	s.namespaces.get = find
	s.namespaces.create = func(n function.Namespace) error { stored = n; return nil }
	s.namespaces.update = s.namespaces.create
	s.fleet.deleteNamespace = func(name string) error { _, err := find(name); stored.Name = ""; return err }
	client, ctx := official(t, s), t.Context()

	if got, err := client.GetNamespaces(ctx); err != nil || !slices.Equal(got, []string{"dev"}) {
		t.Errorf("list: got %q, %v", got, err)
	}
	if status, err := client.CreateNamespace(ctx, types.FunctionNamespace{Name: "dev"}); err != nil || status != 201 {
		t.Errorf("create: got %d, %v, want 201", status, err)
	}
	if status, err := client.UpdateNamespace(ctx, types.FunctionNamespace{Name: "dev", Labels: map[string]string{"team": "a"}}); err != nil || status != 200 {
		t.Errorf("update: got %d, %v, want 200", status, err)
	}
	got, err := client.GetNamespace(ctx, "dev")
	if err != nil || got.Labels["team"] != "a" || got.Annotations["openfaas"] != "1" {
		t.Errorf("get: got %+v, %v", got, err)
	}
	if err := client.DeleteNamespace(ctx, "dev"); err != nil {
		t.Errorf("delete: %v", err)
	}
	if err := client.DeleteNamespace(ctx, "dev"); err == nil || err.Error() != "namespace dev not found" {
		t.Errorf("delete again: got %v", err)
	}
}

func TestSDK_Info(t *testing.T) {
	t.Parallel()
	got, err := official(t, newScene()).GetInfo(t.Context())
	if err != nil || got.Provider.Provider != "faas-docker" || got.Provider.Orchestration != "docker" || got.Version.Release != "1.2.3" || got.Arch == "" {
		t.Errorf("got %+v, %v", got, err)
	}
}

func TestSDK_Logs(t *testing.T) {
	t.Parallel()
	s := newScene()
	knows(s)
	s.fleet.notes = notes(1)
	s.engine.logs = writes(2, "a", "b")
	client, since := official(t, s), at(1).Add(-time.Hour)
	for _, follow := range []bool{false, true} {
		messages, err := client.GetLogs(t.Context(), "figlet", "", follow, -1, &since)
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for message := range messages {
			got = append(got, message.Text)
		}
		if !slices.Equal(got, []string{"note 1", "a", "b"}) {
			t.Errorf("follow %t: got %q", follow, got)
		}
	}
	if _, err := client.GetLogs(t.Context(), "nobody", "", false, 0, nil); err == nil || err.Error() != "function: nobody not found" {
		t.Errorf("nobody: got %v", err)
	}
}
