package engine_test

import (
	"context"
	"errors"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/filters"
	"github.com/docker/docker/api/types/image"

	"faas-docker/engine"
	"faas-docker/engine/enginetest"
	"faas-docker/function"
)

// keepHolders keeps holders ready until it is stopped, or the test ends.
func keepHolders(t testing.TB, e *engine.Engine) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	var keeping sync.WaitGroup
	keeping.Go(func() { e.KeepHolders(ctx) })
	stop = func() {
		cancel()
		keeping.Wait()
	}
	t.Cleanup(stop)
	return stop
}

// holders lists the containers that hold network namespaces.
func (s *scene) holders() []container.Summary { return s.containers("holder") }

// containers lists those of the scene's provider; an empty role means all.
func (s *scene) containers(role string) []container.Summary {
	s.t.Helper()
	selected := filters.NewArgs(filters.Arg("label", function.LabelProvider+"="+s.network))
	if role != "" {
		selected.Add("label", function.LabelRole+"="+role)
	}
	listed, err := s.docker.ContainerList(s.t.Context(), container.ListOptions{All: true, Filters: selected})
	if err != nil {
		s.t.Fatal(err)
	}
	return listed
}

func (s *scene) awaitReadyHolders(e *engine.Engine, n int) {
	s.t.Helper()
	s.eventually("the pool is full", func() bool { return e.ReadyHolders() == n })
}

// readyHolder makes one ready that nobody looks after.
func (s *scene) readyHolder() string {
	s.t.Helper()
	id, err := s.ReadyHolder(s.t.Context())
	if err != nil {
		s.t.Fatal(err)
	}
	return id
}

// holderOf returns the ID of the holder that a replica runs in, as Docker has it.
func (s *scene) holderOf(replica function.Replica) string {
	s.t.Helper()
	found, err := s.docker.ContainerInspect(s.t.Context(), replica.ID)
	if err != nil {
		s.t.Fatal(err)
	}
	if mode := found.HostConfig.NetworkMode; mode.IsContainer() {
		return mode.ConnectedContainer()
	}
	return ""
}

func (s *scene) kill(id string) {
	s.t.Helper()
	if err := s.docker.ContainerRemove(s.t.Context(), id, container.RemoveOptions{Force: true}); err != nil {
		s.t.Fatal(err)
	}
}

func TestKeepHolders_GivesEachReplicaANamespaceOfItsOwn(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	s.Engine = enginetest.DockerWith(t, engine.Config{Network: s.network, Holders: 1})
	stop := keepHolders(t, s.Engine)
	seen := map[string]bool{}
	for range 2 {
		s.awaitReadyHolders(s.Engine, 1)
		if all, err := s.Replicas(t.Context(), function.Name{}); err != nil || len(all) != 0 {
			t.Fatalf("got %+v, %v, want no replica while only holders are ready", all, err)
		}
		replica := s.start(s.function("figlet"))
		joined := s.holderOf(replica)
		if joined == "" || seen[joined] {
			t.Fatalf("got the holder %q after %v, want a new one", joined, seen)
		}
		seen[joined] = true
		if listed, err := s.Replicas(t.Context(), replica.Function); err != nil || len(listed) != 1 || listed[0] != replica {
			t.Errorf("listed %+v, %v, want what Start returned: %+v", listed, err, replica)
		}
		if found, err := s.Functions(t.Context()); err != nil || len(found) != 1 || found[0].Replicas != 1 {
			t.Errorf("got %+v, %v, want one function with one replica", found, err)
		}
		if err := s.Remove(t.Context(), replica.ID); err != nil {
			t.Fatal(err)
		}
		s.eventually("the holder goes with its replica", func() bool {
			return !slices.ContainsFunc(s.holders(), func(h container.Summary) bool { return h.ID == joined })
		})
	}
	s.awaitReadyHolders(s.Engine, 1)
	if stop(); len(s.containers("")) != 0 {
		t.Errorf("got %+v after the end, want nothing kept", s.containers(""))
	}
}

