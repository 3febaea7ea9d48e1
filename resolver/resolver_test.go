package resolver

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hashicorp/go-hclog"

	"faas-docker/function"
)

func name(text string) function.Name { return function.ParseName(text, function.DefaultNamespace) }

func running(of function.Name, id string) function.Replica {
	return function.Replica{ID: id, Instance: of.String() + "." + id, Function: of, Revision: 1,
		Address: netip.MustParseAddrPort("10.0.0.1:8080"), State: function.Running}
}

// withReplicas returns a resolver with one declared function and ready replicas.
func withReplicas(t *testing.T, ids ...string) (*Resolver, function.Name) {
	t.Helper()
	r, figlet := New(), name("figlet")
	r.Declare(figlet, function.CallPolicy{})
	for _, id := range ids {
		r.Add(running(figlet, id), r.Listing())
		if !r.MarkReady(figlet, id) {
			t.Fatalf("replica %s was not admitted", id)
		}
	}
	return r, figlet
}

func mustAcquire(t *testing.T, r *Resolver, n function.Name) Lease {
	t.Helper()
	lease, err := r.Acquire(t.Context(), n)
	if err != nil {
		t.Fatalf("acquire %s: %v", n, err)
	}
	return lease
}

// call borrows a replica and gives it back. It may be called from any goroutine.
func call(t *testing.T, r *Resolver, n function.Name) {
	t.Helper()
	lease, err := r.Acquire(t.Context(), n)
	if err != nil {
		t.Errorf("acquire %s: %v", n, err)
		return
	}
	lease.Release()
}

func TestAcquire_UnknownFunctionIsNotFoundAtOnce(t *testing.T) {
	_, err := New().Acquire(t.Context(), name("nobody"))
	if !errors.Is(err, function.ErrNotFound) {
		t.Fatalf("got %v, want ErrNotFound", err)
	}
}

func TestAcquire_LendsTheLeastBusyAndSpreadsEvenly(t *testing.T) {
	r, figlet := withReplicas(t, "a", "b", "c")
	perReplica := map[string]int{}
	for range 30 {
		perReplica[mustAcquire(t, r, figlet).Replica().ID]++
	}
	for id, n := range perReplica {
		if n != 10 {
			t.Errorf("replica %s holds %d calls, want 10: %v", id, n, perReplica)
		}
	}
	busy := mustAcquire(t, r, figlet)
	lease := mustAcquire(t, r, figlet)
	lease.Release()
	if next := mustAcquire(t, r, figlet); next.Replica().ID == busy.Replica().ID {
		t.Errorf("lent %s, which is busier than the others", busy.Replica().ID)
	}
}

func TestAcquire_SpreadsFairlyOverManyReplicas(t *testing.T) {
	var ids []string
	for i := range 50 {
		ids = append(ids, fmt.Sprintf("r%d", i))
	}
	r, figlet := withReplicas(t, ids...)
	perReplica := map[string]int{}
	for range 5000 {
		perReplica[mustAcquire(t, r, figlet).Replica().ID]++
	}
	for id, n := range perReplica {
		if n < 95 || n > 105 {
			t.Errorf("replica %s holds %d of 5000 calls, want about 100", id, n)
		}
	}
	if len(perReplica) != len(ids) {
		t.Errorf("%d of %d replicas are used", len(perReplica), len(ids))
	}
}

func TestAcquire_EqualsTakeTurns(t *testing.T) {
	r, figlet := withReplicas(t, "a", "b")
	seen := map[string]int{}
	for range 10 {
		lease := mustAcquire(t, r, figlet)
		seen[lease.Replica().ID]++
		lease.Release()
	}
	if seen["a"] != 5 || seen["b"] != 5 {
		t.Errorf("sequential calls spread %v, want 5 each", seen)
	}
}

func TestAcquire_WaitsForTheFirstReadyReplicaAndRings(t *testing.T) {
	r, figlet := withReplicas(t)
	var rung atomic.Int32
	r.Changed = func(n function.Name) {
		if n == figlet && r.Load(n).Waiting > 0 && rung.Add(1) == 1 {
			r.Add(running(figlet, "a"), r.Listing())
			go r.MarkReady(figlet, "a")
		}
	}
	var callers sync.WaitGroup
	for range 20 {
		callers.Go(func() { call(t, r, figlet) })
	}
	callers.Wait()
	if load := r.Load(figlet); load.Invocations != 20 || load.InFlight != 0 || load.Waiting != 0 {
		t.Errorf("after 20 calls the load is %+v", load)
	}
	if rung.Load() == 0 {
		t.Error("nobody rang for a replica")
	}
}

