package engine_test

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/filters"
	"github.com/docker/docker/api/types/volume"

	"faas-docker/engine"
	"faas-docker/function"
)

const secretsPath = "/var/openfaas/secrets"

func TestSecrets_AreReadOnlyFiles(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	f := s.function("figlet", withSecrets("token", "api.key"), func(f *function.Function) { f.ReadOnlyRootFilesystem = true })
	want := map[string][]byte{"token": []byte("s3cret-value"), "api.key": {0, 255, '\n'}}
	if err := s.PutSecrets(t.Context(), f, want); err != nil {
		t.Fatal(err)
	}
	replica := s.start(f)
	for name, value := range want {
		if _, got := s.call(replica, "/read", url.Values{"path": {secretsPath + "/" + name}}); got != string(value) {
			t.Errorf("%s: got %q, want %q", name, got, value)
		}
	}
	if code, _ := s.call(replica, "/write", url.Values{"path": {secretsPath + "/token"}}); code != 500 {
		t.Errorf("got %d for a write to a secret, want 500", code)
	}
	got, err := s.SecretsOf(t.Context(), replica.ID)
	if err != nil || len(got) != 2 || string(got["token"]) != "s3cret-value" || string(got["api.key"]) != string(want["api.key"]) {
		t.Errorf("read back %q, %v, want %q", got, err, want)
	}
	inspected, err := s.docker.ContainerInspect(t.Context(), replica.ID)
	if err != nil {
		t.Fatal(err)
	}
	if text, _ := json.Marshal(inspected); strings.Contains(string(text), "s3cret-value") {
		t.Errorf("the value shows in docker inspect")
	}
}

// Most images of functions run as a user of their own.
func TestSecrets_AreReadableByAnyUser(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	f := s.function("figlet", withSecrets("token"))
	if err := s.PutSecrets(t.Context(), f, map[string][]byte{"token": []byte("x")}); err != nil {
		t.Fatal(err)
	}
	replica := s.start(f)
	root := s.modeOf(replica, "token")
	made, err := s.docker.ContainerCreate(t.Context(), &container.Config{
		Image: s.imageID, User: "1000:1000", Labels: map[string]string{function.LabelProvider: s.network},
	}, &container.HostConfig{
		NetworkMode: container.NetworkMode(s.network),
		Binds:       []string{s.network + ".figlet.dev.1.secrets:" + secretsPath + ":ro"},
	}, nil, nil, "")
	if err != nil {
		t.Fatal(err)
	}
	if err := s.docker.ContainerStart(t.Context(), made.ID, container.StartOptions{}); err != nil {
		t.Fatal(err)
	}
	found, err := s.docker.ContainerInspect(t.Context(), made.ID)
	if err != nil {
		t.Fatal(err)
	}
	other := function.Replica{Address: netip.AddrPortFrom(netip.MustParseAddr(found.NetworkSettings.Networks[s.network].IPAddress), 8080)}
	s.awaitReady(other)
	if user := s.modeOf(other, "token"); root != "-r--r--r--" || user != root {
		t.Errorf("got modes %q for root, %q for user 1000, want -r--r--r-- for both", root, user)
	}
}

