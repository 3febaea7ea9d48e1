package engine_test

import (
	"encoding/json"
	"errors"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/docker/docker/api/types/container"

	"faas-docker/engine/enginetest"
	"faas-docker/function"
)

func TestStart_ReturnsARunningReplica(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	f := s.function("figlet", withRevision(7), withEnv("colour", "red"), func(f *function.Function) { f.EnvProcess = "cat" })
	replica := s.start(f)
	if !regexp.MustCompile(`^figlet\.dev\.[0-9a-f]{6}$`).MatchString(replica.Instance) {
		t.Errorf("got instance %q, want figlet.dev.<6 hex>", replica.Instance)
	}
	_, answer := s.call(replica, "/env", nil)
	var env []string
	if err := json.Unmarshal([]byte(answer), &env); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"colour=red", "fprocess=cat", "OPENFAAS_NAME=figlet", "OPENFAAS_NAMESPACE=dev"} {
		if !slices.Contains(env, want) {
			t.Errorf("got environment %q, want %q in it", env, want)
		}
	}
	listed, err := s.Replicas(t.Context(), f.ID())
	if err != nil {
		t.Fatal(err)
	}
	if len(listed) != 1 || listed[0] != replica {
		t.Errorf("listed %+v, want what Start returned: %+v", listed, replica)
	}
}

func TestStart_GivesNoPrivileges(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	replica := s.start(s.function("figlet", func(f *function.Function) {
		f.ReadOnlyRootFilesystem = true
		f.Limits = &function.Resources{Memory: "5Mi", CPU: "64"}
		f.Requests = &function.Resources{Memory: "1Mi", CPU: "50m"}
	}))
	_, status := s.call(replica, "/read", url.Values{"path": {"/proc/self/status"}})
	for _, want := range []string{"CapEff:\t0000000000000000", "CapBnd:\t0000000000000000", "NoNewPrivs:\t1", "Seccomp:\t2"} {
		if !strings.Contains(status, want) {
			t.Errorf("got\n%s\nwant %q", status, want)
		}
	}
	if code, _ := s.call(replica, "/write", url.Values{"path": {"/somewhere"}}); code != 500 {
		t.Errorf("got %d for a write to a read-only root, want 500", code)
	}
	if code, answer := s.call(replica, "/write", url.Values{"path": {"/tmp/.lock"}}); code != 200 {
		t.Errorf("got %d %s for a write to /tmp, want 200", code, answer)
	}
}

func TestStart_SaysThatTheImageIsGone(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	f := s.function("figlet")
	f.ImageID = "sha256:" + strings.Repeat("0", 64)
	_, err := s.Start(t.Context(), f)
	var failure *function.Failure
	if !errors.Is(err, function.ErrNotFound) || !errors.As(err, &failure) || !strings.Contains(err.Error(), s.image) {
		t.Errorf("got %v, want an ErrNotFound that names the image", err)
	}
}

func TestStart_LeavesNothingWhenItFails(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	f := s.function("figlet", func(f *function.Function) { f.Limits = &function.Resources{NvidiaGPU: "1"} })
	if _, err := s.Start(t.Context(), f); !errors.Is(err, function.ErrInvalid) || !strings.Contains(err.Error(), "no driver") {
		t.Errorf("got %v, want an ErrInvalid about the missing driver", err)
	}
	left, err := s.Replicas(t.Context(), f.ID())
	if err != nil || len(left) != 0 {
		t.Errorf("got %v, %v, want no container left", left, err)
	}
}

func TestStart_MakesTheNetworkAnewWhenItIsGone(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	if err := s.docker.NetworkRemove(t.Context(), s.network); err != nil {
		t.Fatal(err)
	}
	started := make(chan error, 4)
	for range cap(started) {
		go func() {
			_, err := s.Start(t.Context(), s.function("figlet"))
			started <- err
		}()
	}
	for range cap(started) {
		if err := <-started; err != nil {
			t.Error(err)
		}
	}
	if err := s.Prepare(t.Context()); err != nil {
		t.Errorf("got %v, want one network of the name", err)
	}
}

func TestReplicas_OfTwoProvidersDoNotMix(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	other := enginetest.Docker(t)
	f := s.function("figlet")
	mine := s.start(f)
	theirs, err := other.Start(t.Context(), f)
	if err != nil {
		t.Fatal(err)
	}
	second := s.start(s.function("cows"))
	all, err := s.Replicas(t.Context(), function.Name{})
	if err != nil {
		t.Fatal(err)
	}
	var ids []string
	for _, r := range all {
		ids = append(ids, r.ID)
	}
	slices.Sort(ids)
	want := []string{mine.ID, second.ID}
	slices.Sort(want)
	if !slices.Equal(ids, want) || slices.Contains(ids, theirs.ID) {
		t.Errorf("got %v, want %v", ids, want)
	}
}

