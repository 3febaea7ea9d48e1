package scale

import (
	"testing"
	"time"
)

// idleRun asks an autoscaler only when it wants to be asked, as its owner does while no one
// calls, until it does not want to any more. It returns the last count, when that was
// decided, and how often it was asked.
func idleRun(a *Autoscaler, s Sample) (count int, after time.Duration, asked int) {
	began := s.At
	for {
		a.Observe(s)
		d := a.Decide(s.At)
		if d.Replicas != s.Desired {
			after = s.At.Sub(began)
		}
		asked++
		s.Desired, s.Ready = d.Replicas, d.Replicas
		if d.Again.IsZero() || asked > 1000 {
			return s.Desired, after, asked
		}
		s.At = d.Again
	}
}

// What was started for calls that have ended goes though no call follows, and however
// it came that there are so many.
func TestIdle_GoesDownToTheMinimumByItself(t *testing.T) {
	t.Parallel()
	bounds := func(least, most int) func(*Policy) {
		return func(p *Policy) { p.Min, p.Max = least, most }
	}
	rule := func(r Rule, change ...func(*Policy)) Policy {
		p := standard(func(p *Policy) { p.Rule = r })
		for _, c := range change {
			c(&p)
		}
		return p
	}
	window := func(p *Policy) { p.DownWindow = 5 * time.Minute }
	zero := func(p *Policy) { p.Zero.After = 15 * time.Minute }
	begin := Sample{At: at(0), CPUMillicores: 0, Desired: 1, Ready: 1}
	restarted := func(a *Autoscaler, s *Sample) { s.Desired, s.Ready = 10, 10 }
	called := func(inFlight int) func(*Autoscaler, *Sample) {
		return func(a *Autoscaler, s *Sample) {
			for range 90 {
				s.InFlight, s.Calls = inFlight, s.Calls+uint64(inFlight)
				s.CPUMillicores = float64(inFlight) * 100
				a.Observe(*s)
				s.Desired = a.Decide(s.At).Replicas
				s.Ready = s.Desired
				s.At = s.At.Add(time.Second)
			}
			s.InFlight, s.CPUMillicores = 0, 0
		}
	}
	scaled := func(a *Autoscaler, s *Sample) { a.Observe(*s); a.Decide(s.At); s.Desired, s.Ready = 9, 9 }
	relabelled := func(from Policy) func(*Autoscaler, *Sample) {
		return func(a *Autoscaler, s *Sample) {
			to := a.policy
			a.Update(from)
			s.Desired, s.Ready = 8, 8
			a.Observe(*s)
			a.Decide(s.At)
			s.At = s.At.Add(time.Hour)
			a.Update(to)
		}
	}
	for _, test := range []struct {
		name   string
		policy Policy
		before func(*Autoscaler, *Sample)
		want   int
		within time.Duration
	}{
		{"after a restart", rule(Capacity), restarted, 1, 2 * time.Minute},
		{"after a restart, by calls per second", rule(RPS), restarted, 1, 2 * time.Minute},
		{"after a restart, by processor time", rule(CPU), restarted, 1, 2 * time.Minute},
		{"after a restart, by steps", rule(Step), restarted, 1, 2 * time.Minute},
		{"after a restart, with a minimum", rule(Capacity, bounds(3, 20)), restarted, 3, 2 * time.Minute},
		{"after a restart, with a lower maximum", rule(Capacity, bounds(1, 4)), restarted, 1, 2 * time.Minute},
		{"after a restart, with a minimum of none", rule(Capacity, bounds(0, 20)), restarted, 1, 2 * time.Minute},
		{"after a burst", rule(Capacity), called(400), 1, 3 * time.Minute},
		{"after a burst, by calls per second", rule(RPS), called(400), 1, 3 * time.Minute},
		{"after a burst, by processor time", rule(CPU), called(50), 1, 3 * time.Minute},
		{"after a burst, by steps", rule(Step), called(50), 1, 3 * time.Minute},
		{"after a burst, with a window", rule(Capacity, window), called(400), 1, 7 * time.Minute},
		{"after a burst, with a window, by steps", rule(Step, window), called(50), 1, 7 * time.Minute},
		{"after a burst, to zero", rule(Capacity, zero), called(400), 0, 16 * time.Minute},
		{"set by hand", rule(Capacity), scaled, 1, 2 * time.Minute},
		{"set by hand, by steps", rule(Step), scaled, 1, 2 * time.Minute},
		{"set by hand, by processor time", rule(CPU), scaled, 1, 2 * time.Minute},
		{"set by hand, with scaling off", rule(Off), scaled, 9, 0},
		{"deployed again without labels", rule(Capacity), relabelled(rule(Off, bounds(8, 8))), 1, 2 * time.Minute},
		{"deployed again with a lower minimum", rule(Step, bounds(2, 20)), relabelled(rule(Step, bounds(8, 20))), 2, 2 * time.Minute},
		{"deployed again with another type", rule(RPS), relabelled(rule(CPU)), 1, 2 * time.Minute},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			a, s := NewAutoscaler(test.policy), begin
			test.before(a, &s)
			count, after, asked := idleRun(a, s)
			if count != test.want || after > test.within {
				t.Errorf("%d replicas after %s, want %d within %s", count, after, test.want, test.within)
			}
			if asked > 400 {
				t.Errorf("asked %d times", asked)
			}
		})
	}
}

// A new rule has seen nothing yet: what the old one found right stays for a minute.
func TestUpdate_OfTheRuleTakesNothingAwayUnderLoad(t *testing.T) {
	t.Parallel()
	a := NewAutoscaler(standard(func(p *Policy) { p.Rule, p.Target = RPS, 10 }))
	s := Sample{At: at(0), Desired: 1, Ready: 1}
	for i := range 180 {
		if i == 120 {
			a.Update(standard(func(p *Policy) { p.Rule, p.Target = Capacity, 1 }))
		}
		s.Calls, s.InFlight = s.Calls+80, 2
		a.Observe(s)
		d := a.Decide(s.At)
		if i > 110 && i < 175 && d.Replicas < 9 {
			t.Fatalf("%d s after the start there are %d replicas, want 9", i, d.Replicas)
		}
		s.Desired, s.Ready = d.Replicas, d.Replicas
		s.At = s.At.Add(time.Second)
	}
}
