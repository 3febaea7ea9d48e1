package fleet

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"faas-docker/fleet/scale"
	"faas-docker/function"
)

// Each line is what happens, in order: "a" asks for a slot, "!a" asks while callers wait for
// a, "-a" gives one back, "xa" gives up the last that waits.
func TestStartQueue_HandsOutSlotsFairly(t *testing.T) {
	for _, test := range []struct {
		slots, cpus int
		what, has   string
	}{
		{8, 0, "a", "a"},
		{8, 0, "a a a a a a a a a", "a a a a a"},
		{8, 0, "a a a a a a a b b", "a a a a a b"},
		{8, 0, "a a a a a a a b b c", "a a a a a b"},
		{8, 0, "a a a a a a a b !c", "a a a a a b c"},
		{8, 0, "!a !a !a !a !a !a !a !a", "a a a a a a a"},
		{8, 0, "!a !a !a !a !a !a !a !a !b", "a a a a a a a b"},
		{8, 0, "!a !a !a !a !a !a !a !a !b !c", "a a a a a a a b"},
		{8, 0, "a a a a a a a b b c -a", "a a a a b c"},
		{8, 0, "a a a a a a a b b c -a -a", "a a a b c b"},
		{8, 0, "a a a a a a a b b !c !c !c -a", "a a a a b c c c"},
		{8, 0, "a a a a a a xa -a", "a a a a"},
		{8, 0, "a b c d e f g h i j -a", "b c d e f g"},
		{2, 0, "a a a b", "a b"},
		{2, 0, "a b c !d -a", "b d"},
		{1, 0, "a a b -a", "a"},
		{1, 0, "a b !c -a", "c"},
		{1, 0, "a b !c xc -a", "b"},
		{8, 2, "a b c d", "a b c"},
		{8, 2, "a a a b", "a a b"},
		{8, 2, "a b c d !e", "a b c e"},
		{8, 2, "a b c d !e -a -b", "c e"},
		{8, 2, "a b c d !e -a -b -c", "e d"},
		{8, 2, "a b c d e !f -a -b -f", "c d e"},
		{8, 2, "!a !b !c !d !e !f !g !h !i", "a b c d e f g h"},
		{8, 16, "a b c d e f g", "a b c d e f"},
		{8, 1, "a b c d", "a b c"},
		{4, 0, "a a a b !c !c -b", "a a c c"},
	} {
		t.Run(fmt.Sprintf("%d of %d: %s", test.slots, test.cpus, test.what), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				urgent := map[string]bool{}
				q := newStartQueue(test.slots, func(name function.Name) bool { return urgent[name.Name] })
				q.fit(scale.Resources{CPU: int64(test.cpus) * 1e9})
				var has []string
				var cancels []func()
				var names []string
				releases := map[string][]func(){}
				var mu sync.Mutex
				for what := range strings.FieldsSeq(test.what) {
					verb, name := what[:len(what)-1], what[len(what)-1:]
					switch verb {
					case "-":
						mu.Lock()
						for i, holder := range has {
							if holder == name {
								has = append(has[:i:i], has[i+1:]...)
								break
							}
						}
						mu.Unlock()
						mu.Lock()
						release := releases[name][0]
						releases[name] = releases[name][1:]
						mu.Unlock()
						release()
					case "x":
						for i := len(names) - 1; i >= 0; i-- {
							if names[i] == name {
								cancels[i]()
								break
							}
						}
					default:
						mu.Lock()
						urgent[name] = verb == "!"
						mu.Unlock()
						ctx, cancel := context.WithCancel(t.Context())
						defer cancel()
						names, cancels = append(names, name), append(cancels, cancel)
						go func() {
							if release, err := q.take(ctx, function.Name{Name: name}, false); err == nil {
								mu.Lock()
								defer mu.Unlock()
								has = append(has, name)
								releases[name] = append(releases[name], release)
							}
						}()
					}
					synctest.Wait()
				}
				want := strings.Fields(test.has)
				slices.Sort(has)
				slices.Sort(want)
				if !slices.Equal(has, want) {
					t.Errorf("got slots for %q, want %q", has, want)
				}
				for _, cancel := range cancels {
					cancel()
				}
			})
		})
	}
}

func TestStartQueue_NeitherLosesNorInventsSlots(t *testing.T) {
	t.Parallel()
	q := newStartQueue(4, func(name function.Name) bool { return name.Name == "f0" })
	var everybody sync.WaitGroup
	var mu sync.Mutex
	busy, most := 0, 0
	count := func(change int) {
		mu.Lock()
		defer mu.Unlock()
		busy += change
		most = max(most, busy)
	}
	for i := range 2000 {
		everybody.Go(func() {
			ctx, cancel := context.WithTimeout(t.Context(), time.Duration(rand.IntN(int(50*time.Millisecond))))
			defer cancel()
			name := function.Name{Name: fmt.Sprintf("f%d", i%7)}
			release, err := q.take(ctx, name, i%11 == 0)
			if err != nil {
				return
			}
			count(1)
			time.Sleep(time.Duration(rand.IntN(int(time.Millisecond))))
			count(-1)
			release()
		})
	}
	everybody.Wait()
	if most > 4 || q.busy != 0 || q.urgentBusy != 0 || len(q.held) != 0 || len(q.waiting) != 0 {
		t.Errorf("at most %d slots were in use, want 4; left: %d busy, %v, %d waiting", most, q.busy, q.held, len(q.waiting))
	}
}
