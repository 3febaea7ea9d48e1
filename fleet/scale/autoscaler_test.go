package scale

import (
	"strings"
	"testing"
	"time"
)

// scene drives one function: every decision is carried out at once.
type scene struct {
	*Autoscaler
	t      *testing.T
	sample Sample
}

func newScene(t *testing.T, p Policy, desired int) *scene {
	t.Helper()
	s := &scene{Autoscaler: NewAutoscaler(p), t: t}
	s.sample = Sample{At: time.Unix(1_700_000_000, 0), Desired: desired, Ready: desired}
	s.Observe(s.sample)
	return s
}

// tick lets one second pass with this many calls in flight and begun, and returns
// how many replicas there are then.
func (s *scene) tick(inFlight, calls int) int {
	s.sample.At = s.sample.At.Add(time.Second)
	s.sample.InFlight = inFlight
	s.sample.Calls += uint64(calls)
	s.Observe(s.sample)
	d := s.Decide(s.sample.At)
	s.sample.Desired, s.sample.Ready, s.sample.Waiting = d.Replicas, d.Replicas, 0
	return d.Replicas
}

// run ticks for so many seconds and returns how many replicas there are then.
func (s *scene) run(seconds, inFlight, calls int) (replicas int) {
	for range seconds {
		replicas = s.tick(inFlight, calls)
	}
	return replicas
}

func (s *scene) want(when string, got, want int) {
	s.t.Helper()
	if got != want {
		s.t.Errorf("%s: got %d replicas, want %d", when, got, want)
	}
}

func TestAutoscaler_FollowsTheLoadOfTheLastMinute(t *testing.T) {
	tests := []struct {
		name            string
		change          func(*Policy)
		inFlight, calls int // per second
		want            int
	}{
		{"capacity, idle", nil, 0, 0, 1},
		{"capacity, one full replica", nil, 45, 0, 1},
		{"capacity, beyond the proportion", nil, 46, 0, 2},
		{"capacity, five", func(p *Policy) { p.Target = 10 }, 41, 0, 5},
		{"capacity, at most max", func(p *Policy) { p.Target = 1 }, 500, 0, 20},
		{"capacity, at least min", func(p *Policy) { p.Min = 4 }, 1, 0, 4},
		{"rps, one", func(p *Policy) { p.Rule = RPS }, 1, 45, 1},
		{"rps, four", func(p *Policy) { p.Rule = RPS }, 1, 150, 4},
		{"min zero is one while awake", func(p *Policy) { p.Min = 0 }, 0, 0, 1},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			s := newScene(t, standard(test.change), 1)
			s.want("after three minutes", s.run(180, test.inFlight, test.calls), test.want)
		})
	}
}

func TestAutoscaler_CountsTheProcessor(t *testing.T) {
	t.Parallel()
	s := newScene(t, standard(func(p *Policy) { p.Rule, p.Target, p.Proportion = CPU, 500, 1 }), 1)
	s.sample.CPUMillicores = 1800
	s.want("at 1.8 cores", s.run(90, 3, 10), 4)
	s.sample.CPUMillicores = -1
	s.want("when it is not measured", s.run(90, 3, 10), 4)
	s.sample.CPUMillicores = 400
	s.want("at 0.4 cores", s.run(150, 3, 10), 1)
}

func TestAutoscaler_LeavesTheCountWhenTheProcessorWasNeverMeasured(t *testing.T) {
	t.Parallel()
	s := newScene(t, standard(func(p *Policy) { p.Rule = CPU }), 3)
	s.sample.CPUMillicores = -1
	a := NewAutoscaler(standard(func(p *Policy) { p.Rule = CPU }))
	for range 120 {
		s.sample.At = s.sample.At.Add(second)
		a.Observe(s.sample)
		s.want("without a measurement", a.Decide(s.sample.At).Replicas, 3)
	}
}

func TestAutoscaler_AnswersAStepOfLoadAtOnce(t *testing.T) {
	t.Parallel()
	s := newScene(t, standard(func(p *Policy) { p.Target, p.Max = 10, 10 }), 1)
	s.run(120, 0, 0)
	s.want("with 200 in flight", s.tick(200, 200), 10)
}