func TestAcquire_EndsWithItsContextAndLeavesTheLine(t *testing.T) {
	r, figlet := withReplicas(t)
	ctx, cancel := context.WithCancel(t.Context())
	r.Changed = func(function.Name) { cancel() }
	_, err := r.Acquire(ctx, figlet)
	if !errors.Is(err, context.Canceled) {
		t.Fatalf("got %v, want context.Canceled", err)
	}
	if waiting := r.Load(figlet).Waiting; waiting != 0 {
		t.Errorf("%d callers still wait", waiting)
	}
}

func TestAcquire_LosesNoReplicaWhenCallersGiveUp(t *testing.T) {
	r, figlet := withReplicas(t)
	r.Add(running(figlet, "a"), r.Listing())
	var callers sync.WaitGroup
	for range 200 {
		callers.Go(func() {
			ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
			defer cancel()
			if lease, err := r.Acquire(ctx, figlet); err == nil {
				lease.Release()
			}
		})
	}
	r.MarkReady(figlet, "a")
	callers.Wait()
	if load := r.Load(figlet); load.InFlight != 0 || load.Waiting != 0 {
		t.Errorf("load after all gave up or were served: %+v", load)
	}
}

func TestAcquire_KeepsToTheLimitsAndServesTheLineInOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, figlet := withReplicas(t, "a", "b")
		r.Declare(figlet, function.CallPolicy{MaxInFlight: 2, MaxWaiting: 3})
		var held []Lease
		for range 4 {
			held = append(held, mustAcquire(t, r, figlet))
		}
		served := make(chan int)
		for i := range 3 {
			go func() {
				if _, err := r.Acquire(t.Context(), figlet); err == nil {
					served <- i
				}
			}()
			synctest.Wait()
		}
		_, err := r.Acquire(t.Context(), figlet)
		var failure *function.Failure
		if !errors.Is(err, function.ErrBusy) || !errors.As(err, &failure) || failure.RetryAfter <= 0 {
			t.Errorf("beyond the line a caller got %v, want ErrBusy with a time to retry after", err)
		}
		for want := range 3 {
			held[want].Release()
			if got := <-served; got != want {
				t.Errorf("caller %d was served before caller %d", got, want)
			}
		}
	})
}

func TestRefuse_TurnsAwayThoseInLineAndNewcomersUntilAReplicaIsAdmitted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, figlet := withReplicas(t)
		why := errors.New("image not found")
		result := make(chan error)
		go func() { _, err := r.Acquire(t.Context(), figlet); result <- err }()
		synctest.Wait()
		r.Refuse(figlet, why, time.Now().Add(time.Second))
		if err := <-result; !errors.Is(err, why) {
			t.Errorf("the caller in line got %v", err)
		}
		if _, err := r.Acquire(t.Context(), figlet); !errors.Is(err, why) {
			t.Errorf("a newcomer got %v", err)
		}
		time.Sleep(time.Second)
		go func() { _, err := r.Acquire(t.Context(), figlet); result <- err }()
		synctest.Wait()
		r.Add(running(figlet, "a"), r.Listing())
		r.MarkReady(figlet, "a")
		if err := <-result; err != nil {
			t.Errorf("after the refusal ended a caller got %v", err)
		}
	})
}

func TestWithdraw_IsIdleWhenTheLastInvocationEnds(t *testing.T) {
	r, figlet := withReplicas(t, "a")
	var gone []string
	r.CloseIdle = func(replica function.Replica) { gone = append(gone, replica.ID) }
	first, second := mustAcquire(t, r, figlet), mustAcquire(t, r, figlet)
	idle := r.Withdraw(figlet, "a")
	first.Release()
	if isClosed(idle) {
		t.Fatal("idle while an invocation is in flight")
	}
	second.Release()
	if !isClosed(idle) {
		t.Fatal("not idle after the last release")
	}
	if len(gone) != 1 || gone[0] != "a" {
		t.Errorf("Gone was called for %v, want a, once", gone)
	}
	if r.MarkReady(figlet, "a") {
		t.Error("a withdrawn replica came back into rotation")
	}
}

func TestSuspect_IsNotLentUntilItIsAdmittedAgain(t *testing.T) {
	r, figlet := withReplicas(t, "a")
	lease := mustAcquire(t, r, figlet)
	rung := 0
	r.Changed = func(function.Name) { rung++ }
	r.Suspect(figlet, "a")
	r.Suspect(figlet, "a")
	lease.Release()
	if ready := r.Load(figlet).Ready; ready != 0 || rung != 1 {
		t.Errorf("%d replicas ready, rung %d times; want none, once", ready, rung)
	}
	if !r.MarkReady(figlet, "a") {
		t.Error("not admitted again")
	}
}

