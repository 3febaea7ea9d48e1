package resolver

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"faas-docker/function"
	"faas-docker/replica"
)

// asleep returns a resolver whose replicas were frozen, in this order.
func asleep(t *testing.T, ids ...string) (*Resolver, function.Name) {
	t.Helper()
	r, figlet := withReplicas(t, ids...)
	for _, id := range ids {
		if !r.Begin(figlet, id, replica.Pause) {
			t.Fatalf("replica %s was not frozen", id)
		}
		r.Tell(figlet, id, replica.Event{Kind: replica.Paused, Listing: r.Listing()})
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

// callInLine has somebody wait for a replica, and checks at the end that one was lent.
func callInLine(t *testing.T, r *Resolver, name function.Name) {
	t.Helper()
	var caller sync.WaitGroup
	caller.Go(func() { call(t, r, name) })
	for r.Load(name).Waiting == 0 {
		time.Sleep(time.Millisecond)
	}
	t.Cleanup(caller.Wait)
}

// A call could begin just before its replica is paused.
func TestAcquire_WaitsForAPauseThatIsUnderWay(t *testing.T) {
	for _, end := range []struct {
		name  string
		how   func(r *Resolver, figlet function.Name)
		after replica.Phase
	}{
		{"that succeeds", func(r *Resolver, figlet function.Name) {
			r.Tell(figlet, "a", replica.Event{Kind: replica.Paused, Listing: r.Listing()})
		}, replica.Thawing},
		{"that fails", func(r *Resolver, figlet function.Name) {
			r.Tell(figlet, "a", replica.Event{Kind: replica.Rouse})
			r.Tell(figlet, "a", replica.Event{Kind: replica.Woken, Listing: r.Listing()})
		}, replica.Ready},
		{"of a replica that is withdrawn", func(r *Resolver, figlet function.Name) {
			r.Withdraw(figlet, "a")
			r.Add(running(figlet, "b"), r.Listing())
			r.MarkReady(figlet, "b")
		}, replica.Draining},
		{"of a replica that dies", func(r *Resolver, figlet function.Name) {
			r.Remove(figlet, "a")
			r.Add(running(figlet, "b"), r.Listing())
			r.MarkReady(figlet, "b")
		}, replica.Ready},
		{"while another gets ready", func(r *Resolver, figlet function.Name) {
			r.Add(running(figlet, "b"), r.Listing())
			r.MarkReady(figlet, "b")
		}, replica.Freezing},
	} {
		t.Run(end.name, func(t *testing.T) {
			r, figlet := withReplicas(t, "a")
			if !r.Begin(figlet, "a", replica.Pause) {
				t.Fatal("not frozen")
			}
			// What was said before of the function's troubles is not true of this replica.
			r.Refuse(figlet, errors.New("nothing starts"), time.Now().Add(time.Hour))
			if load := r.Load(figlet); load.Ready != 0 || load.Asleep != 1 {
				t.Errorf("%d replicas ready and %d asleep, want one asleep", load.Ready, load.Asleep)
			}
			callInLine(t, r, figlet)
			end.how(r, figlet)
			if m := r.Members(figlet)[0]; m.Phase != end.after {
				t.Errorf("the first replica is %s, want %s", m.Phase, end.after)
			}
		})
	}
}

func TestAcquirePrevious_WaitsForAPauseThatIsUnderWay(t *testing.T) {
	for name, how := range map[string]func(r *Resolver, figlet function.Name) (want string){
		"that succeeds": func(r *Resolver, figlet function.Name) string {
			r.Tell(figlet, "a", replica.Event{Kind: replica.Paused, Listing: r.Listing()})
			return "a"
		},
		"that fails": func(r *Resolver, figlet function.Name) string {
			r.Tell(figlet, "a", replica.Event{Kind: replica.Rouse})
			return "a"
		},
		"for good": func(r *Resolver, figlet function.Name) string { r.Withdraw(figlet, "a"); return "b" },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r, figlet := withReplicas(t, "a", "b")
				r.Tell(figlet, "a", replica.Event{Kind: replica.Keep, Role: replica.Previous})
				if !r.Begin(figlet, "a", replica.Pause) {
					t.Fatal("not frozen")
				}
				lent := make(chan string, 1)
				go func() {
					lease, err := r.AcquirePrevious(t.Context(), figlet)
					if err != nil {
						t.Errorf("call: %v", err)
						return
					}
					lent <- lease.Replica().ID
					lease.Release()
				}()
				synctest.Wait()
				if len(lent) > 0 {
					t.Fatalf("lent %s while the pause is under way", <-lent)
				}
				if want, got := how(r, figlet), <-lent; got != want {
					t.Errorf("lent %s, want %s", got, want)
				}
			})
		})
	}
	r, figlet := withReplicas(t, "a", "b")
	r.Tell(figlet, "a", replica.Event{Kind: replica.Keep, Role: replica.Previous})
	r.Begin(figlet, "a", replica.Pause)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := r.AcquirePrevious(ctx, figlet); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want that the caller has left", err)
	}
}

