package fleet

import (
	"fmt"
	"testing"
	"time"

	"faas-docker/function"
	"faas-docker/resolver"
)

// member builds a replica from a short text: an ID, a revision and marks.
func member(id string, revision uint64, state function.State, marks string) resolver.Member {
	m := resolver.Member{Replica: function.Replica{ID: id, Revision: revision, State: state}}
	for _, mark := range marks {
		switch mark {
		case 'r':
			m.Ready = true
		case 'w':
			m.Withdrawn = true
		case '1':
			m.InFlight++
		}
	}
	return m
}

func wanted(revision uint64, count int) *function.Function {
	return &function.Function{Revision: revision, Replicas: count}
}

// sketch is what of a plan the table compares.
func sketch(p plan) string {
	ids := func(list []function.Replica) string {
		text := ""
		for _, r := range list {
			text += r.ID
		}
		return text
	}
	dead := ""
	for _, m := range p.bury {
		dead += m.ID
	}
	return fmt.Sprintf("prepare=%t start=%d probe=%s freeze=%s thaw=%s retire=%s bury=%s settled=%t over=%t",
		p.prepare, p.start, ids(p.probe), ids(p.freeze), ids(p.thaw), ids(p.retire), dead, p.settled, p.over)
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
		{"a new function is prepared first", view{want: wanted(1, 2)}, plan{prepare: true}},
		{"nothing starts while it is prepared", view{want: wanted(1, 2), preparing: true}, plan{}},
		{"what is missing starts", view{want: wanted(1, 2), prepared: true}, plan{start: 2}},
		{"what is in the making counts", view{want: wanted(1, 2), prepared: true, starting: 1, making: 1}, plan{start: 1}},
		{"not before the pause after a failure", view{want: wanted(1, 1), prepared: true, notBefore: now.Add(time.Second)}, plan{}},
		{"a started replica is probed", view{want: wanted(1, 1), prepared: true, members: []resolver.Member{member("a", 1, running, "")}}, plan{probe: []function.Replica{{ID: "a"}}}},
		{"and once only", view{want: wanted(1, 1), prepared: true, probing: map[string]bool{"a": true}, members: []resolver.Member{member("a", 1, running, "")}}, plan{}},
		{"all is well", view{want: wanted(1, 1), prepared: true, members: []resolver.Member{member("a", 1, running, "r")}}, plan{settled: true}},
		{"zero is well too", view{want: wanted(1, 0)}, plan{settled: true}},
		{"the dead are buried and replaced", view{want: wanted(1, 1), prepared: true, members: []resolver.Member{member("a", 1, exited, "")}}, plan{start: 1, bury: []resolver.Member{member("a", 1, exited, "")}}},
		{"but buried once", view{want: wanted(1, 1), prepared: true, leaving: map[string]bool{"a": true}, members: []resolver.Member{member("a", 1, exited, "")}}, plan{start: 1}},
		{"a withdrawn replica that stopped is buried", view{want: wanted(1, 0), members: []resolver.Member{member("a", 1, exited, "w")}}, plan{settled: true, bury: []resolver.Member{member("a", 1, exited, "w")}}},
		{"a container between create and start is left alone", view{want: wanted(1, 1), prepared: true, starting: 1, making: 1, members: []resolver.Member{member("a", 1, created, "")}}, plan{}},
		{"one that a killed provider left there is buried", view{want: wanted(1, 0), members: []resolver.Member{member("a", 1, created, "")}}, plan{settled: true, bury: []resolver.Member{member("a", 1, created, "")}}},
		{"what somebody paused is thawed and counts", view{want: wanted(1, 1), prepared: true, members: []resolver.Member{member("a", 1, paused, "")}}, plan{thaw: []function.Replica{{ID: "a"}}}},
		{"and thawed once", view{want: wanted(1, 1), prepared: true, changing: map[string]bool{"a": true}, members: []resolver.Member{member("a", 1, paused, "")}}, plan{}},
		{"the old revision serves until the new one answers", view{want: wanted(2, 1), prepared: true, members: []resolver.Member{member("a", 1, running, "r"), member("b", 2, running, "")}}, plan{probe: []function.Replica{{ID: "b"}}}},
		{"and is retired when it does", view{want: wanted(2, 1), prepared: true, members: []resolver.Member{member("a", 1, running, "r"), member("b", 2, running, "r")}}, plan{retire: []function.Replica{{ID: "a"}}}},
		{"not when only some do", view{want: wanted(2, 2), prepared: true, starting: 1, making: 1, members: []resolver.Member{member("a", 1, running, "r"), member("b", 2, running, "r")}}, plan{}},
		{"surplus: the least busy and youngest goes", view{want: wanted(1, 1), prepared: true, members: []resolver.Member{member("a", 1, running, "r"), member("b", 1, running, "r1"), member("c", 1, running, "r")}}, plan{retire: []function.Replica{{ID: "c"}, {ID: "a"}}}},
		{"surplus: what does not answer goes first", view{want: wanted(1, 1), prepared: true, probing: map[string]bool{"b": true}, members: []resolver.Member{member("a", 1, running, "r"), member("b", 1, running, "")}}, plan{retire: []function.Replica{{ID: "b"}}}},
		{"to zero: all go", view{want: wanted(1, 0), members: []resolver.Member{member("a", 1, running, "r")}}, plan{retire: []function.Replica{{ID: "a"}}}},
		{"a deleted function: all go", view{members: []resolver.Member{member("a", 1, running, "r"), member("b", 2, running, "")}}, plan{retire: []function.Replica{{ID: "a"}, {ID: "b"}}}},
		{"one that was lent asleep and then withdrawn thaws", view{want: wanted(2, 0), leaving: map[string]bool{"a": true, "b": true}, members: []resolver.Member{member("a", 1, paused, "w1"), member("b", 1, paused, "w")}}, plan{thaw: []function.Replica{{ID: "a"}}}},
		{"also of a deleted function", view{leaving: map[string]bool{"a": true}, members: []resolver.Member{member("a", 1, paused, "w1")}}, plan{thaw: []function.Replica{{ID: "a"}}}},
		{"what is being stopped is waited for", view{leaving: map[string]bool{"a": true}, members: []resolver.Member{member("a", 1, running, "w")}}, plan{}},
		{"what could not be stopped is stopped again", view{want: wanted(1, 1), prepared: true, members: []resolver.Member{member("a", 1, running, "w"), member("b", 1, running, "r")}}, plan{retire: []function.Replica{{ID: "a"}}}},
		{"of a deleted function, too", view{members: []resolver.Member{member("a", 1, paused, "w")}}, plan{retire: []function.Replica{{ID: "a"}}}},
		{"a changed secret is put in place while replicas run", view{want: wanted(1, 1), stale: true, members: []resolver.Member{member("a", 1, running, "r")}}, plan{prepare: true, settled: true}},
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
	p := decide(view{now: now, want: wanted(1, 1), prepared: true, notBefore: now.Add(time.Second)})
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