func TestAutoscaler_PanicsByTheShortWindow(t *testing.T) {
	t.Parallel()
	s := newScene(t, standard(func(p *Policy) { p.Rule = RPS }), 1)
	s.run(120, 1, 10)
	// 300 calls a second for six seconds are 39 over the last minute: not one
	// replica more, if no one panicked.
	s.want("in the burst", s.run(6, 1, 300), 7)
	s.want("a minute after the burst ended", s.run(55, 1, 10), 7)
	s.want("when the panic is over", s.run(20, 1, 10), 1)
}

func TestAutoscaler_NeverScalesDownInAPanic(t *testing.T) {
	t.Parallel()
	s := newScene(t, standard(func(p *Policy) { p.Target = 10 }), 1)
	before := s.tick(100, 0)
	for i := range 60 {
		after := s.tick(max(0, 50-i), 0)
		if after < before {
			t.Fatalf("%d s after the peak: %d replicas, fewer than %d", i+1, after, before)
		}
		before = after
	}
	s.want("a minute later", s.run(70, 0, 0), 1)
}

func TestAutoscaler_PanicKeepsReplicasThatAreStillStarting(t *testing.T) {
	t.Parallel()
	s := newScene(t, standard(func(p *Policy) { p.Target = 10 }), 1)
	s.want("under load", s.run(180, 70, 0), 8)
	s.Update(standard(func(p *Policy) { p.Target = 30 }))
	s.sample.Ready = 1
	s.want("when three would do and one is ready", s.tick(70, 0), 8)
}

func TestAutoscaler_MoreInFlightThanTheReadyShouldCarryIsAPanic(t *testing.T) {
	t.Parallel()
	s := newScene(t, standard(func(p *Policy) { p.Target = 10 }), 1)
	s.want("under load", s.run(180, 40, 0), 5)
	s.want("in the moment of a peak", s.tick(55, 0), 6)
	s.want("for a minute", s.run(60, 40, 0), 6)
	s.want("after it", s.run(5, 40, 0), 5)
}

func TestAutoscaler_LosesAtMostHalfAtATime(t *testing.T) {
	t.Parallel()
	s := newScene(t, standard(nil), 15)
	s.want("in its first minute", s.run(60, 0, 0), 15)
	for _, want := range []int{7, 3, 1, 1} {
		s.want("then", s.tick(0, 0), want)
	}
}

func TestAutoscaler_KeepsTheLargestOfTheDownWindow(t *testing.T) {
	t.Parallel()
	s := newScene(t, standard(func(p *Policy) { p.Target, p.DownWindow = 10, 5*time.Minute }), 1)
	s.want("under load", s.run(90, 70, 0), 8)
	s.want("within the window", s.run(300, 5, 0), 8)
	s.want("after it", s.run(90, 5, 0), 1)
	s.want("up is not delayed", s.tick(70, 0), 7)
}

func TestAutoscaler_TheDownWindowDoesNotOutliveWhatItIsAbout(t *testing.T) {
	t.Parallel()
	window := func(d time.Duration) Policy {
		return standard(func(p *Policy) { p.Target, p.DownWindow, p.Zero.After = 10, d, 2*time.Minute })
	}
	s := newScene(t, window(5*time.Minute), 1)
	s.want("under load", s.run(90, 70, 0), 8)
	s.want("after it", s.run(100, 1, 0), 8)
	s.sample.Desired, s.sample.Ready = 1, 1
	s.want("when somebody took it back", s.run(100, 1, 0), 1)

	s.want("under load again", s.run(90, 70, 0), 8)
	s.want("asleep", s.run(120, 0, 0), 0)
	s.sample.Waiting = 1
	s.want("woken", s.tick(0, 0), 1)
	s.want("and called", s.run(30, 1, 0), 1)

	s.Update(window(time.Second))
	s.run(1000, 1, 0)
	s.want("under load once more", s.run(90, 70, 0), 8)
	s.Update(window(5 * time.Minute))
	s.want("with a longer window", s.run(200, 1, 0), 8)
	s.want("when it is over", s.run(300, 1, 0), 1)
}

