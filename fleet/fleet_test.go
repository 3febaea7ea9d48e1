package fleet

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hashicorp/go-hclog"

	"faas-docker/function"
	"faas-docker/resolver"
	"faas-docker/store"
)

// stuckStore is a store whose disk may be full, or that may not be readable.
type stuckStore struct {
	*store.Store
	full, blind *atomic.Bool
}

func (s stuckStore) Function(name function.Name) (function.Function, error) {
	if s.blind.Load() {
		return function.Function{}, function.Unavailable(nil, "the store cannot be read")
	}
	return s.Store.Function(name)
}

func (s stuckStore) Change(name function.Name, change func(function.Function) (function.Function, bool)) (function.Function, error) {
	if s.full.Load() {
		return function.Function{}, function.Unavailable(nil, "no space left on device")
	}
	return s.Store.Change(name, change)
}

// scene is a fleet at work on a fake engine, within a bubble of fake time.
type scene struct {
	*Fleet
	t      *testing.T
	engine *fakeEngine
	store  *store.Store
	path   string
	full   atomic.Bool  // the store's disk is
	blind  atomic.Bool  // the store cannot be read
	skew   atomic.Int64 // by how much the time of day was set, in ns
}

// play runs a test in a bubble with a fleet; arrange may prepare the engine and
// the store before it begins.
func play(t *testing.T, arrange func(s *scene), act func(s *scene)) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "store.db")
	synctest.Test(t, func(t *testing.T) {
		s := &scene{t: t, engine: newFakeEngine(), path: path}
		s.openStore()
		defer func() { s.store.Close() }()
		if arrange != nil {
			arrange(s)
		}
		r := resolver.New()
		s.Fleet = New(Config{Store: stuckStore{s.store, &s.full, &s.blind}, Engine: s.engine, Resolver: r, Logger: hclog.NewNullLogger()})
		s.Await, s.Ask, s.Wall = s.await, s.ask, s.wall
		r.Changed, r.Back = s.Ring, s.Forgive
		ctx, stop := context.WithCancel(t.Context())
		var parts sync.WaitGroup
		parts.Go(func() { r.Watch(ctx, s.engine, 30*time.Second, hclog.NewNullLogger()) })
		parts.Go(func() { s.Run(ctx) })
		<-s.Ready()
		act(s)
		stop()
		parts.Wait()
	})
}

func (s *scene) wall() time.Time { return time.Now().Add(time.Duration(s.skew.Load())).Round(0) }

// setClock sets the time of day, which the clock of the bubble does not notice.
func (s *scene) setClock(ahead time.Duration) { s.skew.Store(int64(ahead)) }

// openStore opens the store, again if it is open: then it is not a new one.
func (s *scene) openStore() {
	s.t.Helper()
	if s.store != nil {
		s.store.Close()
	}
	opened, err := store.Open(s.path, function.DefaultNamespace)
	if err != nil {
		s.t.Fatal(err)
	}
	s.store = opened
}

func (s *scene) await(ctx context.Context, replica function.Replica, ready function.Readiness, tell func(string)) error {
	if s.engine.prepare != nil {
		return s.engine.prepare(ctx, replica, ready, tell)
	}
	if s.engine.await != nil {
		return s.engine.await(ctx, replica)
	}
	return nil
}

func (s *scene) ask(_ context.Context, replica function.Replica, check function.Probe) error {
	s.engine.mu.Lock()
	ask := s.engine.ask
	s.engine.mu.Unlock()
	if ask != nil {
		return ask(replica, check.Path)
	}
	return nil
}

func spec(name string) function.Spec {
	return function.Spec{Name: name, Namespace: function.DefaultNamespace, Image: name + ":latest"}
}

func (s *scene) name(text string) function.Name {
	return function.ParseName(text, function.DefaultNamespace)
}

func (s *scene) create(sp function.Spec) {
	s.t.Helper()
	if _, err := s.Create(s.t.Context(), sp); err != nil {
		s.t.Fatalf("create %s: %v", sp.Name, err)
	}
}

