package scale

import (
	"math/rand/v2"
	"slices"
	"testing"
	"time"
)

// at is so many seconds after the beginning of a scene.
func at(seconds float64) time.Time {
	return time.Unix(1_700_000_000, 0).Add(time.Duration(seconds * float64(time.Second)))
}

// running is a ready replica that had its last call at a moment.
func running(id string, used float64) Warm {
	return Warm{ID: id, Ready: true, LastUsed: at(used)}
}

// frozen is one that was frozen at a moment.
func frozen(id string, since float64) Warm {
	return Warm{ID: id, Frozen: true, Since: at(since)}
}

func with(w Warm, change func(*Warm)) Warm {
	change(&w)
	return w
}

func busy(w *Warm)     { w.InFlight = 1 }
func changing(w *Warm) { w.Changing = true }
func unready(w *Warm)  { w.Ready = false }

func TestWarmth(t *testing.T) {
	freezing := func(p *Policy) { p.Freeze.After = 10 * time.Second }
	standby := func(p *Policy) { p.Standby = 2 }
	both := func(p *Policy) { freezing(p); standby(p) }
	tests := []struct {
		name   string
		policy func(*Policy)
		view   WarmthView // Now is at(100)
		want   WarmthPlan
	}{
		{"as it should be", nil,
			WarmthView{Want: 1, Replicas: []Warm{running("a", 0)}}, WarmthPlan{}},
		{"one missing", nil,
			WarmthView{Want: 2, Replicas: []Warm{running("a", 0)}}, WarmthPlan{Start: 1}},
		{"the missing one is starting", nil,
			WarmthView{Want: 2, Starting: 1, Replicas: []Warm{running("a", 0)}}, WarmthPlan{}},
		{"starts that are queued are given up first", nil,
			WarmthView{Want: 2, Starting: 5, Queued: 4}, WarmthPlan{Drop: 3}},
		{"all of them, for none", nil,
			WarmthView{Want: 0, Starting: 5, Queued: 5}, WarmthPlan{Drop: 5}},
		{"what runs is not removed for what is being made", nil,
			WarmthView{Want: 2, Starting: 5, Queued: 1, Replicas: []Warm{running("a", 0), running("b", 0)}}, WarmthPlan{Drop: 1}},
		{"of what runs the surplus goes", nil,
			WarmthView{Want: 1, Starting: 2, Queued: 2, Replicas: []Warm{running("a", 0), running("b", 1)}}, WarmthPlan{Drop: 2, Remove: []string{"a"}}},
		{"one too many: the one used least recently", nil,
			WarmthView{Want: 2, Replicas: []Warm{running("a", 50), running("b", 40), running("c", 60)}}, WarmthPlan{Remove: []string{"b"}}},
		{"one too many: what does not answer, where a frozen one can", nil,
			WarmthView{Want: 1, Replicas: []Warm{with(running("a", 0), unready), frozen("b", 40)}}, WarmthPlan{Thaw: []string{"b"}, Remove: []string{"a"}}},
		{"one too many: not one with calls", nil,
			WarmthView{Want: 1, Replicas: []Warm{with(running("a", 10), busy), running("b", 90)}}, WarmthPlan{Remove: []string{"b"}}},
		{"one too many: rather one that does not answer", nil,
			WarmthView{Want: 1, Replicas: []Warm{running("a", 10), with(running("b", 90), unready)}}, WarmthPlan{Remove: []string{"b"}}},
		{"in whatever order they come", nil,
			WarmthView{Want: 1, Replicas: []Warm{with(running("b", 90), unready), running("a", 10)}}, WarmthPlan{Remove: []string{"b"}}},
		{"one too many, all with calls", nil,
			WarmthView{Want: 1, Replicas: []Warm{with(running("a", 10), func(w *Warm) { w.InFlight = 9 }), with(running("b", 10), busy)}}, WarmthPlan{Remove: []string{"b"}}},
		{"nothing to remove that is not under way already", nil,
			WarmthView{Want: 1, Replicas: []Warm{with(running("a", 10), changing), with(running("b", 10), changing)}}, WarmthPlan{}},
		{"at zero everything goes, spares too", both,
			WarmthView{Want: 0, Replicas: []Warm{running("a", 0), frozen("s", 0)}}, WarmthPlan{Remove: []string{"a", "s"}}},

		{"at zero there is nothing to look at again", freezing,
			WarmthView{Want: 0, IdleSince: at(95)}, WarmthPlan{}},
		{"in use it is not frozen", freezing,
			WarmthView{Want: 1, Replicas: []Warm{running("a", 95)}, IdleSince: at(95)}, WarmthPlan{Again: at(105)}},
		{"frozen after its time", freezing,
			WarmthView{Want: 1, Replicas: []Warm{running("a", 90)}, IdleSince: at(90)}, WarmthPlan{Freeze: []string{"a"}}},
		{"never with a call in flight", freezing,
			WarmthView{Want: 1, Busy: 0, Replicas: []Warm{with(running("a", 0), busy)}, IdleSince: at(100)}, WarmthPlan{Again: at(110)}},
		{"not before it answers", freezing,
			WarmthView{Want: 1, Replicas: []Warm{with(running("a", 0), unready)}}, WarmthPlan{}},
		{"not while it is on its way", freezing,
			WarmthView{Want: 1, Replicas: []Warm{with(running("a", 0), changing)}}, WarmthPlan{}},
		{"its time begins when it was thawed", freezing,
			WarmthView{Want: 1, Replicas: []Warm{with(running("a", 0), func(w *Warm) { w.Since = at(96) })}}, WarmthPlan{Again: at(106)}},
		{"those that the load needs run, used or not", freezing,
			WarmthView{Want: 3, Busy: 2, Replicas: []Warm{running("a", 10), running("b", 20), running("c", 30)}}, WarmthPlan{Freeze: []string{"a"}}},
		{"one that does not answer yet does not stand in", freezing,
			WarmthView{Want: 2, Busy: 1, Replicas: []Warm{running("a", 10), with(running("b", 20), unready)}}, WarmthPlan{}},
		{"frozen stays frozen", freezing,
			WarmthView{Want: 2, Replicas: []Warm{frozen("a", 10), frozen("b", 20)}}, WarmthPlan{}},
		{"a caller thaws one", freezing,
			WarmthView{Want: 2, Waiting: 50, Replicas: []Warm{frozen("a", 10), frozen("b", 20)}}, WarmthPlan{Thaw: []string{"b"}}},
		{"load thaws what it needs", freezing,
			WarmthView{Want: 3, Busy: 3, Replicas: []Warm{running("a", 99), frozen("b", 20), frozen("c", 10)}}, WarmthPlan{Thaw: []string{"b", "c"}, Again: at(109)}},
		{"one thaw is enough", freezing,
			WarmthView{Want: 1, Waiting: 50, Replicas: []Warm{with(running("a", 10), changing)}}, WarmthPlan{}},
		{"one on its way to frozen is not thawed yet", freezing,
			WarmthView{Want: 2, Waiting: 1, Replicas: []Warm{with(frozen("a", 10), changing), frozen("b", 1)}}, WarmthPlan{Thaw: []string{"b"}}},
		{"the reclaimed is thawed last", freezing,
			WarmthView{Want: 2, Waiting: 1, Replicas: []Warm{with(frozen("a", 10), func(w *Warm) { w.Reclaimed = true }), frozen("b", 1)}}, WarmthPlan{Thaw: []string{"b"}}},
		{"one that was given a call is thawed", freezing,
			WarmthView{Want: 2, Replicas: []Warm{frozen("a", 10), with(frozen("b", 1), busy)}}, WarmthPlan{Thaw: []string{"b"}}},
		{"frozen by hand without a policy", nil,
			WarmthView{Want: 1, Replicas: []Warm{frozen("a", 10)}}, WarmthPlan{Thaw: []string{"a"}}},
		{"thawed ahead of its usual time", func(p *Policy) { p.Freeze = Rest{10 * time.Second, 90 * time.Second, 120 * time.Second} },
			WarmthView{Want: 2, Replicas: []Warm{frozen("a", 10), frozen("b", 11)}, IdleSince: at(5)}, WarmthPlan{Thaw: []string{"b"}, Again: at(125)}},
		{"and looked at again for that", func(p *Policy) { p.Freeze = Rest{10 * time.Second, 99 * time.Second, 120 * time.Second} },
			WarmthView{Want: 1, Replicas: []Warm{frozen("a", 10)}, IdleSince: at(5)}, WarmthPlan{Again: at(104)}},

		{"spares are started", standby,
			WarmthView{Want: 1, Replicas: []Warm{running("a", 0)}}, WarmthPlan{Spares: 2}},
		{"after what the load needs", standby,
			WarmthView{Want: 3, Replicas: []Warm{running("a", 0)}}, WarmthPlan{Start: 2, Spares: 2}},
		{"one of them is starting", standby,
			WarmthView{Want: 1, Starting: 1, Replicas: []Warm{running("a", 0)}}, WarmthPlan{Spares: 1}},
		{"and frozen once they answer", standby,
			WarmthView{Want: 1, Replicas: []Warm{running("a", 99), running("b", 98), with(running("c", 0), unready)}}, WarmthPlan{Freeze: []string{"b"}}},
		{"no more than are spares", both,
			WarmthView{Want: 1, Replicas: []Warm{running("a", 97), running("b", 98), running("c", 99)}, IdleSince: at(99)}, WarmthPlan{Freeze: []string{"a", "b"}, Again: at(107)}},
		{"as many as needed, no call in flight", standby,
			WarmthView{Want: 1, Replicas: []Warm{with(running("a", 99), busy), with(running("b", 98), busy), running("c", 99)}}, WarmthPlan{Freeze: []string{"c"}}},
		{"kept as they are", standby,
			WarmthView{Want: 1, Replicas: []Warm{running("a", 0), frozen("s", 0), frozen("t", 0)}}, WarmthPlan{}},
		{"a burst takes them first", standby,
			WarmthView{Want: 4, Busy: 4, Replicas: []Warm{running("a", 0), frozen("s", 0), frozen("t", 9)}}, WarmthPlan{Thaw: []string{"t", "s"}, Start: 1, Spares: 2}},
		{"scaling down freezes instead of removing", standby,
			WarmthView{Want: 1, Replicas: []Warm{running("a", 90), running("b", 80), running("c", 70)}}, WarmthPlan{Freeze: []string{"c", "b"}}},
		{"scaling down removes idle ones that ran first", standby,
			WarmthView{Want: 1, Replicas: []Warm{running("a", 90), running("b", 80), running("c", 70), frozen("s", 0), frozen("t", 0)}}, WarmthPlan{Remove: []string{"c", "b"}}},
		{"a spare goes before a replica with calls", standby,
			WarmthView{Want: 1, Replicas: []Warm{running("a", 90), with(running("b", 80), busy), frozen("s", 1), frozen("t", 0)}}, WarmthPlan{Remove: []string{"a"}}},
		{"a spare goes before replicas with calls", standby,
			WarmthView{Want: 1, Replicas: []Warm{with(running("a", 90), busy), with(running("b", 80), busy), frozen("s", 1), frozen("t", 0)}}, WarmthPlan{Remove: []string{"t"}}},
		{"asleep they all are frozen", both,
			WarmthView{Want: 1, Replicas: []Warm{running("a", 50), frozen("s", 0), frozen("t", 0)}}, WarmthPlan{Freeze: []string{"a"}}},

		{"reclaimed after its time", func(p *Policy) { freezing(p); p.ReclaimAfter = time.Minute },
			WarmthView{Want: 3, Replicas: []Warm{frozen("a", 40), frozen("b", 41), with(frozen("c", 0), changing)}}, WarmthPlan{Reclaim: []string{"a"}, Again: at(101)}},
		{"not one that is thawed", func(p *Policy) { freezing(p); p.ReclaimAfter = time.Minute },
			WarmthView{Want: 2, Waiting: 1, Replicas: []Warm{frozen("a", 1), frozen("b", 0)}}, WarmthPlan{Thaw: []string{"a"}, Reclaim: []string{"b"}}},
		{"once is enough", func(p *Policy) { freezing(p); p.ReclaimAfter = time.Minute },
			WarmthView{Want: 1, Replicas: []Warm{with(frozen("a", 0), func(w *Warm) { w.Reclaimed = true })}}, WarmthPlan{}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			view := test.view
			view.Now, view.Policy = at(100), standard(test.policy)
			wantPlan(t, Warmth(view), test.want)
		})
	}
}

