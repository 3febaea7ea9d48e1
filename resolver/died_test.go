package resolver

import (
	"net/netip"
	"slices"
	"testing"

	"faas-docker/function"
	"faas-docker/replica"
)

// TestDied_IsToldOfDeathsAndNotOfReplicasThatLeave has a call in flight on each replica.
func TestDied_IsToldOfDeathsAndNotOfReplicasThatLeave(t *testing.T) {
	figlet := name("figlet")
	exited, moved := running(figlet, "a"), running(figlet, "a")
	exited.State, exited.Address = function.Exited, netip.AddrPort{}
	moved.Address = netip.MustParseAddrPort("10.0.0.2:8080")
	for what, row := range map[string]struct {
		happens func(*Resolver)
		want    []string
	}{
		"an event":             {func(r *Resolver) { (&watcher{resolver: r}).hear(function.Event{Function: figlet, Died: "a"}) }, []string{"a"}},
		"a list shows it dead": {func(r *Resolver) { r.Observe(figlet, r.Listing(), []function.Replica{exited}) }, []string{"a"}},
		"a list shows it twice": {func(r *Resolver) {
			r.Observe(figlet, r.Listing(), []function.Replica{exited})
			r.Observe(figlet, r.Listing(), []function.Replica{exited})
		}, []string{"a"}},
		"a list shows it elsewhere":   {func(r *Resolver) { r.Observe(figlet, r.Listing(), []function.Replica{moved}) }, []string{"a"}},
		"a list does not show it":     {func(r *Resolver) { r.Observe(figlet, r.Listing(), nil) }, []string{"a"}},
		"it was removed":              {func(r *Resolver) { r.Remove(figlet, "a") }, []string{"a"}},
		"a list that began too early": {func(r *Resolver) { r.Observe(figlet, 0, nil) }, nil},
		"an event of an unknown one":  {func(r *Resolver) { (&watcher{resolver: r}).hear(function.Event{Function: figlet, Died: "b"}) }, nil},
		"it was withdrawn":            {func(r *Resolver) { r.Withdraw(figlet, "a") }, nil},
		"it cannot be reached":        {func(r *Resolver) { r.Suspect(figlet, "a") }, nil},
		"it is kept":                  {func(r *Resolver) { r.Tell(figlet, "a", replica.Event{Kind: replica.Keep, Role: replica.Aside}) }, nil},
		"its function was deleted":    {func(r *Resolver) { r.Forget(figlet) }, nil},
		"somebody has paused it":      {func(r *Resolver) { r.Observe(figlet, r.Listing(), pausedAll(figlet, []string{"a"})) }, nil},
	} {
		r, _ := withReplicas(t, "a")
		lease := mustAcquire(t, r, figlet)
		var died []string
		r.Severed = func(replica function.Replica) {
			died = append(died, replica.ID)
			if replica.Address != lease.Replica().Address {
				t.Errorf("%s: told of %s, which was never called", what, replica.Address)
			}
		}
		row.happens(r)
		if !slices.Equal(died, row.want) {
			t.Errorf("%s: %q died, want %q", what, died, row.want)
		}
		lease.Release()
	}
}

// TestDied_ComesWhenItIsNotLentAnyMore keeps a call from being repeated on the dead.
func TestDied_ComesWhenItIsNotLentAnyMore(t *testing.T) {
	r, figlet := withReplicas(t, "a")
	r.Severed = func(function.Replica) {
		if ready := r.Load(figlet).Ready; ready != 0 {
			t.Errorf("%d ready when it is told", ready)
		}
	}
	(&watcher{resolver: r}).hear(function.Event{Function: figlet, Died: "a"})
}

// A listing may show a replica before it runs, and the next one with its address: it has not moved.
func TestLease_HasDiedSinceItWasLent(t *testing.T) {
	r, figlet := withReplicas(t)
	created := running(figlet, "a")
	created.State, created.Address = function.Created, netip.AddrPort{}
	for _, listed := range []function.Replica{created, running(figlet, "a")} {
		r.Observe(figlet, r.Listing(), []function.Replica{listed})
	}
	r.MarkReady(figlet, "a")
	lease := mustAcquire(t, r, figlet)
	if lease.HasDied() {
		t.Error("dead, but it was never seen to run elsewhere")
	}
	r.Tell(figlet, "a", replica.Event{Kind: replica.Died})
	if !lease.HasDied() {
		t.Error("alive after its end")
	}
	lease.Release()
	r.MarkReady(figlet, "a")
	again := mustAcquire(t, r, figlet)
	defer again.Release()
	if again.HasDied() || (Lease{}).HasDied() {
		t.Error("dead, but it was started again, or is none")
	}
}