func TestReplicas_SkipsLabelsItCannotRead(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	kept := s.start(s.function("figlet"))
	_, err := s.docker.ContainerCreate(t.Context(), &container.Config{
		Image: s.imageID,
		Labels: map[string]string{
			function.LabelProvider: s.network, function.LabelRole: "function",
			function.LabelFunction: "figlet", function.LabelNamespace: "dev", function.LabelRevision: "many",
		},
	}, nil, nil, nil, "")
	if err != nil {
		t.Fatal(err)
	}
	got, err := s.Replicas(t.Context(), kept.Function)
	if err != nil || len(got) != 1 || got[0].ID != kept.ID {
		t.Errorf("got %+v, %v, want only the readable one", got, err)
	}
	if functions, err := s.Functions(t.Context()); err != nil || len(functions) != 1 {
		t.Errorf("got %+v, %v, want only the readable one", functions, err)
	}
}

func TestStop_EndsReplicasInAnyState(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	running, paused, stubborn := s.start(s.function("a")), s.start(s.function("b")), s.start(s.function("c", withEnv("ignore_sigterm", "1")))
	if err := s.Pause(t.Context(), paused.ID); err != nil {
		t.Fatal(err)
	}
	if err := s.Pause(t.Context(), paused.ID); !errors.Is(err, function.ErrConflict) {
		t.Errorf("got %v for pausing twice, want an ErrConflict", err)
	}
	started := time.Now()
	for _, replica := range []function.Replica{running, paused, stubborn} {
		if err := s.Stop(t.Context(), replica.ID, 500*time.Millisecond); err != nil {
			t.Errorf("stop: %v", err)
		}
		if err := s.Stop(t.Context(), replica.ID, time.Second); err != nil {
			t.Errorf("stop again: %v", err)
		}
		if err := s.Remove(t.Context(), replica.ID); err != nil {
			t.Errorf("remove again: %v", err)
		}
	}
	if took := time.Since(started); took > 8*time.Second {
		t.Errorf("took %v, want the grace of one second kept to", took)
	}
	left, err := s.Replicas(t.Context(), function.Name{})
	if err != nil || len(left) != 0 {
		t.Errorf("got %v, %v, want none left", left, err)
	}
}

func TestPause_KeepsTheAddress(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	replica := s.start(s.function("figlet"))
	if err := s.Pause(t.Context(), replica.ID); err != nil {
		t.Fatal(err)
	}
	frozen, err := s.Replicas(t.Context(), replica.Function)
	if err != nil || len(frozen) != 1 || frozen[0].State != function.Paused || frozen[0].Address != replica.Address {
		t.Fatalf("got %+v, %v, want the replica paused at %v", frozen, err, replica.Address)
	}
	if err := s.Unpause(t.Context(), replica.ID); err != nil {
		t.Fatal(err)
	}
	if code, _ := s.call(replica, "/env", nil); code != 200 {
		t.Errorf("got %d after the thaw, want 200", code)
	}
	if err := s.Unpause(t.Context(), replica.ID); !errors.Is(err, function.ErrConflict) {
		t.Errorf("got %v for unpausing twice, want an ErrConflict", err)
	}
	if err := s.Leave(t.Context(), function.Replica{ID: "missing", Instance: "missing"}, true); err != nil {
		t.Errorf("got %v for a replica that is gone, want it not marked", err)
	}
	if err := s.Pause(t.Context(), "missing"); !errors.Is(err, function.ErrNotFound) {
		t.Errorf("got %v for a replica that is not there, want an ErrNotFound", err)
	}
}

func TestRemove_TakesUnnamedVolumesAlong(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	made, err := s.docker.ContainerCreate(t.Context(), &container.Config{Image: s.imageID, Volumes: map[string]struct{}{"/data": {}}}, nil, nil, nil, "")
	if err != nil {
		t.Fatal(err)
	}
	found, err := s.docker.ContainerInspect(t.Context(), made.ID)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Remove(t.Context(), made.ID); err != nil {
		t.Fatal(err)
	}
	if _, err := s.docker.VolumeInspect(t.Context(), found.Mounts[0].Name); err == nil {
		t.Errorf("volume %s is left behind", found.Mounts[0].Name)
	}
}

func TestFunctions_AreReadBackFromContainers(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	f := s.function("figlet", withRevision(2), withEnv("colour", "red"), withSecrets("token"))
	if err := s.PutSecrets(t.Context(), f, map[string][]byte{"token": []byte("x")}); err != nil {
		t.Fatal(err)
	}
	s.start(f)
	paused := s.start(f)
	if err := s.Pause(t.Context(), paused.ID); err != nil {
		t.Fatal(err)
	}
	s.start(s.function("figlet", withRevision(1)))
	found, err := s.Functions(t.Context())
	if err != nil || len(found) != 1 {
		t.Fatalf("got %+v, %v, want one function", found, err)
	}
	got := found[0]
	if !got.Equal(f.Spec) || got.Revision != 2 || got.Replicas != 2 || got.ImageID != s.imageID || got.CreatedAt.IsZero() {
		t.Errorf("got %+v, want %+v with 2 replicas", got, f)
	}
}