func wantPlan(t *testing.T, got, want WarmthPlan) {
	t.Helper()
	same := slices.Equal(got.Thaw, want.Thaw) && slices.Equal(got.Freeze, want.Freeze) &&
		slices.Equal(got.Reclaim, want.Reclaim) && slices.Equal(got.Remove, want.Remove) &&
		got.Start == want.Start && got.Spares == want.Spares && got.Again.Equal(want.Again)
	if !same {
		t.Errorf("\n got %+v\nwant %+v", got, want)
	}
}

// TestWarmth_SettlesAndHarmsNoCall carries out random plans until there is nothing
// more to do, and looks at each on the way.
func TestWarmth_SettlesAndHarmsNoCall(t *testing.T) {
	t.Parallel()
	for seed := range uint64(500) {
		random := rand.New(rand.NewPCG(seed, 2))
		v := randomView(random)
		for step := 0; ; step++ {
			plan := Warmth(v)
			checkPlan(t, seed, v, plan)
			if len(plan.Thaw)+len(plan.Freeze)+len(plan.Reclaim)+len(plan.Remove)+plan.Start+plan.Spares == 0 {
				break
			}
			if step > 20 {
				t.Fatalf("seed %d: does not settle: %+v", seed, plan)
			}
			v = carriedOut(v, plan)
		}
		if total := len(v.Replicas); v.Want > 0 && total != v.Want+v.Policy.Standby {
			t.Fatalf("seed %d: settled with %d replicas, want %d and %d spares", seed, total, v.Want, v.Policy.Standby)
		}
	}
}

