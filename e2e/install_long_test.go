//go:build long

package e2e

import (
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/openfaas/faas-provider/types"
)

// installed is a copy of the repository in which make up has run, on an engine of the
// test's own.
type installed struct {
	*host
	folder string
}

// copyRepository copies what a clone would have to a folder with blanks in its name.
func copyRepository(t *testing.T) string {
	t.Helper()
	folder := filepath.Join(t.TempDir(), "a clone with blanks")
	out, err := exec.Command("git", "ls-files", "--cached", "--others", "--exclude-standard", "-z").Output()
	if err != nil {
		t.Fatalf("list the files of the repository: %v", err)
	}
	for _, path := range strings.Split(strings.TrimSuffix(string(out), "\x00"), "\x00") {
		info, err := os.Stat(path)
		if err != nil {
			continue // deleted, and not yet committed
		}
		raw, err := os.ReadFile(path)
		if err == nil {
			err = os.MkdirAll(filepath.Dir(filepath.Join(folder, path)), 0o755)
		}
		if err == nil {
			err = os.WriteFile(filepath.Join(folder, path), raw, info.Mode().Perm())
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	return folder
}

// make runs a target of the Makefile, and returns what it printed.
func (i *installed) make(t *testing.T, arguments ...string) (string, error) {
	t.Helper()
	command := exec.CommandContext(t.Context(), "make", arguments...)
	command.Dir = i.folder
	out, err := command.CombinedOutput()
	t.Logf("make %s: %v\n%s", strings.Join(arguments, " "), err, out)
	return string(out), err
}

func (i *installed) mustMake(t *testing.T, arguments ...string) string {
	t.Helper()
	out, err := i.make(t, arguments...)
	if err != nil {
		t.Fatalf("make %v: %v", arguments, err)
	}
	return out
}

// wantWorking checks that the provider can ask the engine for something new.
func (i *installed) wantWorking(t *testing.T, name string) {
	t.Helper()
	eventually(t, "the provider is healthy", func() (bool, string) {
		got, err := i.try(t.Context(), request{method: http.MethodGet, path: "/healthz"})
		return err == nil && got.StatusCode == http.StatusOK, got.body
	})
	i.send(t, http.MethodPost, "/system/functions", types.FunctionDeployment{Service: name, Image: "faas-docker/echo:latest"}).wants(t, http.StatusAccepted)
	for _, f := range []string{name, "echo"} {
		eventually(t, f+" answers", func() (bool, string) {
			got, err := i.try(t.Context(), request{method: http.MethodPost, path: "/function/" + f, body: "hello"})
			return err == nil && got.body == "hello", got.body
		})
	}
}

// wantToOutlive restarts the engine, and checks that the provider works with the new one.
func (i *installed) wantToOutlive(t *testing.T, e *ownEngine, name string, signal syscall.Signal, live bool) {
	t.Helper()
	provider := i.provider(t)
	e.stop(t, signal)
	e.start(t, live)
	began := time.Now()
	i.wantWorking(t, name)
	t.Logf("%s: works again after %s", name, time.Since(began).Round(time.Millisecond))
	if now := i.provider(t); now != provider {
		t.Errorf("%s: the provider's container %s became %s", name, provider, now)
	}
}

func (i *installed) provider(t *testing.T) string {
	t.Helper()
	return docker(t, "ps", "--filter", "label=com.docker.compose.service=provider", "--format", "{{.ID}}")
}

// TestInstall_OutlivesItsEngine runs make up and restarts the engine in every way there is:
// the provider, in its container, finds the new engine by itself. In the end make down has
// undone all.
func TestInstall_OutlivesItsEngine(t *testing.T) {
	if !secluded(t) {
		return
	}
	var e ownEngine
	e.lend(t, true)
	before := onEngine(t)
	i := &installed{host: &host{log: &logBuffer{}}, folder: copyRepository(t)}
	i.connect("http://127.0.0.1:8080")
	if said := i.mustMake(t, "up"); !strings.Contains(said, "curl http://127.0.0.1:8080/function/echo -d 'hello'") {
		t.Errorf("make up does not say what to try: %s", said)
	}
	i.wantWorking(t, "first")
	i.wantToOutlive(t, &e, "terminated-live", syscall.SIGTERM, true)
	i.wantToOutlive(t, &e, "killed-live", syscall.SIGKILL, true)
	// Without live-restore an engine ends what it finds running, and starts nothing of it.
	e.stop(t, syscall.SIGTERM)
	e.start(t, false)
	i.mustMake(t, "up")
	i.wantToOutlive(t, &e, "terminated", syscall.SIGTERM, false)
	if said, err := i.make(t, "up", "FAAS_HOST=0.0.0.0"); err == nil || !strings.Contains(said, "BASIC_AUTH=true") {
		t.Errorf("published without credentials: %v: %s", err, said)
	}
	i.mustMake(t, "up", "FAAS_HOST=0.0.0.0", "BASIC_AUTH=true")
	i.get(t, "/system/functions").wants(t, http.StatusUnauthorized)
	i.get(t, "/function/echo").wants(t, http.StatusOK)
	i.mustMake(t, "down")
	if after := onEngine(t); !slices.Equal(before, after) {
		t.Errorf("make down leaves %v, and there was %v", after, before)
	}
	if left, err := os.ReadDir(filepath.Join(i.folder, ".secrets")); err == nil {
		t.Errorf("make down leaves secrets: %v", left)
	}
}

// onEngine lists what an engine has, but for images, by name: an engine that is started
// again gives its own networks other identifiers.
func onEngine(t *testing.T) []string {
	t.Helper()
	var list []string
	for kind, name := range map[string]string{"container ls --all": "{{.Names}}", "volume ls": "{{.Name}}", "network ls": "{{.Name}}"} {
		list = append(list, strings.Fields(docker(t, append(strings.Fields(kind), "--format", name)...))...)
	}
	slices.Sort(list)
	return list
}
