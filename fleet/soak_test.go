package fleet

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"faas-docker/function"
)

// soak is one random history of a small host.
type soak struct {
	*scene
	random *rand.Rand
	round  int
	told   []string
}

// act does something that users, or an engine in trouble, do.
func (k *soak) act() {
	name := fmt.Sprintf("f%d", k.random.IntN(3))
	k.round++
	what := ""
	switch k.random.IntN(10) {
	case 0, 1, 2, 3:
		sp := k.spec(name)
		what = fmt.Sprintf("deploy %s of %s, %v %v", sp.Name, sp.Limits.Memory, sp.Labels, sp.Annotations)
		_, err := k.Update(k.t.Context(), sp)
		if errors.Is(err, function.ErrNotFound) {
			_, err = k.Create(k.t.Context(), sp)
		}
		if err != nil {
			what += ": " + err.Error()
		}
	case 4, 5:
		count := k.random.IntN(6)
		what = fmt.Sprintf("scale %s to %d", name, count)
		_ = k.Scale(k.t.Context(), k.name(name), count)
	case 6:
		what = "delete " + name
		_ = k.Delete(k.t.Context(), k.name(name))
	case 7:
		what = "roll back " + name
		_ = k.Rollback(k.t.Context(), k.name(name))
	case 8:
		if ids := k.engine.running(); len(ids) > 0 {
			id := ids[k.random.IntN(len(ids))]
			what = "kill " + id
			_ = k.engine.set(id, function.Exited)
		}
	default:
		what = "call " + name
		go func() {
			if lease, err := k.Resolver.Acquire(k.t.Context(), k.name(name)); err == nil {
				time.Sleep(300 * time.Millisecond)
				lease.Release()
			}
		}()
	}
	k.told = append(k.told, what)
}

func (k *soak) spec(name string) function.Spec {
	least := k.random.IntN(4)
	sp := sized(name, 50+k.random.IntN(300), "com.openfaas.scale.min", fmt.Sprint(least), "com.openfaas.scale.max", fmt.Sprint(max(1, least)+k.random.IntN(3)))
	sp.EnvVars = map[string]string{"round": fmt.Sprint(k.round), "bad": fmt.Sprint(k.random.IntN(5) == 0)}
	sp.Annotations = map[string]string{}
	if k.random.IntN(3) == 0 {
		sp.Annotations[function.AnnotationUpdateOrder] = "stop-first"
	}
	if k.random.IntN(3) == 0 {
		sp.Annotations[function.AnnotationRollback] = "1m"
	}
	if k.random.IntN(3) == 0 {
		sp.Labels["com.openfaas.scale.freeze-duration"] = "1s"
	}
	return sp
}

// Whatever happened before, what is deployed in the end runs, and nothing else.
func TestSoak_AllIsWellInTheEnd(t *testing.T) {
	t.Parallel()
	for seed := range uint64(40) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			bad := func(s *scene) {
				s.engine.start = func(f function.Function) error {
					if f.EnvVars["bad"] == "true" {
						return function.Invalid("image", "cannot be run")
					}
					return nil
				}
			}
			play(t, func(s *scene) { bad(s); s.engine.memory = 1000 << 20 * 10 / 9 }, func(s *scene) {
				k := &soak{scene: s, random: rand.New(rand.NewPCG(seed, 1))}
				for range 60 {
					k.act()
					time.Sleep(time.Duration(k.random.IntN(int(time.Second))))
				}
				s.passes(time.Duration(k.random.IntN(int(2 * time.Minute))))
				want := map[string]int{}
				for i := range 3 {
					sp := sized(fmt.Sprintf("f%d", i), 50, "com.openfaas.scale.min", fmt.Sprint(i+1), "com.openfaas.scale.max", fmt.Sprint(i+1))
					sp.EnvVars = map[string]string{"round": "last"}
					want[sp.Name] = i + 1
					_, err := s.Update(s.t.Context(), sp)
					switch {
					case errors.Is(err, function.ErrNotFound):
						_, err = s.Create(s.t.Context(), sp)
					case errors.Is(err, function.ErrConflict): // no room beside what serves
						_, err = s.Update(s.t.Context(), stopFirst(sp))
					}
					if err != nil {
						t.Errorf("deploy %s: %v", sp.Name, err)
					}
				}
				s.passes(10 * time.Minute)
				total := 0
				for name, count := range want {
					total += count
					deployed, _ := s.store.Function(s.name(name))
					status, _ := s.Status(s.name(name))
					if got := s.revisions(name); got != fmt.Sprintf("%d:%d", deployed.Revision, count) || status.Reason != "" {
						t.Errorf("%s: %s answer, want %d of revision %d (%s)", name, got, count, deployed.Revision, status.Reason)
					}
				}
				if left := s.engine.running(); len(left) != total {
					t.Errorf("containers %v are left, want %d", left, total)
				}
				if t.Failed() {
					t.Logf("%q", k.told)
				}
			})
		})
	}
}
