package scale

import "testing"

// What a replica is worth on a full host: those that compute are not helped by more of them than
// the processors can keep busy.
func TestHost_MoreReplicasOnlyWhereTheyHelp(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		change   func(*Policy)
		inFlight int
		busy     float64
		// each is what one replica consumes, together what they do at most.
		each, together float64
		want           int
	}{
		"room":      {nil, 200, 0.5, 300, 2000, 5},
		"not known": {nil, 200, 0, 300, 2000, 5},
		"full, and one replica has what there is": {nil, 200, 1, 2000, 400, 1},
		"full, and it waits":                      {nil, 200, 1, 20, 2000, 5},
		"full, and many calls wait":               {nil, 200, 1, 150, 150, 5},
		"full, and consumption is not known":      {nil, 200, 1, -1, -1, 5},
		"full, and each has one thread":           {nil, 200, 1, 1000, 2000, 3},
		"full, and at least three are wanted":     {func(p *Policy) { p.Min = 3 }, 200, 1, 2000, 400, 3},
		"full, by requests":                       {func(p *Policy) { p.Rule, p.Target = RPS, 10 }, 20, 1, 2000, 400, 1},
		"full, by the processor":                  {func(p *Policy) { p.Rule, p.Target, p.Proportion = CPU, 100, 1 }, 20, 1, 2000, 400, 4},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newScene(t, standard(test.change), 1)
			s.sample.HostBusy = test.busy
			got := 0
			for range 90 {
				s.sample.CPUMillicores = min(test.each*float64(s.sample.Ready), test.together)
				got = s.tick(test.inFlight, 100)
			}
			s.want("after ninety seconds", got, test.want)
		})
	}
}

// On a full host the function's consumption is waited for, but not for long.
func TestHost_ConsumptionIsAwaited(t *testing.T) {
	t.Parallel()
	s := newScene(t, standard(nil), 1)
	s.sample.HostBusy, s.sample.CPUMillicores = 1, -1
	s.run(20, 10, 100)
	s.want("at once", s.run(3, 200, 100), 1)
	s.sample.CPUMillicores = 400
	s.want("when it is known", s.run(60, 200, 100), 1)
	s.sample.CPUMillicores = -1
	s.want("when it is no longer known", s.run(3, 200, 100), 1)
	s.want("and when it does not become known", s.run(3, 200, 100), 5)
}

// Replicas that turn out not to help are not given up at once.
func TestHost_WhatWasStartedStaysForAWhile(t *testing.T) {
	t.Parallel()
	s := newScene(t, standard(nil), 1)
	s.sample.HostBusy, s.sample.CPUMillicores = 0.5, 400
	s.want("with room", s.run(2, 100, 100), 2)
	s.sample.HostBusy = 1
	s.want("on a full host, at first", s.run(9, 100, 100), 2)
	s.want("and then", s.run(10, 100, 100), 1)
}

// A host that has room while a replica is gone does not get it back for that.
func TestHost_ReplicasDoNotComeAndGo(t *testing.T) {
	t.Parallel()
	s := newScene(t, standard(nil), 1)
	changes, before := 0, 1
	for range 300 {
		s.sample.CPUMillicores = 400
		s.sample.HostBusy = 0.82
		if s.sample.Ready > 1 {
			s.sample.HostBusy = 0.97
		}
		if now := s.tick(64, 500); now != before {
			changes, before = changes+1, now
		}
	}
	if changes > 2 || before != 1 {
		t.Errorf("the number changed %d times, and is %d: want it to rise once at most, and to come down to 1", changes, before)
	}
}

// A number that somebody set stays, on a full host as on any other, until it would fall by itself.
func TestHost_TakesNothingThatSomebodyAskedFor(t *testing.T) {
	t.Parallel()
	s := newScene(t, standard(nil), 1)
	s.sample.HostBusy, s.sample.CPUMillicores = 1, 400
	s.want("before", s.run(30, 200, 100), 1)
	s.sample.Desired, s.sample.Ready = 4, 4
	s.want("right after", s.tick(200, 100), 4)
	s.want("while the load asks for them", s.run(120, 200, 100), 4)
	s.want("when it does not", s.run(200, 10, 100), 1)
	s.want("and then", s.run(30, 200, 100), 1)
}

// Consumption is measured where it makes a difference.
func TestHost_ConsumptionIsAskedForWhereItCounts(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		change   func(*Policy)
		inFlight int
		busy     float64
		want     bool
	}{
		"room":                    {nil, 200, 0.5, false},
		"full":                    {nil, 200, 0.95, true},
		"full, and one is enough": {nil, 20, 0.95, false},
		"full, at a fixed number": {func(p *Policy) { p.Rule = Off }, 200, 0.95, false},
		"by the processor":        {func(p *Policy) { p.Rule = CPU }, 1, 0, true},
		"by steps":                {func(p *Policy) { p.Rule = Step }, 200, 0.95, false},
	} {
		s := newScene(t, standard(test.change), 1)
		s.sample.HostBusy, s.sample.CPUMillicores = test.busy, 400
		s.tick(test.inFlight, 100)
		if got := s.WantsCPU(); got != test.want {
			t.Errorf("%s: got %t, want %t", name, got, test.want)
		}
	}
}