func randomView(random *rand.Rand) WarmthView {
	v := WarmthView{
		Now: at(100), Want: random.IntN(6), Waiting: random.IntN(2),
		IdleSince: at(random.Float64() * 100),
		Policy: standard(func(p *Policy) {
			p.Standby = random.IntN(3)
			p.Freeze.After = time.Duration(random.IntN(2)*random.IntN(60)) * second
			p.ReclaimAfter = time.Duration(random.IntN(60)) * second
		}),
	}
	v.Busy = random.IntN(v.Want + 1)
	for i := range random.IntN(10) {
		w := running(string(rune('a'+i)), random.Float64()*100)
		if random.IntN(2) == 0 {
			w = frozen(w.ID, random.Float64()*100)
		}
		w.InFlight = random.IntN(2) * random.IntN(3)
		v.Replicas = append(v.Replicas, w)
	}
	return v
}

func checkPlan(t *testing.T, seed uint64, v WarmthView, plan WarmthPlan) {
	t.Helper()
	seen := map[string]bool{}
	for _, id := range slices.Concat(plan.Thaw, plan.Freeze, plan.Reclaim, plan.Remove) {
		if seen[id] {
			t.Fatalf("seed %d: %s is in two lists: %+v", seed, id, plan)
		}
		seen[id] = true
	}
	for _, w := range v.Replicas {
		if w.InFlight > 0 && (slices.Contains(plan.Freeze, w.ID) || slices.Contains(plan.Reclaim, w.ID)) {
			t.Fatalf("seed %d: %s has a call: %+v", seed, w.ID, plan)
		}
	}
	if plan.Start > 0 && v.frozenBut(plan) > 0 && v.Policy.Freeze.After == 0 {
		t.Fatalf("seed %d: starts while spares are frozen: %+v", seed, plan)
	}
}

// frozenBut counts the frozen replicas that a plan does not thaw.
func (v WarmthView) frozenBut(plan WarmthPlan) int {
	count := 0
	for _, w := range v.Replicas {
		if w.Frozen && !slices.Contains(plan.Thaw, w.ID) {
			count++
		}
	}
	return count
}

// carriedOut is the view after a plan, and a little later.
func carriedOut(v WarmthView, plan WarmthPlan) WarmthView {
	var left []Warm
	for _, w := range v.Replicas {
		switch {
		case slices.Contains(plan.Remove, w.ID):
			continue
		case slices.Contains(plan.Thaw, w.ID):
			w.Frozen, w.Reclaimed, w.Ready, w.Since = false, false, true, v.Now
		case slices.Contains(plan.Freeze, w.ID):
			w.Frozen, w.Since = true, v.Now
		case slices.Contains(plan.Reclaim, w.ID):
			w.Reclaimed = true
		}
		left = append(left, w)
	}
	for range plan.Start + plan.Spares {
		left = append(left, Warm{ID: string(rune('A' + len(left))), Ready: true, Since: v.Now})
	}
	v.Replicas, v.Now = left, v.Now.Add(second)
	return v
}