func TestForget_TellsThoseInLineThatTheFunctionIsGone(t *testing.T) {
	r, figlet := withReplicas(t)
	result := make(chan error)
	var forgetting sync.WaitGroup
	r.Changed = func(n function.Name) {
		if r.Load(n).Waiting > 0 {
			forgetting.Go(func() { r.Forget(n) })
		}
	}
	go func() { _, err := r.Acquire(t.Context(), figlet); result <- err }()
	if err := <-result; !errors.Is(err, function.ErrNotFound) {
		t.Errorf("got %v, want ErrNotFound", err)
	}
	forgetting.Wait()
	if names := r.Names(); len(names) != 0 {
		t.Errorf("still known: %v", names)
	}
}

func TestObserve_DropsWhatIsNotListedButNotWhatStartedMeanwhile(t *testing.T) {
	r, figlet := withReplicas(t, "a", "b")
	var gone []string
	r.CloseIdle = func(replica function.Replica) { gone = append(gone, replica.ID) }
	listing := r.Listing()
	r.Add(running(figlet, "new"), r.Listing())
	r.Observe(function.Name{}, listing, []function.Replica{running(figlet, "a")})
	ids := map[string]bool{}
	for _, m := range r.Members(figlet) {
		ids[m.ID] = true
	}
	if !ids["a"] || !ids["new"] || ids["b"] {
		t.Errorf("members after the listing: %v, want a and new", ids)
	}
	if fmt.Sprint(gone) != "[b]" {
		t.Errorf("Gone was called for %v, want b", gone)
	}
}

func TestAdd_DoesNotOverruleAListingThatCameMeanwhile(t *testing.T) {
	r, figlet := withReplicas(t)
	before := r.Listing()
	dead := running(figlet, "a")
	dead.State = function.Exited
	r.Observe(figlet, r.Listing(), []function.Replica{dead})
	r.Add(running(figlet, "a"), before)
	if state := r.Members(figlet)[0].State; state != function.Exited {
		t.Errorf("a replica that died while it was started is %s", state)
	}
}

func TestAdd_OverrulesAListingFromBeforeItRan(t *testing.T) {
	r, figlet := withReplicas(t)
	before := r.Listing()
	unborn := running(figlet, "a")
	unborn.State = function.Created
	r.Observe(figlet, r.Listing(), []function.Replica{unborn})
	r.Add(running(figlet, "a"), before)
	if !r.MarkReady(figlet, "a") {
		t.Errorf("a replica that was started is %s", r.Members(figlet)[0].State)
	}
}

func TestObserve_AListingFromDuringTheStartCounts(t *testing.T) {
	r, figlet := withReplicas(t)
	before, during := r.Listing(), r.Listing()
	r.Add(running(figlet, "a"), before)
	dead, unborn := running(figlet, "a"), running(figlet, "a")
	dead.State, unborn.State = function.Exited, function.Created
	r.Observe(figlet, during, []function.Replica{unborn})
	if state := r.Members(figlet)[0].State; state != function.Running {
		t.Errorf("a listing from before the start made it %s", state)
	}
	r.Observe(figlet, r.Listing(), []function.Replica{dead})
	if state := r.Members(figlet)[0].State; state != function.Exited {
		t.Errorf("a listing that saw it dead left it %s", state)
	}
}

func TestRemove_IsFinalWhateverIsStillUnderWay(t *testing.T) {
	r, figlet := withReplicas(t, "a")
	before, stale := r.Listing(), r.Listing()
	r.Remove(figlet, "a")
	r.Add(running(figlet, "a"), before)
	r.Observe(figlet, stale, []function.Replica{running(figlet, "a")})
	if members := r.Members(figlet); len(members) != 0 {
		t.Errorf("a removed replica is back: %v", members)
	}
}

func TestObserve_AReplicaThatStoppedIsNotLent(t *testing.T) {
	for _, state := range []function.State{function.Exited, function.Paused} {
		t.Run(state.String(), func(t *testing.T) {
			r, figlet := withReplicas(t, "a")
			rung := false
			r.Changed = func(function.Name) { rung = true }
			stopped := running(figlet, "a")
			stopped.State = state
			r.Observe(figlet, r.Listing(), []function.Replica{stopped})
			if ready := r.Load(figlet).Ready; ready != 0 {
				t.Errorf("%d replicas ready, want none", ready)
			}
			if !rung {
				t.Error("nobody was told")
			}
		})
	}
}

