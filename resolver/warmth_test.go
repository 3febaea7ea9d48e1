package resolver

import (
	"errors"
	"sync"
	"testing"
	"time"

	"faas-docker/function"
)

// asleep returns a resolver whose replicas were frozen, in this order.
func asleep(t *testing.T, ids ...string) (*Resolver, function.Name) {
	t.Helper()
	r, figlet := withReplicas(t, ids...)
	for _, id := range ids {
		if !r.Freeze(figlet, id) {
			t.Fatalf("replica %s was not frozen", id)
		}
	}
	r.Observe(figlet, r.Listing(), pausedAll(figlet, ids))
	return r, figlet
}

func pausedAll(of function.Name, ids []string) []function.Replica {
	var list []function.Replica
	for _, id := range ids {
		replica := running(of, id)
		replica.State = function.Paused
		list = append(list, replica)
	}
	return list
}

func TestFreeze_NeverWithAnInvocationInFlight(t *testing.T) {
	r, figlet := withReplicas(t, "a")
	lease := mustAcquire(t, r, figlet)
	if r.Freeze(figlet, "a") {
		t.Error("frozen with an invocation in flight")
	}
	lease.Release()
	var closed []string
	r.Gone = func(replica function.Replica) { closed = append(closed, replica.ID) }
	if !r.Freeze(figlet, "a") || len(closed) != 1 {
		t.Errorf("an idle replica was not frozen, or its connections not closed: %v", closed)
	}
	if ready := r.Load(figlet).Ready; ready != 0 {
		t.Errorf("%d replicas ready, want none", ready)
	}
}

func TestAcquire_LendsASleeperAtOnceAndRingsOnce(t *testing.T) {
	r, figlet := asleep(t, "a")
	rung := 0
	r.Changed = func(function.Name) { rung++ }
	for range 100 {
		if lease := mustAcquire(t, r, figlet); lease.Replica().ID != "a" {
			t.Fatalf("lent %s", lease.Replica().ID)
		}
	}
	if rung != 1 {
		t.Errorf("rung %d times for one sleeper, want once", rung)
	}
	if warmth := r.Members(figlet)[0].Warmth; warmth != Waking {
		t.Errorf("the replica is %s, want waking", warmth)
	}
	r.Woken(figlet, "a", r.Listing())
	r.Observe(figlet, r.Listing(), []function.Replica{running(figlet, "a")})
	if m := r.Members(figlet)[0]; m.Warmth != Awake || !m.Ready {
		t.Errorf("after the thaw: %s, ready=%t", m.Warmth, m.Ready)
	}
}

func TestAcquire_LendsTheLastFrozenFirstAndPrefersTheReady(t *testing.T) {
	r, figlet := asleep(t, "a", "b")
	r.Add(running(figlet, "c"), r.Listing())
	r.Admit(figlet, "c")
	if lease := mustAcquire(t, r, figlet); lease.Replica().ID != "c" {
		t.Errorf("lent %s although c was ready", lease.Replica().ID)
	}
	r.Withdraw(figlet, "c")
	if lease := mustAcquire(t, r, figlet); lease.Replica().ID != "b" {
		t.Errorf("lent %s, want b, which was frozen last", lease.Replica().ID)
	}
}

func TestObserve_AStaleListingDoesNotStopAWakingReplica(t *testing.T) {
	r, figlet := asleep(t, "a")
	mustAcquire(t, r, figlet).Release()
	r.Observe(figlet, r.Listing(), pausedAll(figlet, []string{"a"}))
	if ready := r.Load(figlet).Ready; ready != 1 {
		t.Errorf("%d replicas ready while it wakes, want 1", ready)
	}
}

func TestObserve_ASleeperThatDiedIsNotLent(t *testing.T) {
	r, figlet := asleep(t, "a")
	dead := running(figlet, "a")
	dead.State = function.Exited
	r.Observe(figlet, r.Listing(), []function.Replica{dead})
	if m := r.Members(figlet)[0]; m.Ready || m.Warmth != Awake {
		t.Errorf("a dead sleeper: ready=%t, %s", m.Ready, m.Warmth)
	}
	why := errors.New("dead")
	r.Changed = func(n function.Name) { r.Refuse(n, why, time.Now().Add(time.Hour)) }
	if _, err := r.Acquire(t.Context(), figlet); !errors.Is(err, why) {
		t.Errorf("got %v, want to wait in line", err)
	}
}

func TestDoze_AdoptsWhatIsPausedAndServesTheLine(t *testing.T) {
	r, figlet := New(), name("figlet")
	r.Declare(figlet, function.CallPolicy{})
	r.Observe(figlet, r.Listing(), pausedAll(figlet, []string{"a"}))
	var callers sync.WaitGroup
	waiting := make(chan struct{}, 1)
	r.Changed = func(function.Name) { waiting <- struct{}{} }
	callers.Go(func() { mustAcquire(t, r, figlet).Release() })
	<-waiting
	if !r.Doze(figlet, "a") {
		t.Error("not adopted")
	}
	callers.Wait()
}

