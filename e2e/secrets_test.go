package e2e

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/openfaas/faas-provider/types"

	"faas-docker/function"
)

// secret makes a secret with a name of the test's own, which goes with the test.
func (h *host) secret(t testing.TB, value string) types.Secret {
	t.Helper()
	s := types.Secret{Name: fmt.Sprintf("key-%s-%d", tokenOf(t), serial.Add(1)), Namespace: defaultNS, Value: value}
	if code, err := h.sdk.CreateSecret(t.Context(), s); err != nil {
		t.Fatalf("create secret: %d %v", code, err)
	}
	return s
}

// withSecret deploys a function that shows the secrets it was given.
func (h *host) withSecret(t testing.TB, names ...string) types.FunctionDeployment {
	t.Helper()
	spec := h.spec(t, "env")
	spec.Secrets = names
	h.deploy(t, spec)
	return spec
}

func (h *host) readsSecret(t testing.TB, name, secret, want string) {
	t.Helper()
	if got := h.get(t, "/function/"+name+"/secrets/"+secret).wants(t, http.StatusOK).body; got != want {
		t.Errorf("the function reads %q, want %q", clipped(got), clipped(want))
	}
}

func TestSecrets_AreFilesWithTheExactBytes(t *testing.T) {
	t.Parallel()
	h := patient(t)
	bytes := make([]byte, 256)
	for i := range bytes {
		bytes[i] = byte(i)
	}
	for _, tc := range []struct {
		name   string
		secret types.Secret
		want   string
	}{
		{"text", types.Secret{Value: "päss\nword \n"}, "päss\nword \n"},
		{"raw", types.Secret{RawValue: bytes}, string(bytes)},
		{"both", types.Secret{Value: "trimmed", RawValue: []byte("trimmed\n")}, "trimmed\n"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			tc.secret.Name, tc.secret.Namespace = fmt.Sprintf("bytes-%s-%d", tc.name, serial.Add(1)), defaultNS
			if code, err := h.sdk.CreateSecret(t.Context(), tc.secret); err != nil {
				t.Fatal(code, err)
			}
			spec := h.withSecret(t, tc.secret.Name)
			h.readsSecret(t, spec.Service, tc.secret.Name, tc.want)
		})
	}
}

func TestSecrets_StatusCodes(t *testing.T) {
	t.Parallel()
	h := patient(t)
	const name = "codes"
	known := map[string]string{"name": name, "value": "v3ryS3cret"}
	unknown := map[string]string{"name": "nobody-knows-it", "value": "v3ryS3cret"}
	for _, tc := range []struct {
		name, method string
		body         any
		status       int
		word         string
	}{
		{"create", http.MethodPost, known, http.StatusCreated, ""},
		{"create again", http.MethodPost, known, http.StatusConflict, name},
		{"update", http.MethodPut, known, http.StatusOK, ""},
		{"update of unknown", http.MethodPut, unknown, http.StatusNotFound, "nobody-knows-it"},
		{"delete", http.MethodDelete, map[string]string{"name": name}, http.StatusOK, ""},
		{"delete again", http.MethodDelete, map[string]string{"name": name}, http.StatusNotFound, name},
		{"no name", http.MethodPost, map[string]string{"value": "v"}, http.StatusBadRequest, "name"},
		{"path as name", http.MethodPost, map[string]string{"name": "../../etc/passwd", "value": "v"}, http.StatusBadRequest, "name"},
		{"no value", http.MethodPost, map[string]string{"name": "empty"}, http.StatusBadRequest, "value"},
		{"bad base64", http.MethodPost, map[string]string{"name": "bad", "rawValue": "§"}, http.StatusBadRequest, "rawValue"},
		{"namespace nobody made", http.MethodPost, map[string]string{"name": "far", "value": "v", "namespace": "nobody-lives-here"}, http.StatusNotFound, "nobody-lives-here"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			h.send(t, tc.method, "/system/secrets", tc.body).wants(t, tc.status, tc.word)
		})
	}
}

func TestSecrets_ListHasNamesAndNoValues(t *testing.T) {
	t.Parallel()
	h := patient(t)
	secret := h.secret(t, "l1stV4lue")
	listed, err := h.sdk.GetSecrets(t.Context(), defaultNS)
	if err != nil {
		t.Fatal(err)
	}
	if !slices.ContainsFunc(listed, func(s types.Secret) bool { return s.Name == secret.Name && s.Namespace == defaultNS }) {
		t.Errorf("%s is not in %+v", secret.Name, listed)
	}
	if body := h.get(t, "/system/secrets").wants(t, http.StatusOK).body; strings.Contains(body, "l1stV4lue") {
		t.Error("the list shows a value")
	}
	if body := h.get(t, "/system/secrets?namespace=nobody-lives-here").wants(t, http.StatusOK).body; strings.TrimSpace(body) != "[]" {
		t.Errorf("nobody's secrets: %s, want []", body)
	}
}

