package fleet

import (
	"fmt"
	"testing"
	"time"

	"faas-docker/function"
	"faas-docker/replica"
	"faas-docker/resolver"
)

// member builds a replica from a short text: an ID, a revision and marks.
func member(id string, revision uint64, state function.State, marks string) resolver.Member {
	m := resolver.Member{Replica: function.Replica{ID: id, Revision: revision, State: state}}
	m.Seen, m.Phase = state, map[function.State]replica.Phase{
		function.Created: replica.Created, function.Running: replica.Starting, function.Paused: replica.Stalled, function.Exited: replica.Exited,
	}[state]
	for _, mark := range marks {
		switch mark {
		case 'r':
			m.Phase = replica.Ready
		case 'w':
			m.Phase = replica.Draining
		case 's':
			m.Phase = replica.Stopping
		case 'p':
			m.Operation = replica.Probe
		case 'c':
			m.Operation = replica.Pause
		case 'e':
			m.Operation = replica.End
		case '1':
			m.InFlight++
		}
	}
	return m
}

func wanted(revision uint64, count int) *function.Function {
	return &function.Function{Revision: revision, Replicas: count}
}

// replacing is a revision that is to replace another, which had as many replicas.
func replacing(revision uint64, count int, before uint64) *function.Function {
	f := wanted(revision, count)
	f.Previous = &function.Previous{Revision: before, Replicas: count}
	return f
}

// sketch is what of a plan the table compares.
func sketch(p plan) string {
	ids := func(list []resolver.Member) string {
		text := ""
		for _, m := range list {
			text += m.ID
		}
		return text
	}
	return fmt.Sprintf("prepare=%t start=%d drop=%d,%d probe=%s freeze=%s thaw=%s retire=%s stop=%s remove=%s settled=%t over=%t",
		p.prepare, p.start, p.drop, p.dropPrevious, ids(p.probe), ids(p.freeze), ids(p.thaw), ids(p.retire), ids(p.stop), ids(p.remove), p.settled, p.over)
}

// named are members of which only the names are compared.
func named(ids ...string) []resolver.Member {
	list := make([]resolver.Member, len(ids))
	for i, id := range ids {
		list[i] = member(id, 0, function.Running, "")
	}
	return list
}