// modeOf returns the mode of a secret that can be read; otherwise the trouble.
func (s *scene) modeOf(replica function.Replica, name string) string {
	s.t.Helper()
	response, err := http.Get("http://" + replica.Address.String() + "/read?path=" + secretsPath + "/" + name)
	if err != nil {
		s.t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	if response.StatusCode != http.StatusOK {
		body, _ := io.ReadAll(response.Body)
		return string(body)
	}
	return response.Header.Get("X-Mode")
}

func TestSecrets_FunctionWithoutHasNoVolume(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	replica := s.start(s.function("figlet"))
	inspected, err := s.docker.ContainerInspect(t.Context(), replica.ID)
	if err != nil || len(inspected.Mounts) != 0 {
		t.Errorf("got mounts %v, %v, want none", inspected.Mounts, err)
	}
	if got, err := s.SecretsOf(t.Context(), replica.ID); err != nil || len(got) != 0 {
		t.Errorf("got %v, %v, want none", got, err)
	}
	if _, err := s.SecretsOf(t.Context(), "missing"); !errors.Is(err, function.ErrNotFound) {
		t.Errorf("got %v for a replica that is not there, want an ErrNotFound", err)
	}
}

// A reader that runs all the time sees the old value and then the new one, and
// nothing between them; that a file may be absent for an instant is documented.
func TestPutSecrets_ReachesRunningReplicasWhole(t *testing.T) {
	t.Parallel()
	const size = 256 << 10
	s := newScene(t)
	f := s.function("figlet", withSecrets("token"))
	put := func(letter string) {
		t.Helper()
		if err := s.PutSecrets(t.Context(), f, map[string][]byte{"token": []byte(strings.Repeat(letter, size))}); err != nil {
			t.Fatal(err)
		}
	}
	put("a")
	replica := s.start(f)
	type answer struct {
		body string
		err  error
	}
	answers := make(chan answer, 1)
	go func() {
		query := url.Values{"path": {secretsPath + "/token"}, "until": {"z"}, "size": {"262144"}}
		_, body, err := post(t.Context(), replica, "/watch", query, "")
		answers <- answer{body, err}
	}()
	for _, letter := range []string{"b", "c", "d", "e", "f", "z"} {
		put(letter)
	}
	got := <-answers
	var seen map[string]int
	if err := json.Unmarshal([]byte(got.body), &seen); err != nil || got.err != nil {
		t.Fatalf("%v, %v: %s", err, got.err, got.body)
	}
	t.Logf("the reader saw %v", seen)
	if seen["torn"] != 0 || seen["whole"] == 0 {
		t.Errorf("got %v, want whole values only", seen)
	}
	if _, names := s.call(replica, "/list", url.Values{"path": {secretsPath}}); names != "..staging\ntoken\n" {
		t.Errorf("got %q, want the secret and the staging folder", names)
	}
	if back, err := s.SecretsOf(t.Context(), replica.ID); err != nil || len(back) != 1 || back["token"][0] != 'z' {
		t.Errorf("got %d values, %v, want the last one", len(back), err)
	}
}

func TestPutSecrets_LeavesNoHelperBehind(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	f := s.function("figlet", withSecrets("token"))
	if err := s.PutSecrets(t.Context(), f, map[string][]byte{"token": []byte("x")}); err != nil {
		t.Fatal(err)
	}
	if left := s.helpers(); len(left) != 0 {
		t.Errorf("got %v, want no helper container", left)
	}
}

// What an image has in its volumes is copied into each container that is created from it, which
// may take a minute. The secrets of no function wait for that.
func TestPutSecrets_NeedsNotTheFunctionsImage(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	f := s.function("figlet", withSecrets("token"))
	f.ImageID = "sha256:" + strings.Repeat("0", 64)
	if err := s.PutSecrets(t.Context(), f, map[string][]byte{"token": []byte("x")}); err != nil {
		t.Errorf("got %v without the image", err)
	}
}

func TestPrepare_RemovesHelpersOfAKilledProvider(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	_, err := s.docker.ContainerCreate(t.Context(), &container.Config{
		Image: s.imageID, Labels: map[string]string{function.LabelProvider: s.network, function.LabelRole: "secrets"},
	}, nil, nil, nil, "")
	if err != nil {
		t.Fatal(err)
	}
	replica := s.start(s.function("figlet"))
	for range 2 {
		if err := s.Prepare(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if left := s.helpers(); len(left) != 0 {
		t.Errorf("got %v, want the helper removed", left)
	}
	if kept, err := s.Replicas(t.Context(), replica.Function); err != nil || len(kept) != 1 {
		t.Errorf("got %v, %v, want the function kept", kept, err)
	}
}

func (s *scene) helpers() []container.Summary {
	s.t.Helper()
	found, err := s.docker.ContainerList(s.t.Context(), container.ListOptions{All: true, Filters: filters.NewArgs(
		filters.Arg("label", function.LabelProvider+"="+s.network), filters.Arg("label", function.LabelRole+"=secrets"))})
	if err != nil {
		s.t.Fatal(err)
	}
	return found
}

func TestStart_RefusesWithoutItsSecrets(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	f := s.function("figlet", withSecrets("token"))
	if _, err := s.Start(t.Context(), f); !errors.Is(err, engine.ErrSecretsMissing) {
		t.Errorf("got %v, want an ErrSecretsMissing", err)
	}
}

func TestRemoveSecrets_KeepsWhatIsAskedForOrInUse(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	for revision := range uint64(4) {
		f := s.function("figlet", withSecrets("token"), withRevision(revision))
		if err := s.PutSecrets(t.Context(), f, map[string][]byte{"token": []byte("x")}); err != nil {
			t.Fatal(err)
		}
	}
	other := s.function("cows", withSecrets("token"))
	if err := s.PutSecrets(t.Context(), other, map[string][]byte{"token": []byte("x")}); err != nil {
		t.Fatal(err)
	}
	used := s.start(s.function("figlet", withSecrets("token"), withRevision(2)))
	if err := s.RemoveSecrets(t.Context(), used.Function, map[uint64]bool{3: true}); err != nil {
		t.Fatal(err)
	}
	s.wantVolumes("cows.dev.1.secrets", "figlet.dev.2.secrets", "figlet.dev.3.secrets")
	if err := s.Stop(t.Context(), used.ID, 0); err != nil {
		t.Fatal(err)
	}
	s.wantVolumes("cows.dev.1.secrets", "figlet.dev.2.secrets", "figlet.dev.3.secrets")
	if err := s.RemoveSecrets(t.Context(), used.Function, nil); err != nil {
		t.Fatal(err)
	}
	s.wantVolumes("cows.dev.1.secrets")
}

func (s *scene) wantVolumes(want ...string) {
	s.t.Helper()
	found, err := s.docker.VolumeList(s.t.Context(), volume.ListOptions{Filters: filters.NewArgs(filters.Arg("label", function.LabelProvider+"="+s.network))})
	if err != nil {
		s.t.Fatal(err)
	}
	var got []string
	for _, v := range found.Volumes {
		got = append(got, strings.TrimPrefix(v.Name, s.network+"."))
	}
	slices.Sort(got)
	if !slices.Equal(got, want) {
		s.t.Errorf("got volumes %q, want %q", got, want)
	}
}