func TestLose_WithdrawsAndTellsWhoHoldsIt(t *testing.T) {
	r, figlet := asleep(t, "a", "b")
	lease := mustAcquire(t, r, figlet)
	var lost []string
	r.Lost = func(replica function.Replica, _ bool) { lost = append(lost, replica.ID) }
	r.Lose(*lease.Replica(), true)
	if len(lost) != 1 || lost[0] != "b" {
		t.Errorf("lost %v, want b", lost)
	}
	if next := mustAcquire(t, r, figlet); next.Replica().ID != "a" {
		t.Errorf("failed over to %s, want a", next.Replica().ID)
	}
}

func TestRouse_PutsASleeperIntoRotation(t *testing.T) {
	r, figlet := asleep(t, "a")
	if !r.Rouse(figlet, "a") || r.Rouse(figlet, "a") {
		t.Error("roused not once")
	}
	if ready := r.Load(figlet).Ready; ready != 1 {
		t.Errorf("%d replicas ready, want 1", ready)
	}
}

// Somebody may thaw a replica by hand just when it is lent: then nobody says that its
// thaw has succeeded.
func TestObserve_AReplicaThatIsSeenToRunIsAwake(t *testing.T) {
	for _, lent := range []bool{false, true} {
		r, figlet := withReplicas(t, "a")
		if !r.Freeze(figlet, "a") {
			t.Fatal("not frozen")
		}
		r.Paused(figlet, "a", r.Listing())
		if lent {
			lease, err := r.Acquire(t.Context(), figlet)
			if err != nil {
				t.Fatal(err)
			}
			lease.Release()
		}
		r.Observe(figlet, r.Listing(), []function.Replica{running(figlet, "a")})
		if m := r.Members(figlet)[0]; m.Warmth != Awake || m.Ready != lent {
			t.Errorf("lent %t: %s, ready %t; want it awake, and ready when it was lent", lent, m.Warmth, m.Ready)
		}
	}
}

// A change of state is numbered, and before it is written down a whole listing goes by.
func TestChangeState_DoesNotOverruleAListingThatBeganSince(t *testing.T) {
	r, figlet := asleep(t, "a", "b", "c")
	lease := mustAcquire(t, r, figlet)
	change, listing, p := r.Listing(), r.Listing(), r.pool(figlet)
	dead := running(figlet, "b")
	dead.State = function.Exited
	list := append(pausedAll(figlet, []string{"a"}), dead, running(figlet, "c"))
	for _, replica := range list {
		p.upsert(replica, listing)
	}
	p.changeState("a", function.Paused, change)
	p.changeState("b", function.Running, change)
	p.changeState("c", function.Running, change)
	if dropped, _ := p.drop(listing); len(dropped) != 0 {
		t.Fatalf("%d replicas that were listed are dropped", len(dropped))
	}
	for i, m := range r.Members(figlet) {
		if m.State != list[i].State {
			t.Errorf("%s is %s, want %s as it was listed", m.ID, m.State, list[i].State)
		}
	}
	if m := r.Members(figlet)[2]; lease.Replica().ID != "c" || m.Warmth != Awake || !m.Ready {
		t.Errorf("c, which was lent asleep and runs: %s, ready=%t", m.Warmth, m.Ready)
	}
}

// A rollback renames replicas, and the list that shows it may be made while one of them is
// being paused: that it runs still says nothing about the pause.
func TestObserve_ARenamedReplicaStaysOnItsWayToSleep(t *testing.T) {
	for _, lent := range []bool{false, true} {
		r, figlet := withReplicas(t, "a")
		if !r.Freeze(figlet, "a") {
			t.Fatal("not frozen")
		}
		want := Asleep
		if lent {
			mustAcquire(t, r, figlet).Release()
			want = Waking
		}
		renamed := running(figlet, "a")
		renamed.Instance, renamed.Left = "a-left", true
		r.Observe(figlet, r.Listing(), []function.Replica{renamed})
		r.Paused(figlet, "a", r.Listing())
		if m := r.Members(figlet)[0]; m.Warmth != want || m.Ready != lent || m.State != function.Paused || !m.Left {
			t.Fatalf("lent %t: %s, ready %t, %s, left %t; want it %s and paused", lent, m.Warmth, m.Ready, m.State, m.Left, want)
		}
		if lease := mustAcquire(t, r, figlet); !lease.Waking() {
			t.Errorf("lent %t: then it is lent as if it were awake", lent)
		}
	}
}

// Somebody may thaw a replica by hand just when it has been paused, and a list may show
// that before the pause is reported.
func TestPaused_AReplicaThatWasSeenToRunSinceIsAwake(t *testing.T) {
	for _, lent := range []bool{false, true} {
		r, figlet := withReplicas(t, "a")
		if !r.Freeze(figlet, "a") {
			t.Fatal("not frozen")
		}
		if lent {
			mustAcquire(t, r, figlet).Release()
		}
		pause := r.Listing()
		r.Observe(figlet, r.Listing(), []function.Replica{running(figlet, "a")})
		r.Paused(figlet, "a", pause)
		if m := r.Members(figlet)[0]; m.Warmth != Awake || m.Ready != lent || m.State != function.Running {
			t.Errorf("lent %t: %s, ready %t, %s; want it awake, and ready when it was lent", lent, m.Warmth, m.Ready, m.State)
		}
	}
}