func TestAutoscaler_WakesForWhoeverWaits(t *testing.T) {
	tests := []struct {
		name    string
		change  func(*Policy)
		waiting int
		want    int
	}{
		{"none", nil, 0, 0},
		{"one", nil, 1, 1},
		{"as many as the target lets one carry", func(p *Policy) { p.Target = 10 }, 85, 10},
		{"at most max", func(p *Policy) { p.Target = 1 }, 100, 20},
		{"at least min", func(p *Policy) { p.Min = 3 }, 1, 3},
		{"rps", func(p *Policy) { p.Rule, p.Target = RPS, 10 }, 85, 10},
		{"cpu", func(p *Policy) { p.Rule = CPU }, 85, 1},
		{"step", func(p *Policy) { p.Rule = Step }, 85, 1},
		{"off", func(p *Policy) { p.Rule, p.Min, p.Max = Off, 2, 2 }, 85, 2},
		{"without a policy", func(p *Policy) { *p = Policy{} }, 1, 1},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			s := newScene(t, standard(test.change), 0)
			s.sample.Waiting = test.waiting
			s.Observe(s.sample)
			s.want("woken", s.Decide(s.sample.At).Replicas, test.want)
		})
	}
}

func TestAutoscaler_LetsAFunctionSleepThatSomebodyScaledToZero(t *testing.T) {
	t.Parallel()
	s := newScene(t, standard(nil), 1)
	s.run(10, 20, 100)
	s.sample.Desired, s.sample.Ready = 0, 0
	s.want("with calls that still drain", s.tick(20, 0), 0)
	s.want("an hour later", s.run(3600, 0, 0), 0)
	s.sample.Waiting = 1
	s.want("when somebody calls", s.tick(0, 0), 1)
}

func TestAutoscaler_GoesToZeroWhenNobodyCalls(t *testing.T) {
	t.Parallel()
	s := newScene(t, standard(func(p *Policy) { p.Min, p.Zero.After = 2, 5*time.Minute }), 2)
	s.run(100, 1, 1)
	s.want("just before", s.run(299, 0, 0), 2)
	d := s.Decide(s.sample.At)
	if left := d.Again.Sub(s.sample.At); left != second {
		t.Errorf("the next look is in %s, want 1s", left)
	}
	s.want("after five minutes", s.tick(0, 0), 0)
	if d := s.Decide(s.sample.At); !d.Again.IsZero() {
		t.Errorf("a sleeping function wants a look at %s", d.Again)
	}
}

func TestAutoscaler_DoesNotGoToZeroWhileACallLasts(t *testing.T) {
	t.Parallel()
	s := newScene(t, standard(func(p *Policy) { p.Zero.After = time.Minute }), 1)
	s.want("in a call of an hour", s.run(3600, 1, 0), 1)
	s.want("though the last look is long ago", s.Decide(s.sample.At.Add(time.Hour)).Replicas, 1)
	s.want("just after it", s.run(59, 0, 0), 1)
	s.want("a minute after it", s.tick(0, 0), 0)
}

func TestAutoscaler_AFunctionThatWasScaledUpGetsItsTimeBeforeZero(t *testing.T) {
	t.Parallel()
	s := newScene(t, standard(func(p *Policy) { p.Zero.After = time.Minute }), 1)
	s.want("idle", s.run(61, 0, 0), 0)
	s.run(600, 0, 0)
	s.sample.Desired, s.sample.Ready = 3, 3
	s.want("after somebody scaled it", s.run(55, 0, 0), 3)
	s.want("and no call came", s.run(10, 0, 0), 0)
}

func TestAutoscaler_OffLeavesTheCountAlone(t *testing.T) {
	t.Parallel()
	s := newScene(t, standard(func(p *Policy) { p.Rule, p.Min, p.Max = Off, 3, 3 }), 3)
	s.want("under load", s.run(100, 500, 900), 3)
	s.sample.Desired = 5
	s.want("as somebody set it", s.run(100, 0, 0), 5)
}

func TestAutoscaler_SomebodysWordCountsForAMinute(t *testing.T) {
	t.Parallel()
	s := newScene(t, standard(nil), 1)
	s.run(100, 0, 0)
	s.sample.Desired, s.sample.Ready = 10, 10
	s.want("a minute", s.run(60, 0, 0), 10)
	s.want("then the load decides", s.run(10, 0, 0), 1)

	s.run(100, 200, 0)
	s.sample.Desired, s.sample.Ready = 2, 2
	s.want("against the load it does not count", s.tick(200, 0), 5)
}

