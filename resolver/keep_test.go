package resolver

import (
	"testing"

	"faas-docker/function"
)

func TestKeep_EndsTheLendingAndTellsWhenTheLastCallHasEnded(t *testing.T) {
	r, figlet := withReplicas(t, "a", "b")
	var gone []string
	r.Gone = func(replica function.Replica) { gone = append(gone, replica.ID) }
	held := []Lease{mustAcquire(t, r, figlet), mustAcquire(t, r, figlet)}
	idle := r.Keep(figlet, "a")
	for range 10 {
		if lease := mustAcquire(t, r, figlet); lease.Replica().ID != "b" {
			t.Fatalf("lent %s, which is kept", lease.Replica().ID)
		}
	}
	if isClosed(idle) {
		t.Error("idle with a call in flight")
	}
	for _, lease := range held {
		lease.Release()
	}
	if !isClosed(idle) || len(gone) != 1 || gone[0] != "a" {
		t.Errorf("idle=%t, connections closed to %v; want that of a", isClosed(idle), gone)
	}
}

func TestKeep_OneThatIsWantedBackIsLikeAnyOther(t *testing.T) {
	for _, frozen := range []bool{false, true} {
		r, figlet := withReplicas(t, "a")
		if idle := r.Keep(figlet, "a"); !isClosed(idle) {
			t.Fatal("a replica without a call is not idle")
		}
		if frozen {
			r.Paused(figlet, "a")
			if m := r.Members(figlet)[0]; !m.Kept || m.State != function.Paused {
				t.Fatalf("kept: %+v", m)
			}
			if !r.Doze(figlet, "a") || !r.Rouse(figlet, "a") {
				t.Fatal("a kept replica cannot be roused")
			}
		} else if !r.Admit(figlet, "a") {
			t.Fatal("a kept replica cannot be admitted")
		}
		lease := mustAcquire(t, r, figlet)
		idle := r.Withdraw(figlet, "a")
		if m := r.Members(figlet)[0]; m.Kept || isClosed(idle) {
			t.Errorf("frozen=%t: kept=%t, idle=%t with a call in flight", frozen, m.Kept, isClosed(idle))
		}
		lease.Release()
		if !isClosed(idle) {
			t.Errorf("frozen=%t: not idle after its last call", frozen)
		}
	}
}

func TestKeep_OfAnUnknownReplicaIsIdleAtOnce(t *testing.T) {
	r, figlet := withReplicas(t, "a")
	if !isClosed(r.Keep(figlet, "b")) || !isClosed(r.Keep(function.Name{Name: "nobody"}, "a")) {
		t.Error("somebody waits for a replica that is not there")
	}
}