func TestStart_InAHolderDiffersInTheNetworkAlone(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	joined := s.readyHolder()
	replica := s.start(s.function("figlet"))
	changed := s.watchEvents()
	if s.holderOf(replica) != joined {
		t.Fatalf("got the holder %q, want %q", s.holderOf(replica), joined)
	}
	_, status := s.call(replica, "/read", url.Values{"path": {"/proc/self/status"}})
	for _, want := range []string{"CapEff:\t0000000000000000", "CapBnd:\t0000000000000000", "NoNewPrivs:\t1", "Seccomp:\t2"} {
		if !strings.Contains(status, want) {
			t.Errorf("got\n%s\nwant %q", status, want)
		}
	}
	if err := s.Pause(t.Context(), replica.ID); err != nil {
		t.Fatal(err)
	}
	if got := <-changed; got != replica.Function {
		t.Errorf("got an event of %v, want %v", got, replica.Function)
	}
	frozen, err := s.Replicas(t.Context(), replica.Function)
	if err != nil || len(frozen) != 1 || frozen[0].State != function.Paused || frozen[0].Address != replica.Address {
		t.Errorf("got %+v, %v, want the replica paused at %v", frozen, err, replica.Address)
	}
	if err := s.Unpause(t.Context(), replica.ID); err != nil {
		t.Fatal(err)
	}
	s.print(replica, "stdout", "hello\n")
	if got := texts(s.awaitLines(1)); got[0] != "hello" {
		t.Errorf("got %q, want its log", got)
	}
	if used, err := s.Usage(t.Context(), replica.Function); err != nil || used.MemoryBytes < 1<<20 {
		t.Errorf("got %+v, %v, want what a running program uses", used, err)
	}
	if err := s.Stop(t.Context(), replica.ID, time.Second); err != nil || len(s.containers("")) != 0 {
		t.Errorf("got %v, %v, want neither replica nor holder left", s.containers(""), err)
	}
}

func TestStart_GoesOnWhenHoldersAreGone(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	removed, stopped, good := s.readyHolder(), s.readyHolder(), s.readyHolder()
	s.kill(removed)
	if err := s.docker.ContainerKill(t.Context(), stopped, "KILL"); err != nil {
		t.Fatal(err)
	}
	if replica := s.start(s.function("figlet")); s.holderOf(replica) != good {
		t.Errorf("got the holder %q, want the one that is left, %q", s.holderOf(replica), good)
	}
	s.kill(s.readyHolder())
	if replica := s.start(s.function("figlet")); s.holderOf(replica) != "" {
		t.Errorf("got the holder %q, want a namespace of its own", s.holderOf(replica))
	}
	if left := s.holders(); len(left) != 1 || len(s.containers("function")) != 2 {
		t.Errorf("got %+v, want nothing but two replicas and one holder", s.containers(""))
	}
}

func TestStart_WastesNoHolderOnWhatCannotBeCreated(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	s.readyHolder()
	f := s.function("figlet")
	f.ImageID = "sha256:" + strings.Repeat("0", 64)
	if _, err := s.Start(t.Context(), f); !errors.Is(err, function.ErrNotFound) || !strings.Contains(err.Error(), s.image) {
		t.Errorf("got %v, want an ErrNotFound that names the image", err)
	}
	if s.ReadyHolders() != 1 {
		t.Error("a holder that nothing ran in is not ready any more")
	}
	f = s.function("figlet", func(f *function.Function) { f.Limits = &function.Resources{NvidiaGPU: "1"} })
	if _, err := s.Start(t.Context(), f); !errors.Is(err, function.ErrInvalid) {
		t.Errorf("got %v, want an ErrInvalid about the missing driver", err)
	}
	if s.ReadyHolders() != 0 || len(s.containers("")) != 0 {
		t.Errorf("got %+v, want that a failed start takes its holder along", s.containers(""))
	}
}

func TestKeepHolders_LooksAfterWhatWasChangedByHand(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	s.Engine = enginetest.DockerWith(t, engine.Config{Network: s.network, Holders: 1})
	keepHolders(t, s.Engine)
	s.awaitReadyHolders(s.Engine, 1)
	pooled := s.holders()[0].ID
	s.kill(pooled)
	s.eventually("another holder is ready", func() bool {
		listed := s.holders()
		return s.ReadyHolders() == 1 && len(listed) == 1 && listed[0].ID != pooled
	})

	replica := s.start(s.function("figlet"))
	joined := s.holderOf(replica)
	s.kill(joined)
	s.awaitExit(replica)
	listed, err := s.Replicas(t.Context(), replica.Function)
	if err != nil || len(listed) != 1 || listed[0].State != function.Exited || listed[0].Address.IsValid() {
		t.Errorf("got %+v, %v, want a replica without network to be ended, and its address with it", listed, err)
	}

	s.awaitReadyHolders(s.Engine, 1)
	replica = s.start(s.function("cows"))
	joined = s.holderOf(replica)
	s.kill(replica.ID)
	s.eventually("the holder goes with its replica", func() bool {
		_, err := s.docker.ContainerInspect(t.Context(), joined)
		return err != nil
	})
}