func TestSecrets_MissingOneIsRefusedAndNamed(t *testing.T) {
	t.Parallel()
	h := patient(t)
	spec := h.spec(t, "env")
	spec.Secrets = []string{"never-created"}
	h.send(t, http.MethodPost, "/system/functions", spec).wants(t, http.StatusBadRequest, "secrets", "never-created")
	h.get(t, "/system/function/"+spec.Service).wants(t, http.StatusNotFound)
}

func TestSecrets_UpdateReachesTheRunningFunctionWithin5Seconds(t *testing.T) {
	t.Parallel()
	h := patient(t)
	secret := h.secret(t, "before")
	spec := h.withSecret(t, secret.Name)
	running := h.container(t, spec.Service)
	began := time.Now()
	secret.Value = "after"
	if _, err := h.sdk.UpdateSecret(t.Context(), secret); err != nil {
		t.Fatal(err)
	}
	h.awaitSecret(t, spec.Service, secret)
	if took := time.Since(began); took > 5*time.Second {
		t.Errorf("it took %s, want at most 5s", took)
	}
	if now := h.container(t, spec.Service); now != running {
		t.Error("the function was restarted for it")
	}
}

func (h *host) awaitSecret(t testing.TB, name string, secret types.Secret) {
	t.Helper()
	eventually(t, "the function reads "+secret.Value, func() (bool, string) {
		got := h.get(t, "/function/"+name+"/secrets/"+secret.Name).body
		return got == secret.Value, got
	})
}

// The first update is still being written to the container when the next one
// comes.
func TestSecrets_LastOfQuickUpdatesArrives(t *testing.T) {
	t.Parallel()
	h := patient(t)
	secret := h.secret(t, "value-0")
	spec := h.withSecret(t, secret.Name)
	for i := range 5 {
		secret.Value = fmt.Sprintf("value-%d", i+1)
		if _, err := h.sdk.UpdateSecret(t.Context(), secret); err != nil {
			t.Fatal(err)
		}
	}
	h.awaitSecret(t, spec.Service, secret)
}

func TestSecrets_UpdateReachesAFunctionThatWakesLater(t *testing.T) {
	t.Parallel()
	h := patient(t)
	secret := h.secret(t, "before")
	spec := h.withSecret(t, secret.Name)
	if err := h.sdk.ScaleFunction(t.Context(), spec.Service, defaultNS, 0); err != nil {
		t.Fatal(err)
	}
	eventually(t, "no container", func() (bool, string) { left := h.containers(t, spec.Service); return len(left) == 0, fmt.Sprint(left) })
	secret.Value = "after"
	if _, err := h.sdk.UpdateSecret(t.Context(), secret); err != nil {
		t.Fatal(err)
	}
	h.readsSecret(t, spec.Service, secret.Name, "after")
}

func TestSecrets_AreReadOnlyAndWorkWithAReadOnlyRoot(t *testing.T) {
	t.Parallel()
	h := patient(t)
	secret := h.secret(t, "read-only")
	spec := h.spec(t, "probe")
	spec.Secrets, spec.ReadOnlyRootFilesystem = []string{secret.Name}, true
	h.deploy(t, spec)
	for _, tc := range []struct {
		path   string
		status int
	}{
		{"/read?path=/var/openfaas/secrets/" + secret.Name, http.StatusOK},
		{"/write?path=/var/openfaas/secrets/" + secret.Name, http.StatusInternalServerError},
		{"/write?path=/var/openfaas/secrets/other", http.StatusInternalServerError},
		{"/write?path=/other", http.StatusInternalServerError},
		{"/write?path=/tmp/.lock", http.StatusOK},
	} {
		h.get(t, "/function/"+spec.Service+tc.path).wants(t, tc.status)
	}
}

func TestSecrets_ValueIsNowhereToBeSeen(t *testing.T) {
	t.Parallel()
	h := patient(t)
	const value = "n0whereT0BeSeen"
	secret := h.secret(t, value)
	spec := h.withSecret(t, secret.Name)
	secret.Value = value + "2"
	if _, err := h.sdk.UpdateSecret(t.Context(), secret); err != nil {
		t.Fatal(err)
	}
	h.awaitSecret(t, spec.Service, secret)
	id := h.container(t, spec.Service)
	volumes := strings.Fields(docker(t, "volume", "ls", "-q", "--filter", "label=com.openfaas.provider="+h.network, "--filter", "label=com.openfaas.function="+spec.Service))
	if len(volumes) == 0 {
		t.Fatal("no volume of secrets was found: this test no longer looks at the right place")
	}
	for place, text := range map[string]string{
		"docker inspect":        docker(t, "inspect", id),
		"docker volume inspect": docker(t, append([]string{"volume", "inspect"}, volumes...)...),
		"docker logs":           docker(t, "logs", id),
		"status":                h.get(t, "/system/function/"+spec.Service+"?usage=1").body,
		"list of functions":     h.get(t, "/system/functions").body,
		"list of secrets":       h.get(t, "/system/secrets").body,
		"function's log":        h.get(t, "/system/logs?name="+spec.Service).body,
		"metrics":               h.get(t, "/metrics").body,
		"provider's log":        h.log.String(),
	} {
		if strings.Contains(text, value) {
			t.Errorf("%s shows the value", place)
		}
	}
}