func TestDecide(t *testing.T) {
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	running, paused, exited, created := function.Running, function.Paused, function.Exited, function.Created
	tests := []struct {
		name string
		view view
		want plan
	}{
		{"nothing wanted, nothing there", view{}, plan{over: true}},
		{"a new function is prepared first", view{want: wanted(1, 2)}, plan{starts: starts{prepare: true}}},
		{"nothing starts while it is prepared", view{want: wanted(1, 2), progress: progress{preparing: true}}, plan{}},
		{"what is missing starts", view{want: wanted(1, 2), progress: progress{prepared: true}}, plan{starts: starts{start: 2}}},
		{"what is in the making counts", view{want: wanted(1, 2), progress: progress{prepared: true, starting: 1, making: 1}}, plan{starts: starts{start: 1}}},
		{"not before the pause after a failure", view{want: wanted(1, 1), progress: progress{prepared: true, notBefore: now.Add(time.Second)}}, plan{}},
		{"a started replica is probed", view{want: wanted(1, 1), members: []resolver.Member{member("a", 1, running, "")}, progress: progress{prepared: true}}, plan{moves: moves{probe: named("a")}}},
		{"and once only", view{want: wanted(1, 1), members: []resolver.Member{member("a", 1, running, "p")}, progress: progress{prepared: true}}, plan{}},
		{"all is well", view{want: wanted(1, 1), members: []resolver.Member{member("a", 1, running, "r")}, progress: progress{prepared: true}}, plan{settled: true}},
		{"zero is well too", view{want: wanted(1, 0)}, plan{settled: true}},
		{"the dead are buried and replaced", view{want: wanted(1, 1), members: []resolver.Member{member("a", 1, exited, "")}, progress: progress{prepared: true}}, plan{starts: starts{start: 1}, moves: moves{remove: named("a")}}},
		{"but buried once", view{want: wanted(1, 1), members: []resolver.Member{member("a", 1, exited, "e")}, progress: progress{prepared: true}}, plan{starts: starts{start: 1}}},
		{"a withdrawn replica that stopped is buried", view{want: wanted(1, 0), members: []resolver.Member{member("a", 1, exited, "w")}}, plan{settled: true, moves: moves{remove: named("a")}}},
		{"a container between create and start is left alone", view{want: wanted(1, 1), members: []resolver.Member{member("a", 1, created, "")}, progress: progress{prepared: true, starting: 1, making: 1}}, plan{}},
		{"one that a killed provider left there is buried", view{want: wanted(1, 0), members: []resolver.Member{member("a", 1, created, "")}}, plan{settled: true, moves: moves{remove: named("a")}}},
		{"what somebody paused is thawed and counts", view{want: wanted(1, 1), members: []resolver.Member{member("a", 1, paused, "")}, progress: progress{prepared: true}}, plan{moves: moves{thaw: named("a")}}},
		{"and thawed once", view{want: wanted(1, 1), members: []resolver.Member{member("a", 1, paused, "c")}, progress: progress{prepared: true}}, plan{}},
		{"the old revision serves until the new one answers", view{want: wanted(2, 1), members: []resolver.Member{member("a", 1, running, "r"), member("b", 2, running, "")}, progress: progress{prepared: true}}, plan{moves: moves{probe: named("b")}}},
		{"and is retired when it does", view{want: wanted(2, 1), members: []resolver.Member{member("a", 1, running, "r"), member("b", 2, running, "r")}, progress: progress{prepared: true}}, plan{moves: moves{retire: named("a")}}},
		{"not when only some do", view{want: wanted(2, 2), members: []resolver.Member{member("a", 1, running, "r"), member("b", 2, running, "r")}, progress: progress{prepared: true, starting: 1, making: 1}}, plan{}},
		{"nothing starts while the engine is at what nobody wants", view{want: wanted(2, 1), progress: progress{prepared: true, making: 1, superseded: 1}}, plan{}},
		{"queued starts are given up when fewer are wanted", view{want: wanted(1, 2), progress: progress{prepared: true, starting: 5, making: 5, queued: map[uint64]int{1: 4}}}, plan{starts: starts{drop: 3}}},
		{"those of the revision before, too", view{want: replacing(2, 1, 1), members: []resolver.Member{member("a", 1, running, "r")}, progress: progress{prepared: true, starting: 1, making: 6, queued: map[uint64]int{1: 4}}, previous: previousView{starting: 5}}, plan{starts: starts{dropPrevious: 4}}},
		{"those that run are kept for it", view{want: wanted(1, 2), members: []resolver.Member{member("a", 1, running, "r"), member("b", 1, running, "r")}, progress: progress{prepared: true, starting: 4, making: 4, queued: map[uint64]int{1: 3}}}, plan{settled: true, starts: starts{drop: 3}}},
		{"what the engine is at cannot be given up", view{want: wanted(1, 0), progress: progress{prepared: true, starting: 2, making: 2}}, plan{settled: true}},
		{"a superseded replica that does not answer yet never will", view{want: wanted(3, 1), members: []resolver.Member{member("b", 2, running, "p")}, progress: progress{prepared: true, starting: 1, making: 1}}, plan{moves: moves{retire: named("b")}}},
		{"one that does serves until the wanted one answers", view{want: wanted(3, 1), members: []resolver.Member{member("b", 2, running, "r")}, progress: progress{prepared: true, starting: 1, making: 1}}, plan{}},
		{"but not where the one before serves", view{want: replacing(3, 1, 1), members: []resolver.Member{member("a", 1, running, "r"), member("b", 2, running, "r")}, progress: progress{prepared: true, starting: 1, making: 1}}, plan{moves: moves{retire: named("b")}}},
		{"unless that is not enough", view{want: replacing(3, 2, 1), members: []resolver.Member{member("a", 1, running, "r"), member("b", 2, running, "r")}, progress: progress{prepared: true, starting: 2, making: 2}}, plan{}},
		{"surplus: the least busy and youngest goes", view{want: wanted(1, 1), members: []resolver.Member{member("a", 1, running, "r"), member("b", 1, running, "r1"), member("c", 1, running, "r")}, progress: progress{prepared: true}}, plan{moves: moves{retire: named("c", "a")}}},
		{"surplus: what does not answer goes first", view{want: wanted(1, 1), members: []resolver.Member{member("a", 1, running, "r"), member("b", 1, running, "p")}, progress: progress{prepared: true}}, plan{moves: moves{retire: named("b")}}},
		{"to zero: all go", view{want: wanted(1, 0), members: []resolver.Member{member("a", 1, running, "r")}}, plan{moves: moves{retire: named("a")}}},
		{"a deleted function: all go", view{members: []resolver.Member{member("a", 1, running, "r"), member("b", 2, running, "")}}, plan{moves: moves{retire: named("a", "b")}}},
		{"one that was lent asleep and then withdrawn thaws", view{want: wanted(2, 0), members: []resolver.Member{member("a", 1, paused, "w1"), member("b", 1, paused, "w")}}, plan{moves: moves{thaw: named("a")}}},
		{"also of a deleted function", view{members: []resolver.Member{member("a", 1, paused, "w1")}}, plan{moves: moves{thaw: named("a")}}},
		{"what is being stopped is waited for", view{members: []resolver.Member{member("a", 1, running, "w")}}, plan{}},
		{"what could not be stopped is stopped again", view{want: wanted(1, 1), members: []resolver.Member{member("a", 1, running, "s"), member("b", 1, running, "r")}, progress: progress{prepared: true}}, plan{settled: true, moves: moves{stop: named("a")}}},
		{"of a deleted function, too", view{members: []resolver.Member{member("a", 1, paused, "s")}}, plan{moves: moves{stop: named("a")}}},
		{"a changed secret is put in place while replicas run", view{want: wanted(1, 1), members: []resolver.Member{member("a", 1, running, "r")}, progress: progress{stale: true}}, plan{settled: true, starts: starts{prepare: true}}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			test.view.now = now
			if test.view.want != nil {
				test.view.needed = test.view.want.Replicas
			}
			if got, want := sketch(decide(test.view)), sketch(test.want); got != want {
				t.Errorf("decided\n got %s\nwant %s", got, want)
			}
		})
	}
}

func TestDecide_LooksAgainWhenThePauseIsOver(t *testing.T) {
	now := time.Now()
	p := decide(view{now: now, want: wanted(1, 1), progress: progress{prepared: true, notBefore: now.Add(time.Second)}})
	if !p.again.Equal(now.Add(time.Second)) {
		t.Errorf("looks again at %v, want in a second", p.again)
	}
}

func TestBackoff(t *testing.T) {
	var b backoff
	now := time.Now()
	want := []time.Duration{0, 250 * time.Millisecond, 500 * time.Millisecond, time.Second, 2 * time.Second, 4 * time.Second, 8 * time.Second, 16 * time.Second, 32 * time.Second, time.Minute, time.Minute}
	for i, pause := range want {
		if got := b.fail(now, 0); got != pause {
			t.Errorf("pause after failure %d: %v, want %v", i+1, got, pause)
		}
	}
	if got := b.fail(now, 2*time.Minute); got != 0 {
		t.Errorf("a replica that ran for two minutes is replaced after %v, want at once", got)
	}
	b.fail(now, 0)
	if got := b.fail(now.Add(time.Hour), 0); got != 0 {
		t.Errorf("a failure an hour after the last pauses %v, want none", got)
	}
}