// The one with the higher revision runs, the one gone back to is frozen: what counts
// is the mark alone.
func TestFunctions_AreReadBackAsARollbackLeftThem(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	back := s.start(s.function("figlet", withRevision(1), withEnv("colour", "red")))
	left := s.start(s.function("figlet", withRevision(2), withEnv("colour", "blue")))
	for _, id := range []string{back.ID, left.ID} {
		if err := s.Pause(t.Context(), id); err != nil {
			t.Fatal(err)
		}
	}
	for _, tc := range []struct {
		left     bool
		revision uint64
		previous uint64
	}{{true, 1, 2}, {true, 1, 2}, {false, 2, 0}, {false, 2, 0}, {true, 1, 2}} {
		if err := s.Leave(t.Context(), left, tc.left); err != nil {
			t.Fatal(err)
		}
		found, err := s.Functions(t.Context())
		if err != nil || len(found) != 1 || found[0].Revision != tc.revision || found[0].Replicas != 1 {
			t.Fatalf("left %t: got %+v, %v; want revision %d", tc.left, found, err, tc.revision)
		}
		switch previous := found[0].Previous; {
		case (previous == nil) != (tc.previous == 0):
			t.Errorf("left %t: the revision before is %+v, want %d", tc.left, previous, tc.previous)
		case previous != nil && (previous.Revision != tc.previous || previous.Spec.EnvVars["colour"] != "blue" || !previous.Until.IsZero()):
			t.Errorf("left %t: the revision before is %+v", tc.left, previous)
		}
		listed, err := s.Replicas(t.Context(), left.Function)
		if err != nil || len(listed) != 2 {
			t.Fatalf("got %+v, %v", listed, err)
		}
		for _, replica := range listed {
			if want := tc.left && replica.ID == left.ID; replica.Left != want {
				t.Errorf("%s: left is %t, want %t", replica.Instance, replica.Left, want)
			}
		}
	}
	if err := s.Remove(t.Context(), back.ID); err != nil {
		t.Fatal(err)
	}
	if found, err := s.Functions(t.Context()); err != nil || len(found) != 1 || found[0].Revision != 2 || found[0].Previous != nil {
		t.Errorf("with nothing else there: %+v, %v; want revision 2", found, err)
	}
}

func TestPostMortem_TellsExitCodeAndLastLines(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	replica, err := s.Start(t.Context(), s.function("figlet", withEnv("crash_after_lines", "30")))
	if err != nil {
		t.Fatal(err)
	}
	s.awaitExit(replica)
	report, err := s.PostMortem(t.Context(), replica.ID)
	if err != nil {
		t.Fatal(err)
	}
	if report.ExitCode != 3 || report.OutOfMemory || len(report.LastLines) != 10 {
		t.Fatalf("got exit code %d, out of memory %v, %d lines, want 3, false, 10", report.ExitCode, report.OutOfMemory, len(report.LastLines))
	}
	if first, last := report.LastLines[0], report.LastLines[9]; !strings.HasPrefix(first, "line 20 ") || !strings.HasPrefix(last, "line 29 ") || len(last) != 1024 {
		t.Errorf("got %.20q to %.20q of %d bytes, want lines 20 to 29 cut at 1024", first, last, len(last))
	}
	if _, err := s.PostMortem(t.Context(), "missing"); !errors.Is(err, function.ErrNotFound) {
		t.Errorf("got %v for a replica that is not there, want an ErrNotFound", err)
	}
}

// Docker loses the kernel's word now and then, when the end of the process overtakes it: what it says of
// five replicas in turn it does not lose.
func TestPostMortem_TellsThatMemoryRanOut(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	for range 5 {
		report := s.reportOfOneThatGrows()
		if report.ExitCode != 137 {
			t.Fatalf("got %+v, want exit code 137", report)
		}
		if report.OutOfMemory {
			return
		}
	}
	t.Error("of none of five replicas it is told that memory ran out")
}

func (s *scene) reportOfOneThatGrows() function.PostMortem {
	s.t.Helper()
	replica, err := s.Start(s.t.Context(), s.function("figlet", withEnv("grow", "1"), func(f *function.Function) {
		f.Limits = &function.Resources{Memory: "32Mi"}
	}))
	if err != nil {
		s.t.Fatal(err)
	}
	s.awaitExit(replica)
	report, err := s.PostMortem(s.t.Context(), replica.ID)
	if err != nil {
		s.t.Fatal(err)
	}
	return report
}

func (s *scene) awaitExit(replica function.Replica) {
	s.t.Helper()
	ended, failed := s.docker.ContainerWait(s.t.Context(), replica.ID, container.WaitConditionNotRunning)
	select {
	case <-ended:
	case err := <-failed:
		s.t.Fatal(err)
	}
}
