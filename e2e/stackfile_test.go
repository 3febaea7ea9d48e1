package e2e

import (
	"bytes"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/openfaas/faas-provider/types"

	"faas-docker/app"
	"faas-docker/engine/enginetest"
)

// stackOf writes files beside a stack file, and returns its path.
func stackOf(t *testing.T, files map[string]string) string {
	t.Helper()
	folder := t.TempDir()
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(folder, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return filepath.Join(folder, "stack.yml")
}

// stackCommand runs the command "stack" as it is run beside the provider.
func (h *host) stackCommand(t *testing.T, settings map[string]string, arguments ...string) (code int, said string) {
	t.Helper()
	var out bytes.Buffer
	pairs := []string{"port", portOf(h.url)}
	for name, value := range settings {
		pairs = append(pairs, name, value)
	}
	code = app.Run(t.Context(), append([]string{"stack"}, arguments...), env(pairs...), &out, &out)
	return code, out.String()
}

func TestStackFile_DeploysWhatBecomesPossible(t *testing.T) {
	path := stackOf(t, map[string]string{
		"stack.yml": `
provider: {name: openfaas}
x-common: &common
    image: ` + image(t, "env") + `${SUFFIX}
    environment_file: [common.yml]
functions:
    "quoted":
        <<: *common
        environment: {tag: "${TAG}"}
        enviroment: {a: b}
    needy: {<<: *common, secrets: [token]}
    spaced:
            <<: *common
            namespace: staging
            secrets: [token]
    bad: {<<: *common, limits: {memory: lots}}
    broken: {image: "${UNCLOSED"}
`,
		"common.yml": "environment:\n  shared: yes\n",
		"vars.env":   "TAG=from a file\n",
	})
	h := startHost(t, enginetest.Network(t), map[string]string{"stack_file": path, "stack_env_file": filepath.Join(filepath.Dir(path), "vars.env")})
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("the provider's log:\n%s", h.log)
		}
	})
	code, said := h.stackCommand(t, nil, "deploy", "20s")
	for _, want := range []string{
		path + ":10: enviroment: unknown key, it has no effect: do you mean environment?",
		"bad.openfaas-fn: failed: limits.memory: \"lots\"",
		"broken.openfaas-fn: failed: line 17: replace variables",
		"needy.openfaas-fn: waiting: secret \"token\" does not exist in namespace \"openfaas-fn\"",
		"quoted.openfaas-fn: ready",
		"spaced.staging: waiting: namespace \"staging\" does not exist",
		"2 of 5 functions of " + path + " are not ready",
	} {
		if !strings.Contains(said, want) {
			t.Errorf("stack deploy does not say %q:\n%s", want, said)
		}
	}
	if code != 1 {
		t.Errorf("stack deploy exits with %d, want 1", code)
	}
	h.get(t, "/function/quoted").wants(t, http.StatusOK, "tag=from a file", "shared=yes")

	h.send(t, http.MethodPost, "/system/secrets", types.Secret{Name: "token", Value: "s3cr3t"}).wants(t, http.StatusCreated)
	h.awaitFunction(t, "needy")
	h.get(t, "/function/needy/secrets/token").wants(t, http.StatusOK, "s3cr3t")
	h.send(t, http.MethodPost, "/system/namespace/", types.FunctionNamespace{Name: "staging"}).wants(t, http.StatusCreated)
	h.get(t, "/function/spaced.staging").wants(t, http.StatusNotFound)
	h.send(t, http.MethodPost, "/system/secrets", types.Secret{Name: "token", Value: "other", Namespace: "staging"}).wants(t, http.StatusCreated)
	h.awaitFunction(t, "spaced.staging")

	mended, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(strings.NewReplacer("lots", "32Mi", "image: \"${UNCLOSED\"", "<<: *common").Replace(string(mended))), 0o600); err != nil {
		t.Fatal(err)
	}
	if code, said := h.stackCommand(t, nil, "deploy"); code != 0 || strings.Count(said, ": ready\n") != 5 || strings.Contains(said, "failed") || strings.Contains(said, "waiting") {
		t.Errorf("once the file is mended stack deploy exits with %d: %s", code, said)
	}
	if code, said := h.stackCommand(t, nil); code != 0 || !strings.Contains(said, "spaced.staging: ready\n") {
		t.Errorf("stack exits with %d: %s", code, said)
	}
}