func TestObserve_AnUnchangedListingTellsNobody(t *testing.T) {
	r, figlet := withReplicas(t, "a")
	r.Changed = func(function.Name) { t.Error("told of a change where there was none") }
	r.Observe(function.Name{}, r.Listing(), []function.Replica{running(figlet, "a")})
	if ready := r.Load(figlet).Ready; ready != 1 {
		t.Errorf("%d replicas ready, want 1", ready)
	}
}

// fakeEngine plays sessions of events: each ends when its channel is closed.
type fakeEngine struct {
	mu       sync.Mutex
	replicas []function.Replica
	lists    []function.Name
	sessions chan chan function.Name
	silent   bool // it does not answer when it is asked for a list
}

func (e *fakeEngine) Replicas(ctx context.Context, n function.Name) ([]function.Replica, error) {
	if err := e.hush(ctx); err != nil {
		return nil, err
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.lists = append(e.lists, n)
	var listed []function.Replica
	for _, replica := range e.replicas {
		if n.IsZero() || replica.Function == n {
			listed = append(listed, replica)
		}
	}
	return listed, nil
}

func (e *fakeEngine) Events(ctx context.Context, subscribed func(), changed func(function.Event)) error {
	if err := e.hush(ctx); err != nil {
		return err
	}
	select {
	case events := <-e.sessions:
		subscribed()
		return relay(ctx, events, changed)
	case <-ctx.Done():
		return ctx.Err()
	}
}

func relay(ctx context.Context, events chan function.Name, changed func(function.Event)) error {
	for {
		select {
		case n, ok := <-events:
			if !ok {
				return errors.New("connection lost")
			}
			changed(function.Event{Function: n})
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

func (e *fakeEngine) set(replicas ...function.Replica) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.replicas = replicas
}

func TestWatch_ListsAfterSubscribingOnEventsAndOnReconnect(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		r, figlet := New(), name("figlet")
		engine := &fakeEngine{sessions: make(chan chan function.Name)}
		engine.set(running(figlet, "a"))
		done := make(chan struct{})
		go func() { defer close(done); r.Watch(ctx, engine, time.Hour, hclog.NewNullLogger()) }()

		events := make(chan function.Name)
		engine.sessions <- events
		<-r.Synced()
		synctest.Wait()
		wantMembers(t, r, figlet, "a")

		engine.set(running(figlet, "b"))
		events <- figlet
		synctest.Wait()
		wantMembers(t, r, figlet, "b")

		engine.set(running(figlet, "c"))
		close(events)
		engine.sessions <- make(chan function.Name)
		synctest.Wait()
		wantMembers(t, r, figlet, "c")

		cancel()
		<-done
	})
}

func TestWatch_SaysThatTheEngineIsBackAfterEachTimeItWasAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		r, figlet, back := New(), name("figlet"), 0
		r.Back = func(time.Time) {
			back++
			wantMembers(t, r, figlet, "a")
		}
		engine := &fakeEngine{sessions: make(chan chan function.Name)}
		engine.set(running(figlet, "a"))
		go r.Watch(ctx, engine, time.Hour, hclog.NewNullLogger())
		for times := range 3 {
			events := make(chan function.Name)
			engine.sessions <- events
			synctest.Wait()
			if back != times {
				t.Errorf("after it was away %d times it was back %d times", times, back)
			}
			close(events)
		}
	})
}

// A connection over which nothing comes any more does not break by itself.
func TestWatch_ASilentEngineIsAwayToo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		r, back := New(), 0
		r.Back = func(time.Time) { back++ }
		engine := &fakeEngine{sessions: make(chan chan function.Name)}
		go r.Watch(ctx, engine, time.Minute, hclog.NewNullLogger())
		engine.sessions <- make(chan function.Name)
		<-r.Synced()
		engine.be(true)
		time.Sleep(time.Minute + listTimeout)
		engine.be(false)
		engine.sessions <- make(chan function.Name)
		synctest.Wait()
		if back != 1 {
			t.Errorf("it was back %d times, want once", back)
		}
	})
}

func (e *fakeEngine) be(silent bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.silent = silent
}

// hush keeps whoever asks waiting while the engine is silent.
func (e *fakeEngine) hush(ctx context.Context) error {
	e.mu.Lock()
	silent := e.silent
	e.mu.Unlock()
	if !silent {
		return nil
	}
	<-ctx.Done()
	return ctx.Err()
}

