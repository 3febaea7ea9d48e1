package scale

import (
	"math/rand/v2"
	"testing"
	"time"
)

// TestAutoscaler_StaysWithinItsBounds tries random policies under random loads.
func TestAutoscaler_StaysWithinItsBounds(t *testing.T) {
	t.Parallel()
	for seed := range uint64(300) {
		random := rand.New(rand.NewPCG(seed, 1))
		p := randomPolicy(random)
		s := newScene(t, p, random.IntN(p.Max+5))
		for range 300 {
			s.disturb(random)
			s.Observe(s.sample)
			d := s.Decide(s.sample.At)
			s.check(seed, d)
			if random.IntN(10) > 0 { // sometimes a decision cannot be carried out
				s.sample.Desired = d.Replicas
			}
			s.sample.Ready = random.IntN(s.sample.Desired + 1)
		}
	}
}

func randomPolicy(random *rand.Rand) Policy {
	p := standard(func(p *Policy) {
		p.Rule = Rule(random.IntN(5))
		p.Min = random.IntN(5)
		p.Max = max(1, p.Min) + random.IntN(15)
		p.Target = 0.5 + random.Float64()*20
		p.Proportion = 0.05 + 0.95*random.Float64()
		p.Factor = random.IntN(101)
		p.Learn = time.Duration(random.IntN(2)) * time.Minute
	})
	if random.IntN(2) == 0 {
		p.DownWindow = time.Duration(1+random.IntN(300)) * second
	}
	if random.IntN(2) == 0 {
		p.Zero.After = time.Duration(1+random.IntN(100)) * second
	}
	return p
}

// disturb moves time and load by random amounts, and now and then sets the clock
// or the count.
func (s *scene) disturb(random *rand.Rand) {
	s.sample.At = s.sample.At.Add(time.Duration(random.ExpFloat64() * float64(2*second)))
	switch random.IntN(40) {
	case 0:
		s.sample.At = s.sample.At.Add(-time.Duration(random.IntN(200)) * second)
	case 1:
		s.sample.At = s.sample.At.Add(time.Duration(random.IntN(5000)) * second)
	case 2:
		s.sample.Desired = random.IntN(30)
	case 3:
		s.sample.Calls = 0
	}
	s.sample.InFlight, s.sample.Waiting = 0, 0
	if random.IntN(3) > 0 {
		s.sample.InFlight = random.IntN(1 + random.IntN(200))
		s.sample.Waiting = random.IntN(1 + random.IntN(50))
		s.sample.Calls += uint64(random.IntN(300))
	}
	s.sample.CPUMillicores = float64(random.IntN(400) - 20)
}

func (s *scene) check(seed uint64, d Decision) {
	s.t.Helper()
	p := s.Policy()
	asleep := s.sample.Desired == 0 && s.sample.Waiting == 0
	idle := p.Zero.After > 0 && s.sample.InFlight+s.sample.Waiting == 0
	switch {
	case d.Why == "":
		s.t.Fatalf("seed %d: %+v", seed, d)
	case d.Replicas == 0 && (asleep || idle):
	case p.Rule == Off && d.Replicas == s.sample.Desired:
	case d.Replicas < max(1, p.Min) || d.Replicas > p.Max:
		s.t.Fatalf("seed %d: %d is not from %d to %d: %+v, %+v", seed, d.Replicas, p.Min, p.Max, p, s.sample)
	case !asleep && d.Replicas < p.Need(s.sample):
		s.t.Fatalf("seed %d: %d is less than the calls in flight need: %+v, %+v", seed, d.Replicas, p, s.sample)
	}
}