func TestFreeze_NeverWithAnInvocationInFlight(t *testing.T) {
	r, figlet := withReplicas(t, "a")
	lease := mustAcquire(t, r, figlet)
	if r.Begin(figlet, "a", replica.Pause) {
		t.Error("frozen with an invocation in flight")
	}
	lease.Release()
	var closed []string
	r.CloseIdle = func(replica function.Replica) { closed = append(closed, replica.ID) }
	if !r.Begin(figlet, "a", replica.Pause) || len(closed) != 1 {
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
	if phase := r.Members(figlet)[0].Phase; phase != replica.Thawing {
		t.Errorf("the replica is %s, want thawing", phase)
	}
	r.Tell(figlet, "a", replica.Event{Kind: replica.Woken, Listing: r.Listing()})
	r.Observe(figlet, r.Listing(), []function.Replica{running(figlet, "a")})
	if m := r.Members(figlet)[0]; m.Phase != replica.Ready {
		t.Errorf("after the thaw: %s", m.Phase)
	}
}

func TestAcquire_LendsTheLastFrozenFirstAndPrefersTheReady(t *testing.T) {
	r, figlet := asleep(t, "a", "b")
	r.Add(running(figlet, "c"), r.Listing())
	r.MarkReady(figlet, "c")
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
	if m := r.Members(figlet)[0]; m.Phase != replica.Exited {
		t.Errorf("a dead sleeper: %s", m.Phase)
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
	callers.Go(func() { call(t, r, figlet) })
	<-waiting
	r.Tell(figlet, "a", replica.Event{Kind: replica.AdoptFrozen})
	callers.Wait()
	<-waiting // whoever is told thaws it
}

func TestLose_TellsWhoHoldsAReplicaThatWasWithdrawn(t *testing.T) {
	r, figlet := asleep(t, "a", "b")
	lease := mustAcquire(t, r, figlet)
	var lost []string
	r.ThawFailed = func(replica function.Replica, _ bool) { lost = append(lost, replica.ID) }
	r.Withdraw(figlet, lease.Replica().ID)
	r.ThawFailed(*lease.Replica(), true)
	if len(lost) != 1 || lost[0] != "b" {
		t.Errorf("lost %v, want b", lost)
	}
	if next := mustAcquire(t, r, figlet); next.Replica().ID != "a" {
		t.Errorf("failed over to %s, want a", next.Replica().ID)
	}
}

func TestRouse_PutsASleeperIntoRotation(t *testing.T) {
	r, figlet := asleep(t, "a")
	rung := 0
	r.Changed = func(function.Name) { rung++ }
	r.Tell(figlet, "a", replica.Event{Kind: replica.Rouse})
	r.Tell(figlet, "a", replica.Event{Kind: replica.Rouse})
	if rung != 1 {
		t.Errorf("rung %d times, want once", rung)
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
		if !r.Begin(figlet, "a", replica.Pause) {
			t.Fatal("not frozen")
		}
		r.Tell(figlet, "a", replica.Event{Kind: replica.Paused, Listing: r.Listing()})
		if lent {
			lease, err := r.Acquire(t.Context(), figlet)
			if err != nil {
				t.Fatal(err)
			}
			lease.Release()
		}
		r.Observe(figlet, r.Listing(), []function.Replica{running(figlet, "a")})
		want := replica.Suspect
		if lent {
			want = replica.Ready
		}
		if m := r.Members(figlet)[0]; m.Phase != want {
			t.Errorf("lent %t: %s, want %s", lent, m.Phase, want)
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
	for _, shown := range list {
		p.upsert(shown, listing)
	}
	r.Tell(figlet, "a", replica.Event{Kind: replica.Paused, Listing: change})
	r.Tell(figlet, "b", replica.Event{Kind: replica.Woken, Listing: change})
	r.Tell(figlet, "c", replica.Event{Kind: replica.Woken, Listing: change})
	if dropped := p.drop(listing); len(dropped) != 0 {
		t.Fatalf("%d replicas that were listed are dropped", len(dropped))
	}
	for i, m := range r.Members(figlet) {
		if m.State != list[i].State {
			t.Errorf("%s is %s, want %s as it was listed", m.ID, m.State, list[i].State)
		}
	}
	if m := r.Members(figlet)[2]; lease.Replica().ID != "c" || m.Phase != replica.Ready {
		t.Errorf("c, which was lent asleep and runs: %s", m.Phase)
	}
}

// A rollback renames replicas, and the list that shows it may be made while one of them is
// being paused: that it runs still says nothing about the pause.
func TestObserve_ARenamedReplicaStaysOnItsWayToSleep(t *testing.T) {
	for _, lent := range []bool{false, true} {
		r, figlet := withReplicas(t, "a")
		if !r.Begin(figlet, "a", replica.Pause) {
			t.Fatal("not frozen")
		}
		want := replica.Frozen
		if lent {
			callInLine(t, r, figlet)
			want = replica.Thawing
		}
		renamed := running(figlet, "a")
		renamed.Instance, renamed.Left = "a-left", true
		r.Observe(figlet, r.Listing(), []function.Replica{renamed})
		r.Tell(figlet, "a", replica.Event{Kind: replica.Paused, Listing: r.Listing()})
		if m := r.Members(figlet)[0]; m.Phase != want || m.State != function.Paused || !m.Left {
			t.Fatalf("lent %t: %s, %s, left %t; want it %s and paused", lent, m.Phase, m.State, m.Left, want)
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
		if !r.Begin(figlet, "a", replica.Pause) {
			t.Fatal("not frozen")
		}
		if lent {
			callInLine(t, r, figlet)
		}
		pause := r.Listing()
		r.Observe(figlet, r.Listing(), []function.Replica{running(figlet, "a")})
		r.Tell(figlet, "a", replica.Event{Kind: replica.Paused, Listing: pause})
		if m := r.Members(figlet)[0]; m.Phase != replica.Suspect || m.State != function.Running {
			t.Errorf("called %t: %s, %s; want it to run, and to answer before it is lent", lent, m.Phase, m.State)
		}
		r.MarkReady(figlet, "a")
	}
}

// One whose memory is being reclaimed cannot thaw before that has ended.
func TestAcquire_LendsOneThatIsBeingReclaimedLast(t *testing.T) {
	r, figlet := asleep(t, "a", "b")
	if !r.Begin(figlet, "b", replica.Reclaim) {
		t.Fatal("nothing is done to b")
	}
	for _, want := range []string{"a", "a"} {
		if lease := mustAcquire(t, r, figlet); lease.Replica().ID != want {
			t.Errorf("lent %s, want %s", lease.Replica().ID, want)
		}
	}
	r.Withdraw(figlet, "a")
	if lease := mustAcquire(t, r, figlet); lease.Replica().ID != "b" {
		t.Errorf("lent %s, want b when there is no other", lease.Replica().ID)
	}
}
