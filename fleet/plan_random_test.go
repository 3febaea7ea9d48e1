package fleet

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"faas-docker/fleet/scale"
	"faas-docker/function"
	"faas-docker/replica"
	"faas-docker/resolver"
)

// randomMember is a replica as any history may have left it.
func randomMember(random *rand.Rand, id int) resolver.Member {
	states := []function.State{function.Running, function.Running, function.Running, function.Paused, function.Exited}
	m := member(fmt.Sprint(id), uint64(1+random.IntN(3)), states[random.IntN(len(states))], "")
	m.Answered = random.IntN(2) == 0
	switch {
	case random.IntN(8) == 0:
		m.Phase = []replica.Phase{replica.Draining, replica.Stopping}[random.IntN(2)]
	case m.State == function.Running:
		m.Phase = []replica.Phase{replica.Starting, replica.Ready, replica.Ready, replica.Ready, replica.Suspect, replica.Freezing}[random.IntN(6)]
	case m.State == function.Paused:
		m.Phase = []replica.Phase{replica.Frozen, replica.Thawing, replica.Stalled}[random.IntN(3)]
	}
	if m.Phase == replica.Ready || m.Phase == replica.Thawing || m.Phase == replica.Draining {
		m.InFlight = random.IntN(3)
	}
	tasks := map[replica.Phase]replica.Operation{
		replica.Starting: replica.Probe, replica.Suspect: replica.Probe, replica.Frozen: replica.Reclaim, replica.Thawing: replica.Thaw,
		replica.Stopping: replica.End, replica.Exited: replica.End,
	}
	switch {
	case m.Phase == replica.Freezing:
		m.Operation = replica.Pause
	case random.IntN(2) == 0:
		m.Operation = tasks[m.Phase]
	}
	return m
}

func told(members []resolver.Member) string {
	text := ""
	for _, m := range members {
		text += fmt.Sprintf(" %s/%d/%s/%s/%d", m.ID, m.Revision, m.Phase, m.Operation, m.InFlight)
	}
	return text
}

// A function that is wanted keeps a replica that takes calls as long as it has one, whatever
// else is going on.
func TestDecide_NeverEndsTheLastThatServes(t *testing.T) {
	t.Parallel()
	random, now := rand.New(rand.NewPCG(3, 4)), time.Now()
	judged := 0
	for range 200_000 {
		v := view{now: now, progress: progress{prepared: random.IntN(2) == 0}, pinch: pinch{rolling: uint64(3 * (random.IntN(4) / 3)), crowded: random.IntN(4) == 0}, demand: demand{policy: scale.Policy{Bounds: scale.Bounds{Min: 1}}, idleSince: now}}
		v.want = wanted(3, 1+random.IntN(3))
		if random.IntN(2) == 0 {
			v.want = replacing(3, 1+random.IntN(3), 2)
			v.previous.failing = random.IntN(2) == 0
		}
		v.needed = random.IntN(v.want.Replicas + 1)
		for id := range random.IntN(6) {
			v.members = append(v.members, randomMember(random, id))
		}
		serves := func(m resolver.Member) bool { return !m.IsEnding() && !m.IsKept() && canTakeCalls(m) }
		if !slices.ContainsFunc(v.members, serves) {
			continue
		}
		judged++
		p := decide(v)
		left := slices.DeleteFunc(slices.Clone(v.members), func(m resolver.Member) bool {
			ends := func(other resolver.Member) bool { return other.ID == m.ID }
			return slices.ContainsFunc(slices.Concat(p.retire, p.stop, p.remove), ends)
		})
		if !slices.ContainsFunc(left, serves) {
			t.Fatalf("wanted %d of revision 3, previous %t, rolling %t, crowded %t: of %s retires %s", v.want.Replicas, v.want.Previous != nil, v.isRolling(), v.crowded, told(v.members), told(p.retire))
		}
	}
	if judged < 100_000 {
		t.Fatalf("only %d cases had a replica that serves", judged)
	}
}