// passes lets time go by, and everything that happens in it happen.
func (s *scene) passes(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

func (s *scene) wantReady(text string, ready int) {
	s.t.Helper()
	status, err := s.Status(s.name(text))
	if err != nil {
		s.t.Fatal(err)
	}
	if status.Ready != ready {
		s.t.Errorf("%d replicas of %s are ready, want %d (reason %q)", status.Ready, text, ready, status.Reason)
	}
}

func (s *scene) wantRunning(ids ...string) {
	s.t.Helper()
	if got := s.engine.running(); fmt.Sprint(got) != fmt.Sprint(ids) {
		s.t.Errorf("containers %v, want %v", got, ids)
	}
}

func TestCreate_StartsAReplica(t *testing.T) {
	play(t, nil, func(s *scene) {
		ready, err := s.Create(s.t.Context(), spec("figlet"))
		if err != nil || !ready {
			t.Fatalf("create: ready=%t, %v", ready, err)
		}
		s.passes(time.Second)
		s.wantReady("figlet", 1)
		status, _ := s.Status(s.name("figlet"))
		if status.Reason != "" {
			t.Errorf("reason %q although all is well", status.Reason)
		}
	})
}

func TestCreate_RefusesWhatCanBeJudgedAtOnceAndStoresNothing(t *testing.T) {
	play(t, nil, func(s *scene) {
		s.engine.image = func(_ context.Context, reference string) (string, error) {
			if reference == "missing" {
				return "", function.Invalid("image", "%q is nowhere", reference)
			}
			return "id", nil
		}
		tests := []struct {
			name string
			spec function.Spec
			kind error
			text string
		}{
			{"bad name", function.Spec{Name: "Fig", Namespace: function.DefaultNamespace, Image: "i"}, function.ErrInvalid, "service"},
			{"missing secret", function.Spec{Name: "f", Namespace: function.DefaultNamespace, Image: "i", Secrets: []string{"token"}}, function.ErrInvalid, `secrets[0]`},
			{"unknown namespace", function.Spec{Name: "f", Namespace: "dev", Image: "i"}, function.ErrNotFound, "dev"},
			{"bad scale label", function.Spec{Name: "f", Namespace: function.DefaultNamespace, Image: "i", Labels: map[string]string{"com.openfaas.scale.min": "x"}}, function.ErrInvalid, "scale.min"},
			{"image that is nowhere", function.Spec{Name: "f", Namespace: function.DefaultNamespace, Image: "missing"}, function.ErrInvalid, "image"},
		}
		for _, test := range tests {
			_, err := s.Create(s.t.Context(), test.spec)
			if !errors.Is(err, test.kind) || !strings.Contains(err.Error(), test.text) {
				t.Errorf("%s: got %v, want %v naming %s", test.name, err, test.kind, test.text)
			}
		}
		if stored := s.store.Functions(""); len(stored) != 0 {
			t.Errorf("stored %v although all was refused", stored)
		}
	})
}

func TestCreate_DoesNotWaitForASlowPull(t *testing.T) {
	play(t, nil, func(s *scene) {
		pulled := make(chan struct{})
		s.engine.image = func(ctx context.Context, _ string) (string, error) {
			select {
			case <-pulled:
				return "id", nil
			case <-ctx.Done():
				return "", ctx.Err()
			}
		}
		began := time.Now()
		ready, err := s.Create(s.t.Context(), spec("big"))
		if err != nil || ready {
			t.Fatalf("create: ready=%t, %v", ready, err)
		}
		if took := time.Since(began); took != 20*time.Second {
			t.Errorf("the deployment waited %v, want 20s", took)
		}
		status, _ := s.Status(s.name("big"))
		if !strings.Contains(status.Reason, "being fetched") {
			t.Errorf("reason %q, want that the image is being fetched", status.Reason)
		}
		s.passes(5 * time.Minute)
		close(pulled)
		s.passes(time.Second)
		s.wantReady("big", 1)
	})
}

func TestCreate_OneSlowPullDelaysNoOther(t *testing.T) {
	play(t, nil, func(s *scene) {
		s.engine.image = func(ctx context.Context, reference string) (string, error) {
			if reference == "slow:latest" {
				<-ctx.Done()
				return "", ctx.Err()
			}
			return "id", nil
		}
		go func() { _, _ = s.Create(s.t.Context(), spec("slow")) }()
		s.passes(time.Second)
		s.create(spec("quick"))
		s.passes(time.Second)
		s.wantReady("quick", 1)
	})
}

func TestCrash_IsReplacedAtOnceThenWithBackoffAndExplained(t *testing.T) {
	play(t, nil, func(s *scene) {
		s.create(spec("crash"))
		s.passes(time.Second)
		_ = s.engine.set("c1", function.Exited)
		s.passes(300 * time.Millisecond)
		s.wantReady("crash", 1)
		s.wantRunning("c2")

		s.engine.await = func(_ context.Context, replica function.Replica) error {
			return s.engine.set(replica.ID, function.Exited)
		}
		_ = s.engine.set("c2", function.Exited)
		s.passes(time.Minute)
		status, _ := s.Status(s.name("crash"))
		if !strings.Contains(status.Reason, "exited with code 7") || !strings.Contains(status.Reason, "boom") {
			t.Errorf("reason %q, want the exit code and the last lines", status.Reason)
		}
		if starts := s.engine.count; starts != 9 {
			t.Errorf("%d containers were started within a minute of crashing, want 9: the pauses double", starts)
		}
		_, err := s.Resolver.Acquire(s.t.Context(), s.name("crash"))
		if !errors.Is(err, function.ErrNoReplica) || !strings.Contains(err.Error(), "exited with code 7") {
			t.Errorf("a caller got %v, want ErrNoReplica with the reason", err)
		}
	})
}

// What the last revision died of is found out a little later, when the next may be wanted.
func TestCrash_OfARevisionThatWasReplacedIsNoReason(t *testing.T) {
	play(t, nil, func(s *scene) {
		s.engine.await = func(_ context.Context, replica function.Replica) error {
			if replica.ID != "c1" {
				return nil
			}
			_ = s.engine.set(replica.ID, function.Exited)
			return errors.New("it has exited")
		}
		updated := make(chan struct{})
		s.engine.autopsy = sync.OnceFunc(func() {
			s.update(spec("crash"))
			close(updated)
		})
		s.create(spec("crash"))
		<-updated
		for range 20 { // while the new replica is started, and when it serves
			s.passes(5 * time.Millisecond)
			if status, _ := s.Status(s.name("crash")); strings.Contains(status.Reason, "exited") {
				t.Errorf("the reason is %q, but that revision was replaced", status.Reason)
			}
		}
		s.passes(time.Second)
		s.wantReady("crash", 1)
	})
}

func TestRemovedByHand_IsReplaced(t *testing.T) {
	play(t, nil, func(s *scene) {
		s.create(spec("figlet"))
		s.passes(time.Second)
		_ = s.engine.Remove(s.t.Context(), "c1")
		s.passes(300 * time.Millisecond)
		s.wantReady("figlet", 1)
		s.wantRunning("c2")
	})
}

func TestPausedByHand_IsThawed(t *testing.T) {
	play(t, nil, func(s *scene) {
		s.create(spec("figlet"))
		s.passes(time.Second)
		_ = s.engine.set("c1", function.Paused)
		s.passes(time.Millisecond)
		s.wantReady("figlet", 1)
		s.wantRunning("c1")
	})
}

func TestUpdate_OldServesUntilNewAnswersAndIsDrained(t *testing.T) {
	play(t, nil, func(s *scene) {
		s.create(spec("figlet"))
		s.passes(time.Second)
		lease, err := s.Resolver.Acquire(s.t.Context(), s.name("figlet"))
		if err != nil {
			t.Fatal(err)
		}
		answer := make(chan struct{})
		s.engine.await = func(ctx context.Context, _ function.Replica) error {
			select {
			case <-answer:
				return nil
			case <-ctx.Done():
				return ctx.Err()
			}
		}
		if _, err := s.Update(s.t.Context(), function.Spec{Name: "figlet", Namespace: function.DefaultNamespace, Image: "figlet:2"}); err != nil {
			t.Fatal(err)
		}
		s.passes(time.Second)
		s.wantRunning("c1", "c2")
		s.wantReady("figlet", 1)
		close(answer)
		s.passes(time.Second)
		next, err := s.Resolver.Acquire(s.t.Context(), s.name("figlet"))
		if err != nil || next.Replica().ID != "c2" {
			t.Fatalf("after the swap got %v, %v", next.Replica(), err)
		}
		next.Release()
		s.wantRunning("c1", "c2")
		lease.Release()
		s.passes(time.Second)
		s.wantRunning("c2")
	})
}

func TestUpdate_OneThatFailsLeavesTheOldServingAndSaysWhy(t *testing.T) {
	play(t, nil, func(s *scene) {
		s.create(spec("figlet"))
		s.passes(time.Second)
		s.engine.start = func(function.Function) error { return errors.New("no space left on device") }
		if _, err := s.Update(s.t.Context(), function.Spec{Name: "figlet", Namespace: function.DefaultNamespace, Image: "figlet:2"}); err != nil {
			t.Fatal(err)
		}
		s.passes(time.Minute)
		s.wantReady("figlet", 1)
		status, _ := s.Status(s.name("figlet"))
		if !strings.Contains(status.Reason, "no space left") {
			t.Errorf("reason %q, want why the new revision does not start", status.Reason)
		}
	})
}

func TestEnsure_DeploysOnceAndAgainWhenTheImageIsAnother(t *testing.T) {
	play(t, nil, func(s *scene) {
		image := "one"
		s.engine.image = func(context.Context, string) (string, error) { return image, nil }
		revision := func() uint64 {
			if err := s.Ensure(s.t.Context(), spec("figlet")); err != nil {
				s.t.Fatal(err)
			}
			f, err := s.store.Function(s.name("figlet"))
			if err != nil {
				s.t.Fatal(err)
			}
			return f.Revision
		}
		first := revision()
		if again := revision(); again != first {
			s.t.Errorf("deployed again, as revision %d, although nothing changed", again)
		}
		image = "two"
		if again := revision(); again == first {
			s.t.Error("not deployed again although the image is another")
		}
	})
}

func TestScale_UpDownToZeroAndBackOnACall(t *testing.T) {
	play(t, nil, func(s *scene) {
		figlet := s.name("figlet")
		s.create(spec("figlet"))
		for _, count := range []int{5, 2, 0} {
			if err := s.Scale(s.t.Context(), figlet, count); err != nil {
				t.Fatal(err)
			}
			s.passes(time.Second)
			s.wantReady("figlet", count)
			if got := len(s.engine.running()); got != count {
				t.Errorf("%d containers after scaling to %d", got, count)
			}
		}
		began := time.Now()
		lease, err := s.Resolver.Acquire(s.t.Context(), figlet)
		if err != nil {
			t.Fatal(err)
		}
		lease.Release()
		if took := time.Since(began); took > 250*time.Millisecond {
			t.Errorf("the caller was held %v, want no longer than a start", took)
		}
		if f, _ := s.store.Function(figlet); f.Replicas != 1 {
			t.Errorf("desired replicas after waking: %d, want 1", f.Replicas)
		}
	})
}

func TestDelete_RemovesEverythingAndCanBeCreatedAgainAtOnce(t *testing.T) {
	play(t, nil, func(s *scene) {
		figlet := s.name("figlet")
		s.create(spec("figlet"))
		s.passes(time.Second)
		if err := s.Delete(s.t.Context(), figlet); err != nil {
			t.Fatal(err)
		}
		if _, err := s.Resolver.Acquire(s.t.Context(), figlet); !errors.Is(err, function.ErrNotFound) {
			t.Errorf("a call after the deletion got %v", err)
		}
		s.create(spec("figlet"))
		s.passes(time.Second)
		s.wantRunning("c2")
		s.wantReady("figlet", 1)
		if err := s.Delete(s.t.Context(), figlet); err != nil {
			t.Fatal(err)
		}
		s.passes(time.Second)
		s.wantRunning()
		if len(s.workers) != 0 {
			t.Errorf("%d workers left", len(s.workers))
		}
	})
}

// behindStore has something happen right behind a change.
type behindStore struct {
	Store
	act func()
}

func (s behindStore) Change(name function.Name, change func(function.Function) (function.Function, bool)) (function.Function, error) {
	changed, err := s.Store.Change(name, change)
	s.act()
	return changed, err
}

func TestDelete_IsNotUndoneByWhatWasUnderWay(t *testing.T) {
	play(t, nil, func(s *scene) {
		figlet := s.name("figlet")
		s.create(spec("figlet"))
		s.passes(time.Second)
		wanted, err := s.store.Function(figlet)
		if err != nil {
			t.Fatal(err)
		}
		s.Store = behindStore{s.Store, func() {
			if err := s.Delete(t.Context(), figlet); err != nil {
				t.Error(err)
			}
		}}
		if _, err := s.setImage(wanted, function.Image{ID: "sha256:another"}); err != nil {
			t.Error(err)
		}
		if _, err := s.Resolver.Acquire(t.Context(), figlet); !errors.Is(err, function.ErrNotFound) {
			t.Errorf("a call after the deletion got %v", err)
		}
		s.passes(time.Second)
		s.wantRunning()
		if names := s.Resolver.Names(); len(names) != 0 {
			t.Errorf("callers still know %v", names)
		}
	})
}

// An engine on another machine has a clock of its own, and any clock may be set: a
// function that cannot run must not be started without pause for that.
func TestCrashes_ArePacedWhateverTheEnginesClockSays(t *testing.T) {
	for _, clock := range []time.Duration{0, -24 * time.Hour, 24 * time.Hour} {
		t.Run(clock.String(), func(t *testing.T) {
			play(t, nil, func(s *scene) {
				s.engine.clock = clock
				s.create(spec("figlet"))
				for range 100 {
					s.passes(100 * time.Millisecond)
					for _, id := range s.engine.running() {
						_ = s.engine.set(id, function.Exited)
					}
				}
				if starts := s.engine.countOf("start"); starts < 5 || starts > 8 {
					t.Errorf("%d starts in ten seconds, want them ever further apart", starts)
				}
			})
		})
	}
}

// A provider may be killed after the last replica of a revision has gone and before
// its secrets have.
func TestTidy_LeavesNoSecretsOfWhatIsNoMore(t *testing.T) {
	play(t, func(s *scene) {
		if err := s.store.CreateSecret(function.Secret{Name: "token", Namespace: function.DefaultNamespace, Value: []byte("one")}); err != nil {
			s.t.Fatal(err)
		}
		s.openStore() // it is not new any more
		s.engine.secrets["deleted.openfaas-fn/7"] = map[string][]byte{"token": nil}
	}, func(s *scene) {
		user := spec("user")
		user.Secrets = []string{"token"}
		s.create(user)
		s.passes(time.Second)
		if _, err := s.Update(s.t.Context(), user); err != nil {
			t.Fatal(err)
		}
		s.passes(time.Second)
		if got := slices.Collect(maps.Keys(s.engine.secrets)); !slices.Equal(got, []string{"user.openfaas-fn/2"}) {
			t.Errorf("secrets of %v are left, want those of the revision that runs", got)
		}
		if len(s.workers) != 1 {
			t.Errorf("%d workers, want none for what was deleted", len(s.workers))
		}
	})
}

func TestSecretChanged_ReachesRunningFunctionsAndLaterOnes(t *testing.T) {
	play(t, func(s *scene) {
		if err := s.store.CreateSecret(function.Secret{Name: "token", Namespace: function.DefaultNamespace, Value: []byte("one")}); err != nil {
			s.t.Fatal(err)
		}
	}, func(s *scene) {
		user := spec("user")
		user.Secrets = []string{"token"}
		s.create(user)
		s.passes(time.Second)
		if got := s.engine.secret("user", 1, "token"); got != "one" {
			t.Errorf("the function got %q", got)
		}
		if err := s.store.UpdateSecret(function.Secret{Name: "token", Namespace: function.DefaultNamespace, Value: []byte("two")}); err != nil {
			t.Fatal(err)
		}
		if err := s.SecretChanged(s.t.Context(), function.DefaultNamespace, "token"); err != nil {
			t.Fatal(err)
		}
		s.passes(time.Millisecond)
		if got := s.engine.secret("user", 1, "token"); got != "two" {
			t.Errorf("after the update the function has %q", got)
		}
		if err := s.Delete(s.t.Context(), user.ID()); err != nil {
			t.Fatal(err)
		}
		s.passes(time.Second)
		if len(s.engine.secrets) != 0 {
			t.Errorf("secrets left after the deletion: %v", s.engine.secrets)
		}
	})
}

func TestRun_RemovesWhatNobodyWantsAndKeepsWhatRuns(t *testing.T) {
	play(t, func(s *scene) {
		kept, err := s.store.Create(function.Function{Spec: spec("kept"), Replicas: 1, ImageID: "id"})
		if err != nil {
			s.t.Fatal(err)
		}
		orphan := function.Function{Spec: spec("orphan"), Revision: 9}
		_, _ = s.engine.Start(s.t.Context(), kept)
		_, _ = s.engine.Start(s.t.Context(), orphan)
		s.openStore()
	}, func(s *scene) {
		s.passes(time.Second)
		s.wantRunning("c1")
		s.wantReady("kept", 1)
	})
}

func TestSilentReplica_IsGivenUpAndExplained(t *testing.T) {
	play(t, nil, func(s *scene) {
		s.engine.await = func(ctx context.Context, _ function.Replica) error {
			<-ctx.Done()
			return errors.New("connection refused")
		}
		s.create(spec("deaf"))
		s.passes(90 * time.Second)
		status, _ := s.Status(s.name("deaf"))
		if !strings.Contains(status.Reason, "without answering on port 8080: connection refused") {
			t.Errorf("reason %q", status.Reason)
		}
		if notes := s.Notes(s.name("deaf")); len(notes) < 2 {
			t.Errorf("notes %v", notes)
		}
	})
}

// What an old revision did wrong turns no caller of the next one away.
func TestUpdate_ForgetsWhyTheLastRevisionFailed(t *testing.T) {
	play(t, nil, func(s *scene) {
		s.engine.await = func(ctx context.Context, r function.Replica) error {
			if r.Revision == 1 {
				<-ctx.Done()
				return errors.New("connection refused")
			}
			return nil
		}
		deaf := labelled("deaf", "com.openfaas.scale.min", "1")
		s.create(deaf)
		s.passes(10 * time.Minute)
		patient, leave := context.WithTimeout(s.t.Context(), 5*time.Minute)
		defer leave()
		if _, err := s.Resolver.Acquire(patient, s.name("deaf")); !errors.Is(err, function.ErrNoReplica) {
			s.t.Fatalf("callers are not turned away: %v", err)
		}
		deaf.EnvVars = map[string]string{"version": "2"}
		if _, err := s.Update(s.t.Context(), deaf); err != nil {
			s.t.Fatal(err)
		}
		s.passes(0)
		ctx, cancel := context.WithTimeout(s.t.Context(), time.Minute)
		defer cancel()
		lease, err := s.Resolver.Acquire(ctx, s.name("deaf"))
		if err != nil {
			s.t.Fatalf("a caller of the next revision: %v", err)
		}
		lease.Release()
	})
}

// A secret that changes before the fleet runs is given to the replicas when it does.
func TestSecretChanged_BeforeRunIsNotLost(t *testing.T) {
	play(t, func(s *scene) {
		if err := s.store.CreateSecret(function.Secret{Name: "token", Namespace: function.DefaultNamespace, Value: []byte("one")}); err != nil {
			s.t.Fatal(err)
		}
	}, func(s *scene) {
		user := spec("user")
		user.Secrets = []string{"token"}
		s.create(user)
		s.passes(time.Second)
		if err := s.store.UpdateSecret(function.Secret{Name: "token", Namespace: function.DefaultNamespace, Value: []byte("two")}); err != nil {
			s.t.Fatal(err)
		}
		// As it is before Run.
		s.mu.Lock()
		running := s.running
		s.running, s.refreshed = nil, map[function.Name]bool{}
		s.mu.Unlock()
		if err := s.SecretChanged(s.t.Context(), function.DefaultNamespace, "token"); err != nil {
			s.t.Fatal(err)
		}
		s.passes(time.Second)
		if got := s.engine.secret("user", 1, "token"); got != "one" {
			s.t.Errorf("before Run the replicas have %q", got)
		}
		s.mu.Lock()
		s.running = running
		s.mu.Unlock()
		s.refreshEarly()
		s.passes(time.Second)
		if got := s.engine.secret("user", 1, "token"); got != "two" {
			s.t.Errorf("when it runs they have %q", got)
		}
	})
}

func TestRun_AdoptsWhatRunsWhenTheStoreIsNew(t *testing.T) {
	play(t, func(s *scene) {
		figlet := function.Function{Spec: spec("figlet"), Revision: 41}
		figlet.Secrets = []string{"token"}
		_ = s.engine.PutSecrets(s.t.Context(), figlet, map[string][]byte{"token": []byte("read back")})
		_, _ = s.engine.Start(s.t.Context(), figlet)
	}, func(s *scene) {
		s.passes(time.Second)
		s.wantRunning("c1")
		s.wantReady("figlet", 1)
		if secret, err := s.store.Secret(function.DefaultNamespace, "token"); err != nil || string(secret.Value) != "read back" {
			t.Errorf("adopted secret: %q, %v", secret.Value, err)
		}
		s.create(spec("next"))
		if f, _ := s.store.Function(s.name("next")); f.Revision <= 41 {
			t.Errorf("the next revision is %d, want more than the adopted one", f.Revision)
		}
	})
}

// Only a store that says so has deleted a function.
func TestFleet_KeepsWhatRunsWhileTheStoreCannotBeRead(t *testing.T) {
	play(t, nil, func(s *scene) {
		s.create(labelled("f", "com.openfaas.scale.min", "2"))
		s.create(labelled("rests", "com.openfaas.scale.min", "0"))
		s.passes(time.Second)
		before := s.engine.running()
		s.blind.Store(true)
		for range 3 {
			s.Ring(s.name("f"))
			s.passes(20 * time.Second)
		}
		s.wantRunning(before...)
		s.callTook("f")
		if _, err := s.Create(s.t.Context(), spec("new")); !errors.Is(err, function.ErrUnavailable) {
			s.t.Errorf("create: got %v, want an ErrUnavailable", err)
		}
		waits := make(chan time.Duration)
		go func() { waits <- s.callTook("rests") }()
		s.passes(time.Second)
		s.blind.Store(false)
		if took := <-waits; took > 10*time.Second {
			s.t.Errorf("a call that came meanwhile took %s", took)
		}
		s.delete("f")
		s.passes(10 * time.Second)
		s.wantReady("rests", 1)
		if left := s.engine.running(); len(left) != 1 {
			s.t.Errorf("containers %v are left, want one", left)
		}
	})
}

// An image that was pruned is brought back, and the function is not blamed.
func TestStart_OfAPrunedImageIsTriedAgainAtOnce(t *testing.T) {
	play(t, nil, func(s *scene) {
		failures := 1
		s.engine.start = func(function.Function) error {
			if failures--; failures >= 0 {
				return function.NotFound("image is no longer on this machine")
			}
			return nil
		}
		s.create(spec("figlet"))
		s.passes(300 * time.Millisecond) // a start takes 200
		s.wantReady("figlet", 1)
		failures = 1000
		if err := s.Scale(s.t.Context(), s.name("figlet"), 2); err != nil {
			s.t.Fatal(err)
		}
		s.passes(time.Minute)
		if tries := 1000 - failures; tries > 20 {
			s.t.Errorf("a start that fails each time was tried %d times in a minute", tries)
		}
		if status, _ := s.Status(s.name("figlet")); !strings.Contains(status.Reason, "no longer on this machine") {
			s.t.Errorf("got the reason %q, want why it does not start", status.Reason)
		}
	})
}

func TestEpitaph_SaysHowAReplicaEnded(t *testing.T) {
	for _, tc := range []struct {
		report function.PostMortem
		want   string
	}{
		{function.PostMortem{ExitCode: 0}, "replica a exited with code 0 and wrote nothing"},
		{function.PostMortem{ExitCode: 7, LastLines: []string{"b", "c"}}, "replica a exited with code 7; its last lines: b | c"},
		{function.PostMortem{ExitCode: 137, OutOfMemory: true}, "replica a was stopped by the kernel for using more memory than its limit and wrote nothing"},
		{function.PostMortem{ExitCode: 137}, "replica a was killed with exit code 137 (perhaps it ran out of memory) and wrote nothing"},
		{function.PostMortem{ExitCode: 1, Unread: true}, "replica a exited with code 1; what it wrote can no longer be read"},
	} {
		if got := epitaph(function.Replica{Instance: "a"}, tc.report); got != tc.want {
			t.Errorf("got %q, want %q", got, tc.want)
		}
	}
}