func TestSecrets_BelongToTheirNamespace(t *testing.T) {
	t.Parallel()
	h := patient(t)
	far := h.namespace(t)
	secret := h.secret(t, "here")
	if _, err := h.sdk.CreateSecret(t.Context(), types.Secret{Name: secret.Name, Namespace: far, Value: "there"}); err != nil {
		t.Fatal(err)
	}
	spec := h.withSecret(t, secret.Name)
	spec.Namespace = far
	if code, err := h.sdk.Deploy(t.Context(), spec); err != nil {
		t.Fatal(code, err)
	}
	h.awaitReplicas(t, spec.Service+"."+far, 1)
	h.readsSecret(t, spec.Service, secret.Name, "here")
	h.readsSecret(t, spec.Service+"."+far, secret.Name, "there")
	var listed []types.Secret
	if err := json.Unmarshal([]byte(h.get(t, "/system/secrets?namespace="+far).body), &listed); err != nil || len(listed) != 1 {
		t.Errorf("%+v, %v; want the one secret of %s", listed, err, far)
	}
}

// Docker Swarm and faasd take names that Kubernetes does not; all are files.
func TestSecrets_NamesAreThoseOfOtherProviders(t *testing.T) {
	t.Parallel()
	h := patient(t)
	suffix := fmt.Sprint(serial.Add(1))
	var names []string
	for _, name := range []string{"db_password", "DB_PASSWORD", "_token", "key_", "a__b", "My.Key_2-x", ".dockerconfigjson", "tls.crt", "0", "a-"} {
		name += suffix
		names = append(names, name)
		h.send(t, http.MethodPost, "/system/secrets", map[string]string{"name": name, "value": "of " + name}).wants(t, http.StatusCreated)
	}
	spec := h.withSecret(t, names...)
	listed := h.get(t, "/system/secrets").body
	for _, name := range names {
		h.readsSecret(t, spec.Service, name, "of "+name)
		if !strings.Contains(listed, `"name":"`+name+`"`) {
			t.Errorf("%s is not in the list", name)
		}
	}
	h.send(t, http.MethodPut, "/system/secrets", map[string]string{"name": names[0], "value": "new"}).wants(t, http.StatusOK)
	h.awaitSecret(t, spec.Service, types.Secret{Name: names[0], Value: "new"})
	for _, name := range []string{"..", "...", "a..b", "../x", "..staging", "a/b", "/x", `a\b`, "-a", "a b", "a\x00b", "ä", strings.Repeat("a", 254)} {
		h.send(t, http.MethodPost, "/system/secrets", map[string]string{"name": name, "value": "v"}).wants(t, http.StatusBadRequest, "name")
		spec.Secrets = []string{name}
		h.send(t, http.MethodPut, "/system/functions", spec).wants(t, http.StatusBadRequest, "secrets[0]")
	}
}

func TestSecrets_InUseAreNotDeleted(t *testing.T) {
	t.Parallel()
	h := patient(t)
	secret := h.secret(t, "kept")
	remove := func() answer { return h.send(t, http.MethodDelete, "/system/secrets", secret) }
	spec := h.withSecret(t, secret.Name)
	remove().wants(t, http.StatusConflict, secret.Name, spec.Service)

	if err := h.sdk.ScaleFunction(t.Context(), spec.Service, defaultNS, 0); err != nil {
		t.Fatal(err)
	}
	eventually(t, "no container", func() (bool, string) { left := h.containers(t, spec.Service); return len(left) == 0, fmt.Sprint(left) })
	remove().wants(t, http.StatusConflict, secret.Name, spec.Service)
	h.readsSecret(t, spec.Service, secret.Name, "kept")

	spec.Secrets, spec.Annotations = nil, &map[string]string{function.AnnotationRollback: "10m"}
	h.update(t, spec)
	h.awaitFrozen(t, spec.Service, 1)
	remove().wants(t, http.StatusConflict, secret.Name, spec.Service, "rollback")
	h.send(t, http.MethodPost, "/system/rollback/"+spec.Service, nil).wants(t, http.StatusOK)
	h.readsSecret(t, spec.Service, secret.Name, "kept")

	if err := h.sdk.DeleteFunction(t.Context(), spec.Service, defaultNS); err != nil {
		t.Fatal(err)
	}
	remove().wants(t, http.StatusOK)
	remove().wants(t, http.StatusNotFound)
}
