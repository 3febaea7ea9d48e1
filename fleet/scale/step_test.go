package scale

import (
	"testing"
	"time"
)

func gateway(change func(*Policy)) Policy {
	return standard(func(p *Policy) {
		p.Rule = Step
		if change != nil {
			change(p)
		}
	})
}

func TestStep_OneStepForEveryFiveSecondsOfMoreThanFiveCalls(t *testing.T) {
	t.Parallel()
	s := newScene(t, gateway(nil), 1)
	s.run(60, 0, 0)
	s.want("with 5 calls per second", s.run(60, 1, 5), 1)
	s.want("when it has just risen", s.run(5, 1, 6), 1)
	s.want("for 5 seconds more", s.run(1, 1, 6), 3)
	s.want("for 9", s.run(4, 1, 6), 3)
	s.want("for 10", s.run(1, 1, 6), 5)
	s.want("for long", s.run(120, 1, 6), 20)
	s.want("just after", s.run(1, 0, 0), 20)
	s.want("ten seconds later", s.run(10, 0, 0), 1)
}

func TestStep_AShortBurstIsNoReason(t *testing.T) {
	t.Parallel()
	s := newScene(t, gateway(nil), 1)
	s.run(60, 0, 0)
	s.tick(3, 1000)
	for range 60 {
		s.want("after 1000 calls in a second", s.tick(0, 0), 1)
	}
}

func TestStep_StepIsRoundedUp(t *testing.T) {
	tests := []struct{ limit, factor, want int }{
		{20, 10, 2}, {5, 10, 1}, {5, 20, 1}, {10, 25, 3}, {7, 100, 7}, {20, 0, 0}, {1, 1, 1},
	}
	for _, test := range tests {
		p := gateway(func(p *Policy) { p.Max, p.Factor = test.limit, test.factor })
		if got := p.step(); got != test.want {
			t.Errorf("%d %% of %d: got %d, want %d", test.factor, test.limit, got, test.want)
		}
	}
}

func TestStep_LeavesAloneWhatSomebodySet(t *testing.T) {
	t.Parallel()
	s := newScene(t, gateway(nil), 1)
	s.run(30, 0, 0)
	s.sample.Desired, s.sample.Ready = 4, 4
	s.want("an hour later, with a call now and then", s.run(3600, 0, 1), 4)
	s.want("under load", s.run(6, 1, 50), 6)
	s.want("after it", s.run(70, 0, 0), 1)
	s.sample.Desired, s.sample.Ready = 4, 4
	s.want("in the first minute without a call", s.run(59, 0, 0), 4)
	s.want("after it", s.run(3, 0, 0), 1)
}

func TestStep_ReplicasFromBeforeAStartGoAfterAMinuteWithoutLoad(t *testing.T) {
	t.Parallel()
	s := newScene(t, gateway(func(p *Policy) { p.Min = 2 }), 7)
	s.want("in the first minute", s.run(60, 0, 0), 7)
	s.want("after it", s.run(2, 0, 0), 2)
}

func TestStep_KeepsTheDownWindow(t *testing.T) {
	t.Parallel()
	s := newScene(t, gateway(func(p *Policy) { p.DownWindow = 2 * time.Minute }), 1)
	s.want("under load", s.run(11, 1, 50), 5)
	s.want("within the window", s.run(100, 0, 0), 5)
	s.want("after it", s.run(60, 0, 0), 1)
}

func TestPolicy_Alerted(t *testing.T) {
	tests := []struct {
		name   string
		change func(*Policy)
		firing bool
		sample Sample
		want   int
	}{
		{"firing is a step up", nil, true, Sample{Desired: 1}, 3},
		{"firing again", nil, true, Sample{Desired: 3}, 5},
		{"at most to max", nil, true, Sample{Desired: 19}, 20},
		{"firing takes nothing away", nil, true, Sample{Desired: 25}, 25},
		{"firing wakes", func(p *Policy) { p.Min = 4 }, true, Sample{}, 4},
		{"a large factor", func(p *Policy) { p.Factor = 100 }, true, Sample{Desired: 1}, 20},
		{"resolved is the minimum", func(p *Policy) { p.Min = 2 }, false, Sample{Desired: 9}, 2},
		{"resolved starts what is missing", func(p *Policy) { p.Min = 4 }, false, Sample{Desired: 2}, 4},
		{"resolved with min zero", func(p *Policy) { p.Min = 0 }, false, Sample{Desired: 9}, 1},
		{"resolved wakes none", nil, false, Sample{}, 0},
		{"calls in flight count", func(p *Policy) { p.Target = 10 }, false, Sample{Desired: 9, InFlight: 35}, 4},
		{"factor zero, firing", func(p *Policy) { p.Factor = 0 }, true, Sample{Desired: 2}, 2},
		{"factor zero, resolved", func(p *Policy) { p.Factor = 0 }, false, Sample{Desired: 2}, 2},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			if got := standard(test.change).Alerted(test.firing, test.sample); got != test.want {
				t.Errorf("got %d, want %d", got, test.want)
			}
		})
	}
}
