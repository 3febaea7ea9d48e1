package resolver

import (
	"errors"
	"testing"

	"faas-docker/function"
	"faas-docker/replica"
)

// keep has a replica kept, to be lent for the revision before or not at all.
func keep(lend bool) replica.Event {
	if lend {
		return replica.Event{Kind: replica.Keep, Role: replica.Previous}
	}
	return replica.Event{Kind: replica.Keep, Role: replica.Aside}
}

func TestKeep_EndsTheLendingAndTellsWhenTheLastCallHasEnded(t *testing.T) {
	for _, lend := range []bool{false, true} {
		r, figlet := withReplicas(t, "a", "b")
		rung := 0
		r.Changed = func(function.Name) { rung++ }
		held := []Lease{mustAcquire(t, r, figlet), mustAcquire(t, r, figlet)}
		r.Tell(figlet, "a", keep(lend))
		for range 10 {
			if lease := mustAcquire(t, r, figlet); lease.Replica().ID != "b" {
				t.Fatalf("lent %s, which is kept", lease.Replica().ID)
			}
		}
		if load := r.Load(figlet); load.InFlight != 11 || load.Ready != 1 {
			t.Errorf("load %+v, want the 11 calls of b", load)
		}
		if rung = 0; r.Begin(figlet, "a", replica.Pause) {
			t.Error("frozen with a call in flight")
		}
		for _, lease := range held {
			lease.Release()
		}
		if rung != 1 {
			t.Errorf("rang %d times when the last call had ended", rung)
		}
		if load := r.Load(figlet); load.InFlight != 10 {
			t.Errorf("load %+v after the calls left on a have ended", load)
		}
	}
}

func TestKeep_OneThatIsWantedBackIsLikeAnyOther(t *testing.T) {
	for _, lend := range []bool{false, true} {
		for _, frozen := range []bool{false, true} {
			r, figlet := withReplicas(t, "a")
			r.Tell(figlet, "a", keep(lend))
			if frozen {
				if !r.Begin(figlet, "a", replica.Pause) {
					t.Fatal("a kept replica cannot be frozen")
				}
				r.Tell(figlet, "a", replica.Event{Kind: replica.Paused, Listing: r.Listing()})
			}
			if m := r.Members(figlet)[0]; !m.IsKept() {
				t.Fatalf("kept: %+v", m)
			}
			r.Tell(figlet, "a", replica.Event{Kind: replica.Unkeep})
			lease := mustAcquire(t, r, figlet)
			if lease.Waking() != frozen {
				t.Errorf("frozen=%t, but waking=%t", frozen, lease.Waking())
			}
			idle := r.Withdraw(figlet, "a")
			if m := r.Members(figlet)[0]; m.IsKept() || isClosed(idle) {
				t.Errorf("frozen=%t: kept=%t, idle=%t with a call in flight", frozen, m.IsKept(), isClosed(idle))
			}
			lease.Release()
			if load := r.Load(figlet); !isClosed(idle) || load.InFlight != 0 {
				t.Errorf("frozen=%t: idle=%t, %+v after its last call", frozen, isClosed(idle), load)
			}
		}
	}
}

func TestRegain_ServesTheLine(t *testing.T) {
	for _, frozen := range []bool{false, true} {
		r, figlet := withReplicas(t, "a")
		r.Tell(figlet, "a", replica.Event{Kind: replica.Keep, Role: replica.Aside})
		if frozen {
			r.Begin(figlet, "a", replica.Pause)
			r.Tell(figlet, "a", replica.Event{Kind: replica.Paused, Listing: r.Listing()})
		}
		waits := make(chan struct{}, 1)
		r.Changed = func(function.Name) { waits <- struct{}{} }
		served := make(chan error, 1)
		go func() {
			_, err := r.Acquire(t.Context(), figlet)
			served <- err
		}()
		<-waits
		r.Tell(figlet, "a", replica.Event{Kind: replica.Unkeep})
		if err := <-served; err != nil {
			t.Errorf("frozen=%t: %v", frozen, err)
		}
	}
}

func TestKeep_OfAnUnknownReplicaIsNothing(t *testing.T) {
	r, figlet := withReplicas(t, "a")
	r.Tell(figlet, "b", replica.Event{Kind: replica.Keep, Role: replica.Previous})
	r.Tell(function.Name{Name: "nobody"}, "a", replica.Event{Kind: replica.Keep, Role: replica.Previous})
	r.Tell(figlet, "b", replica.Event{Kind: replica.Unkeep})
	r.Tell(function.Name{Name: "nobody"}, "a", replica.Event{Kind: replica.Unkeep})
	if lease := mustAcquire(t, r, figlet); lease.Replica().ID != "a" {
		t.Errorf("lent %s", lease.Replica().ID)
	}
}

func mustAcquirePrevious(t *testing.T, r *Resolver, n function.Name) Lease {
	t.Helper()
	lease, err := r.AcquirePrevious(t.Context(), n)
	if err != nil {
		t.Fatalf("acquire the revision before of %s: %v", n, err)
	}
	return lease
}