// tardyEngine takes a minute to list anything.
type tardyEngine struct{ *fakeEngine }

func (e tardyEngine) Replicas(ctx context.Context, n function.Name) ([]function.Replica, error) {
	select {
	case <-time.After(time.Minute):
		return e.fakeEngine.Replicas(ctx, n)
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func TestWatch_TheFirstListMayTakeLong(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		r := New()
		engine := &fakeEngine{sessions: make(chan chan function.Name)}
		go r.Watch(ctx, tardyEngine{engine}, time.Hour, hclog.NewNullLogger())
		engine.sessions <- make(chan function.Name)
		time.Sleep(time.Minute)
		synctest.Wait()
		select {
		case <-r.Synced():
		default:
			t.Error("an engine that needs a minute for its first list is given up")
		}
	})
}

func TestRelent_CallersWaitAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, figlet := New(), name("figlet")
		r.Declare(figlet, function.CallPolicy{})
		r.Refuse(figlet, errors.New("no engine"), time.Now().Add(time.Minute))
		r.ClearRefusal(figlet)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := r.Acquire(ctx, figlet); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("after the refusal was taken back: %v", err)
		}
	})
}

func wantMembers(t *testing.T, r *Resolver, n function.Name, ids ...string) {
	t.Helper()
	var got []string
	for _, m := range r.Members(n) {
		got = append(got, m.ID)
	}
	if fmt.Sprint(got) != fmt.Sprint(ids) {
		t.Errorf("members %v, want %v", got, ids)
	}
}

func TestWatch_ResyncFindsWhatNoEventTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		r, figlet := New(), name("figlet")
		engine := &fakeEngine{sessions: make(chan chan function.Name)}
		go r.Watch(ctx, engine, time.Minute, hclog.NewNullLogger())
		events := make(chan function.Name)
		engine.sessions <- events
		<-r.Synced()
		engine.set(running(figlet, "a"))
		time.Sleep(time.Minute + time.Second)
		wantMembers(t, r, figlet, "a")
	})
}

func BenchmarkAcquireRelease(b *testing.B) {
	for _, count := range []int{1, 3, 1000} {
		b.Run(fmt.Sprintf("replicas=%d", count), func(b *testing.B) { benchmarkAcquire(b, count) })
	}
}

func benchmarkAcquire(b *testing.B, count int) {
	r, figlet := New(), name("figlet")
	r.Declare(figlet, function.CallPolicy{})
	for i := range count {
		id := fmt.Sprintf("r%d", i)
		r.Add(running(figlet, id), r.Listing())
		r.MarkReady(figlet, id)
	}
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			lease, err := r.Acquire(b.Context(), figlet)
			if err != nil {
				b.Fatal(err)
			}
			lease.Release()
		}
	})
}

// What began while the fleet was looking rings as what begins afterwards does.
func TestAlarm_RingsForWhatTheCallerHasNotSeen(t *testing.T) {
	for _, test := range []struct {
		inFlight, above, seen int
		later                 bool // one more call begins afterwards
		rings                 int
	}{
		{3, 2, 2, false, 1}, {3, 2, 1, false, 1}, {3, 2, 0, false, 1},
		{3, 2, 3, false, 0}, {3, 2, 4, false, 0}, {3, 3, 1, false, 0},
		{3, 0, 0, false, 0}, {3, 0, 3, true, 0}, {0, 1, 0, false, 0},
		{3, 2, 3, true, 1}, {3, 2, 2, true, 1}, {3, 4, 3, true, 0}, {3, 3, 3, true, 1},
	} {
		r, f := withReplicas(t, "a")
		rings := 0
		r.Changed = func(function.Name) { rings++ }
		for range test.inFlight {
			mustAcquire(t, r, f)
		}
		r.Alarm(f, test.above, test.seen)
		if test.later {
			mustAcquire(t, r, f)
		}
		if rings != test.rings {
			t.Errorf("%+v: rang %d times", test, rings)
		}
	}
}

// The first call that was in line counts what it is answered.
func TestDeny_WhoIsInLineBelievesWhatIsAdmittedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, figlet := withReplicas(t, "a")
		if mustAcquire(t, r, figlet).IsProven() {
			t.Error("one that has never answered for itself is believed")
		}
		r.Deny(figlet, "a")
		proven := make(chan bool, 1)
		go func() {
			lease, err := r.Acquire(t.Context(), figlet)
			proven <- err == nil && lease.IsProven()
		}()
		synctest.Wait()
		r.MarkReady(figlet, "a")
		if !<-proven {
			t.Error("the call in line does not believe it")
		}
	})
}