func TestKeepHolders_RemovesTheHolderOfAReplicaThatEnded(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	s.Engine = enginetest.DockerWith(t, engine.Config{Network: s.network, Holders: 1})
	keepHolders(t, s.Engine)
	s.awaitReadyHolders(s.Engine, 1)
	replica, err := s.Start(t.Context(), s.function("figlet", withEnv("crash_after_lines", "3")))
	if err != nil {
		t.Fatal(err)
	}
	s.eventually("only a new holder is there", func() bool { return s.ReadyHolders() == 1 && len(s.holders()) == 1 })
	if report, err := s.PostMortem(t.Context(), replica.ID); err != nil || report.ExitCode != 3 || len(report.LastLines) != 3 {
		t.Errorf("got %+v, %v, want to learn why it ended", report, err)
	}
	if err := s.Remove(t.Context(), replica.ID); err != nil {
		t.Error(err)
	}
}

func TestKeepHolders_MakesTheNetworkAnewWhenItIsGone(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	s.Engine = enginetest.DockerWith(t, engine.Config{Network: s.network, Holders: 1})
	if err := s.docker.NetworkRemove(t.Context(), s.network); err != nil {
		t.Fatal(err)
	}
	keepHolders(t, s.Engine)
	s.awaitReadyHolders(s.Engine, 1)
	if len(s.holders()) != 1 {
		t.Errorf("got %+v, want nothing left of what failed", s.holders())
	}
}

func TestSweep_RemovesThoseOfAnEarlierRun(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	s.readyHolder()
	kept, ended := s.start(s.function("figlet")), function.Replica{}
	s.readyHolder()
	ended = s.start(s.function("cows"))
	// What an engine that was restarted leaves: both have stopped.
	for _, id := range []string{ended.ID, s.holderOf(ended)} {
		if err := s.docker.ContainerKill(t.Context(), id, "KILL"); err != nil {
			t.Fatal(err)
		}
	}
	mine := s.readyHolder()
	if err := s.Holders.Sweep(t.Context()); err != nil {
		t.Fatal(err)
	}
	if s.ReadyHolders() != 1 || len(s.holders()) != 2 {
		t.Errorf("got %+v, want the ready holder %s and the used one kept", s.holders(), mine)
	}
	restarted := enginetest.DockerOn(t, s.network)
	if left := s.holders(); len(left) != 1 || left[0].ID != s.holderOf(kept) {
		t.Errorf("got %+v, want only the holder of the replica that runs", left)
	}
	if code, _ := s.call(kept, "/env", nil); code != 200 {
		t.Errorf("got %d, want the replica untouched", code)
	}
	for _, replica := range []function.Replica{kept, ended} {
		if err := restarted.Remove(t.Context(), replica.ID); err != nil {
			t.Error(err)
		}
	}
	if left := s.containers(""); len(left) != 0 {
		t.Errorf("got %+v, want replicas that were adopted to take their holders along", left)
	}
}

// An image may carry any label, and so may name any container as its holder.
func TestRemove_BelievesNoLabelOfAnImage(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	victim := s.start(s.function("victim"))
	made, err := s.docker.ContainerCreate(t.Context(), &container.Config{Image: s.imageID}, nil, nil, nil, "")
	if err != nil {
		t.Fatal(err)
	}
	defer s.kill(made.ID)
	forged, err := s.docker.ContainerCommit(t.Context(), made.ID, container.CommitOptions{Changes: []string{
		"LABEL " + function.LabelHolder + "=" + victim.ID, "LABEL " + function.LabelAddress + "=192.0.2.1",
	}})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _, _ = s.docker.ImageRemove(t.Context(), forged.ID, image.RemoveOptions{Force: true}) }()
	f := s.function("forger")
	f.ImageID = forged.ID
	replica := s.start(f)
	if listed, err := s.Replicas(t.Context(), f.ID()); err != nil || len(listed) != 1 || listed[0].Address != replica.Address {
		t.Errorf("got %+v, %v, want the address that the engine gave, %v", listed, err, replica.Address)
	}
	if err := s.Remove(t.Context(), replica.ID); err != nil {
		t.Fatal(err)
	}
	if code, _ := s.call(victim, "/env", nil); code != 200 {
		t.Errorf("got %d, want the other replica untouched", code)
	}
}
