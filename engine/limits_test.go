package engine_test

import (
	"testing"

	"faas-docker/function"
)

// Whether memory goes to swap depends on the machine; that the limits change, and
// change back, does not.
func TestReclaim_LowersTheLimitOfAFrozenReplicaUntilItIsRestored(t *testing.T) {
	s := newScene(t)
	f := s.function("heavy", func(f *function.Function) { f.Limits = &function.Resources{Memory: "64Mi"} })
	replica := s.start(f)
	limits := func() (memory, swap int64) {
		t.Helper()
		inspected, err := s.docker.ContainerInspect(t.Context(), replica.ID)
		if err != nil {
			t.Fatal(err)
		}
		return inspected.HostConfig.Memory, inspected.HostConfig.MemorySwap
	}
	if err := s.Pause(t.Context(), replica.ID); err != nil {
		t.Fatal(err)
	}
	if used, err := s.Memory(t.Context(), replica.ID); err != nil || used <= 0 || used > 64<<20 {
		t.Errorf("a frozen replica holds %d bytes, %v", used, err)
	}
	if err := s.Reclaim(t.Context(), replica.ID, 32<<20); err != nil {
		t.Fatal(err)
	}
	if memory, swap := limits(); memory != 32<<20 || swap != -1 {
		t.Errorf("reclaimed: memory %d, swap %d", memory, swap)
	}
	if err := s.Restore(t.Context(), replica.ID, f.Spec); err != nil {
		t.Fatal(err)
	}
	if memory, swap := limits(); memory != 64<<20 || swap != 64<<20 {
		t.Errorf("restored: memory %d, swap %d", memory, swap)
	}
	if err := s.Unpause(t.Context(), replica.ID); err != nil {
		t.Error(err)
	}
}

func TestSwap_IsKnownOfThisMachine(t *testing.T) {
	s := newScene(t)
	swap, err := s.Swap(t.Context())
	if err != nil || !swap.Known || swap.Free > swap.Total {
		t.Errorf("%+v, %v", swap, err)
	}
}