func TestAutoscaler_TakesNothingAwayInItsFirstMinute(t *testing.T) {
	t.Parallel()
	s := newScene(t, standard(nil), 8)
	s.want("in its first minute", s.run(60, 1, 1), 8)
	s.want("after it", s.run(10, 1, 1), 1)
}

func TestAutoscaler_SurvivesAClockThatIsSet(t *testing.T) {
	t.Parallel()
	s := newScene(t, standard(func(p *Policy) { p.Target, p.Zero.After, p.Learn = 10, time.Hour, time.Minute }), 1)
	s.run(90, 40, 0)
	s.habits.Observe(time.Minute)
	s.sample.At = s.sample.At.Add(-24 * time.Hour)
	s.want("set back", s.run(30, 40, 0), 5)
	if s.habits.inside != 1 {
		t.Error("the habits are forgotten")
	}
	s.sample.At = s.sample.At.Add(-5 * time.Second)
	s.want("set back a little", s.run(30, 40, 0), 5)
	s.sample.At = s.sample.At.Add(30 * time.Minute)
	s.want("set forward", s.run(30, 40, 0), 5)
	s.run(3600-1, 0, 0)
	s.sample.At = s.sample.At.Add(second)
	s.sample.Desired = 1
	s.Observe(s.sample)
	s.want("asked about the past", s.Decide(s.sample.At.Add(-time.Hour)).Replicas, 0)
}

func TestAutoscaler_BeforeTheFirstSampleTheAnswerIsTheMinimum(t *testing.T) {
	t.Parallel()
	if d := NewAutoscaler(standard(func(p *Policy) { p.Min = 2 })).Decide(time.Now()); d.Replicas != 2 || d.Why == "" {
		t.Errorf("got %+v", d)
	}
}

func TestAutoscaler_UpdateTakesANewPolicyAndKeepsTheLoad(t *testing.T) {
	t.Parallel()
	s := newScene(t, standard(nil), 1)
	s.run(90, 40, 100)
	s.Update(standard(func(p *Policy) { p.Target = 10 }))
	s.want("with a smaller target", s.tick(40, 100), 5)
	s.Update(standard(func(p *Policy) { p.Rule, p.Target, p.DownWindow = RPS, 50, time.Minute }))
	s.want("with another rule", s.run(130, 0, 100), 3)
	s.run(90, 900, 100)
	s.Update(standard(func(p *Policy) { p.Target = 100 }))
	s.run(30, 900, 100)
	s.Update(standard(func(p *Policy) { p.Rule, p.Target = CPU, 100 }))
	s.sample.CPUMillicores = 10
	s.tick(1, 100)
	if load := s.load(s.sample.At, PanicWindow); load != 10 {
		t.Errorf("calls in flight are taken for thousandths of a core: a load of %g, want 10", load)
	}
}

func TestAutoscaler_SaysWhy(t *testing.T) {
	t.Parallel()
	s := newScene(t, standard(func(p *Policy) { p.Target = 10 }), 1)
	s.sample.At = s.sample.At.Add(second)
	s.sample.InFlight = 70
	s.Observe(s.sample)
	if why := s.Decide(s.sample.At).Why; !strings.Contains(why, "capacity at 10 each") || !strings.Contains(why, "panic") {
		t.Errorf("got %q", why)
	}
	s.sample.InFlight = 0
	s.sample.Desired, s.sample.Ready = 8, 8
	for range 130 {
		s.sample.At = s.sample.At.Add(second)
		s.Observe(s.sample)
	}
	s.Decide(s.sample.At)
	if why := s.Decide(s.sample.At).Why; !strings.Contains(why, "stable") {
		t.Errorf("got %q", why)
	}
}

func TestAutoscaler_AllocatesNothingWhileTheLoadIsWhatItWas(t *testing.T) {
	for _, rule := range []Rule{Off, Capacity, RPS, CPU, Step} {
		s := newScene(t, standard(func(p *Policy) {
			p.Rule, p.Learn, p.Zero.After, p.DownWindow = rule, time.Minute, time.Hour, time.Minute
		}), 1)
		if allocs := testing.AllocsPerRun(200, func() { s.tick(1, 1) }); allocs != 0 {
			t.Errorf("%s: %g allocations per sample and decision", rule, allocs)
		}
	}
}