func TestAcquirePrevious_RousesWhatIsKeptToBeLent(t *testing.T) {
	r, figlet := withReplicas(t, "a", "b", "c")
	for _, id := range []string{"a", "b"} {
		r.Tell(figlet, id, replica.Event{Kind: replica.Keep, Role: replica.Previous})
		r.Begin(figlet, id, replica.Pause)
		r.Tell(figlet, id, replica.Event{Kind: replica.Paused, Listing: r.Listing()})
	}
	rung := 0
	r.Changed = func(function.Name) { rung++ }
	first := mustAcquirePrevious(t, r, figlet)
	if first.Replica().ID != "b" || !first.Waking() || rung != 1 {
		t.Fatalf("lent %s, waking=%t, rang %d times; want b, which was frozen last", first.Replica().ID, first.Waking(), rung)
	}
	r.Tell(figlet, "b", replica.Event{Kind: replica.Woken, Listing: r.Listing()})
	// The second call does not wait for a thaw, but has one begin for the third.
	second, third := mustAcquirePrevious(t, r, figlet), mustAcquirePrevious(t, r, figlet)
	if second.Replica().ID != "b" || second.Waking() || third.Replica().ID != "a" || rung != 2 {
		t.Errorf("lent %s and %s, rang %d times", second.Replica().ID, third.Replica().ID, rung)
	}
	if lease := mustAcquire(t, r, figlet); lease.Replica().ID != "c" {
		t.Errorf("a call of the function got %s", lease.Replica().ID)
	}
	load := r.Load(figlet)
	if load.InFlight != 1 || load.Ready != 1 || load.Invocations != 4 || load.InvocationsBefore != 3 {
		t.Errorf("load %+v", load)
	}
	for _, lease := range []Lease{first, second, third} {
		lease.Release()
	}
	if rung != 2 {
		t.Error("rang though nothing waits for those that were lent")
	}
}

func TestAcquirePrevious_TheFunctionItselfStandsIn(t *testing.T) {
	t.Run("nothing is kept", func(t *testing.T) {
		r, figlet := withReplicas(t, "a")
		if lease := mustAcquirePrevious(t, r, figlet); lease.Replica().ID != "a" {
			t.Errorf("lent %s", lease.Replica().ID)
		}
	})
	t.Run("what is kept is not to be lent", func(t *testing.T) {
		r, figlet := withReplicas(t, "a", "b")
		r.Tell(figlet, "a", replica.Event{Kind: replica.Keep, Role: replica.Aside})
		if lease := mustAcquirePrevious(t, r, figlet); lease.Replica().ID != "b" {
			t.Errorf("lent %s", lease.Replica().ID)
		}
	})
	t.Run("it could not be reached", func(t *testing.T) {
		r, figlet := withReplicas(t, "a", "b")
		r.Tell(figlet, "a", replica.Event{Kind: replica.Keep, Role: replica.Previous})
		mustAcquirePrevious(t, r, figlet).Release()
		r.Suspect(figlet, "a")
		if lease := mustAcquirePrevious(t, r, figlet); lease.Replica().ID != "b" {
			t.Errorf("lent %s", lease.Replica().ID)
		}
		if !r.MarkReady(figlet, "a") {
			t.Fatal("not admitted")
		}
		if lease := mustAcquirePrevious(t, r, figlet); lease.Replica().ID != "a" {
			t.Errorf("lent %s after a answers again", lease.Replica().ID)
		}
	})
	t.Run("it is full", func(t *testing.T) {
		r, figlet := withReplicas(t, "a", "b")
		r.Declare(figlet, function.CallPolicy{MaxInFlight: 1})
		r.Tell(figlet, "a", replica.Event{Kind: replica.Keep, Role: replica.Previous})
		if one, two := mustAcquirePrevious(t, r, figlet), mustAcquirePrevious(t, r, figlet); one.Replica().ID != "a" || two.Replica().ID != "b" {
			t.Errorf("lent %s and %s", one.Replica().ID, two.Replica().ID)
		}
	})
	t.Run("it leaves", func(t *testing.T) {
		r, figlet := withReplicas(t, "a", "b")
		r.Tell(figlet, "a", replica.Event{Kind: replica.Keep, Role: replica.Previous})
		r.Begin(figlet, "a", replica.Pause)
		r.Withdraw(figlet, "a")
		if lease := mustAcquirePrevious(t, r, figlet); lease.Replica().ID != "b" {
			t.Errorf("lent %s", lease.Replica().ID)
		}
	})
	t.Run("there is no such function", func(t *testing.T) {
		r, figlet := withReplicas(t, "a")
		r.Tell(figlet, "a", replica.Event{Kind: replica.Keep, Role: replica.Previous})
		r.Forget(figlet)
		for _, n := range []function.Name{figlet, name("nobody")} {
			if _, err := r.AcquirePrevious(t.Context(), n); !errors.Is(err, function.ErrNotFound) {
				t.Errorf("%s: %v", n, err)
			}
		}
	})
}