func (h *host) awaitFunction(t *testing.T, name string) {
	t.Helper()
	eventually(t, name+" answers", func() (bool, string) {
		got := h.get(t, "/function/"+name)
		return got.StatusCode == http.StatusOK, got.body
	})
}

func TestStackFile_IsAskedForWithCredentials(t *testing.T) {
	secrets := t.TempDir()
	for name, text := range map[string]string{"basic-auth-user": "admin", "basic-auth-password": "s3cr3t"} {
		if err := os.WriteFile(filepath.Join(secrets, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	path := stackOf(t, map[string]string{"stack.yml": "provider: {name: openfaas}\n"})
	settings := map[string]string{"basic_auth": "true", "secret_mount_path": secrets}
	h := startHost(t, enginetest.Network(t), map[string]string{"basic_auth": "true", "secret_mount_path": secrets, "stack_file": path})
	if code, said := h.stackCommand(t, settings, "deploy"); code != 0 {
		t.Errorf("with credentials: %d %s", code, said)
	}
	if code, said := h.stackCommand(t, nil); code != 1 || !strings.Contains(said, "401") {
		t.Errorf("without credentials: %d %s", code, said)
	}
}

func TestStackFile_WhereThereIsNone(t *testing.T) {
	h := patient(t)
	if code, said := h.stackCommand(t, nil); code != 1 || !strings.Contains(said, "stack_file") {
		t.Errorf("got %d %s", code, said)
	}
}

func TestStackCommand(t *testing.T) {
	good := stackOf(t, map[string]string{"stack.yml": "provider: {name: openfaas}\nfunctions: {a: {image: \"a:1\"}}\n"})
	bad := stackOf(t, map[string]string{"stack.yml": "provider: {name: openfaas}\nfunctions:\n  a: {image: \"a:1\", enviroment: {}}\n  b: {}\n"})
	for _, tc := range []struct {
		arguments []string
		code      int
		want      []string
	}{
		{[]string{"check", good}, 0, []string{good + ": nothing is wrong with it (functions: 1)"}},
		{[]string{"check", bad}, 1, []string{bad + ":3: enviroment: unknown key", bad + ":4: b: image: missing", "1 of 2 functions"}},
		{[]string{"check", "none.yml"}, 1, []string{"none.yml"}},
		{[]string{"check"}, 1, []string{"want: faas-docker stack"}},
		{[]string{"dance"}, 1, []string{"want: faas-docker stack"}},
		{[]string{"deploy", "soon"}, 1, []string{"soon", "want a positive time"}},
		{nil, 1, []string{"ask for the stack file"}},
	} {
		var out bytes.Buffer
		code := app.Run(t.Context(), append([]string{"stack"}, tc.arguments...), env("port", "1"), &out, &out)
		for _, want := range tc.want {
			if !strings.Contains(out.String(), want) {
				t.Errorf("stack %v: %q does not say %q", tc.arguments, out.String(), want)
			}
		}
		if code != tc.code {
			t.Errorf("stack %v exits with %d, want %d: %s", tc.arguments, code, tc.code, out.String())
		}
	}
}

// Whoever reads docker-compose.yml finds each variable explained.
func TestCompose_VariablesAreExplained(t *testing.T) {
	compose, err := os.ReadFile("docker-compose.yml")
	if err != nil {
		t.Fatal(err)
	}
	page, err := os.ReadFile("docs/install.md")
	if err != nil {
		t.Fatal(err)
	}
	settings, _, _ := strings.Cut(string(compose), "    volumes:\n")
	for _, v := range app.Variables(env()) {
		if v.Name != "insecure" && !strings.Contains(settings, "\n      "+v.Name+":") { // make up wants credentials instead
			t.Errorf("docker-compose.yml does not pass on %s", v.Name)
		}
	}
	found := regexp.MustCompile(`\$\{([A-Z_]+)`).FindAllStringSubmatch(string(compose), -1)
	if len(found) < 10 {
		t.Fatalf("only %d variables in docker-compose.yml", len(found))
	}
	for _, variable := range found {
		if !strings.Contains(string(page), "`"+variable[1]+"`") {
			t.Errorf("docs/install.md does not explain %s", variable[1])
		}
	}
}
