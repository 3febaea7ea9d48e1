package scale

import (
	"testing"
	"time"
)

// fed is a histogram that saw each of these idle times so many times.
func fed(times int, idle ...time.Duration) *Histogram {
	h := &Histogram{Bin: time.Minute}
	for range times {
		for _, d := range idle {
			h.Observe(d)
		}
	}
	return h
}

func everyMinute(upTo time.Duration) (idle []time.Duration) {
	for d := time.Duration(0); d < upTo; d += time.Minute {
		idle = append(idle, d)
	}
	return idle
}

func TestHistogram_Window(t *testing.T) {
	const m = time.Minute
	tests := []struct {
		name       string
		histogram  *Histogram
		head, tail time.Duration
		ok         bool
	}{
		{"nothing seen", &Histogram{Bin: time.Minute}, 0, 0, false},
		{"too little seen", fed(9, 30*m), 0, 0, false},
		{"enough seen", fed(10, 30*m), 27 * m, 34*m + 6*second, true},
		{"a minute or less", fed(50, 10*second), 0, 66 * second, true},
		{"between two times", fed(20, 20*m, 60*m), 18 * m, 67*m + 6*second, true},
		{"a rare exception counts for nothing", fed(1, append([]time.Duration{3 * time.Hour, 5 * second}, twoHundred(40*m)...)...), 36 * m, 45*m + 6*second, true},
		{"spread evenly", fed(4, everyMinute(4*time.Hour)...), 0, 0, false},
		{"mostly beyond four hours", fed(20, 30*m, 5*time.Hour), 0, 0, false},
		{"sometimes beyond", fed(20, 30*m, 30*m, 5*time.Hour), 27 * m, 34*m + 6*second, true},
		{"a clock that was set back says nothing", fed(20, -m), 0, 0, false},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			head, tail, ok := test.histogram.Window()
			if head != test.head || tail != test.tail || ok != test.ok {
				t.Errorf("got %s to %s, %t; want %s to %s, %t", head, tail, ok, test.head, test.tail, test.ok)
			}
		})
	}
}

func TestHistogram_ByTheSecond(t *testing.T) {
	t.Parallel()
	h := &Histogram{Bin: second}
	for range 20 {
		h.Observe(20 * second)
	}
	if head, tail, ok := h.Window(); head != 18*second || tail != 23*second+100*time.Millisecond || !ok {
		t.Errorf("got %s to %s, %t; want 18s to 23.1s", head, tail, ok)
	}
	for range 20 {
		h.Observe(4 * time.Minute)
	}
	if head, tail, ok := h.Window(); ok {
		t.Errorf("got %s to %s though half of the idle times are beyond four minutes", head, tail)
	}
}

// twoHundred is one idle time, two hundred times.
func twoHundred(idle time.Duration) []time.Duration {
	list := make([]time.Duration, 200)
	for i := range list {
		list[i] = idle
	}
	return list
}

func TestHistogram_ForgetsOldHabits(t *testing.T) {
	t.Parallel()
	h := fed(20_000, 10*time.Minute, 5*time.Hour, 10*time.Minute)
	for range 10 * memory {
		h.Observe(50 * time.Minute)
	}
	head, tail, ok := h.Window()
	if head != 45*time.Minute || tail != 56*time.Minute+6*second || !ok {
		t.Errorf("got %s to %s, %t", head, tail, ok)
	}
	if h.inside+h.beyond > memory {
		t.Errorf("it remembers %d idle times", h.inside+h.beyond)
	}
}

func TestPolicy_Learned(t *testing.T) {
	const m = time.Minute
	zero := func(p *Policy) { p.Learn, p.Zero.After = m, 15*m }
	tests := []struct {
		name      string
		policy    func(*Policy)
		histogram *Histogram
		want      func(*Policy) // what differs from policy
	}{
		{"without habits", zero, &Histogram{Bin: time.Minute}, nil},
		{"not asked to", func(p *Policy) { p.Zero.After = 15 * m }, fed(20, 30*m), nil},
		{"nothing to shape", func(p *Policy) { p.Learn = m }, fed(20, 30*m), nil},
		{"a timer", zero, fed(20, 30*m), func(p *Policy) { p.Zero = Rest{m, 27 * m, 34*m + 6*second} }},
		{"at any time up to a while", zero, fed(20, 0, 0, 0, 20*m), func(p *Policy) { p.Zero = Rest{After: 23*m + 6*second} }},
		{"soon", zero, fed(20, m), func(p *Policy) { p.Zero = Rest{After: 2*m + 12*second} }},
		{"rests after its own time if that is shorter", func(p *Policy) { p.Learn, p.Zero.After = m, 10*second }, fed(20, 30*m),
			func(p *Policy) { p.Zero = Rest{10 * second, 27 * m, 34*m + 6*second} }},
		{"frozen only", func(p *Policy) { p.Learn, p.Freeze.After = m, second }, fed(20, 30*m),
			func(p *Policy) { p.Freeze = Rest{second, 27 * m, 34*m + 6*second} }},
		{"the coldest is shaped", func(p *Policy) { zero(p); p.Freeze.After = second }, fed(20, 30*m),
			func(p *Policy) { p.Zero = Rest{m, 27 * m, 34*m + 6*second} }},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			p := standard(test.policy)
			want := p
			if test.want != nil {
				test.want(&want)
			}
			if got := p.Learned(test.histogram); got != want {
				t.Errorf("got %+v\nwant %+v", got, want)
			}
		})
	}
}

func TestAutoscaler_ForgetsWhatItLearnedByAnotherMeasure(t *testing.T) {
	t.Parallel()
	policy := standard(func(p *Policy) { p.Freeze.After, p.Learn = second, second })
	s := newScene(t, policy, 1)
	for range 12 { // called every twenty seconds
		s.tick(1, 1)
		s.run(19, 0, 0)
	}
	if got, want := s.Policy().Freeze, (Rest{second, 18 * second, 23*second + 100*time.Millisecond}); got != want {
		t.Fatalf("got %v, want %v", got, want)
	}
	policy.Target = 7
	s.Update(policy)
	if got := s.Policy().Freeze.Wake; got != 18*second {
		t.Errorf("after a deployment that changes something else it wakes after %s, want what it had learned", got)
	}
	policy.Learn = time.Minute
	s.Update(policy)
	if got, want := s.Policy().Freeze, (Rest{After: second}); got != want {
		t.Errorf("by the minute nothing was learned yet, but it has %v, want %v", got, want)
	}
}

func TestAutoscaler_LearnsWhenItIsCalled(t *testing.T) {
	t.Parallel()
	s := newScene(t, standard(func(p *Policy) { p.Zero.After, p.Learn = 15*time.Minute, time.Minute }), 1)
	for range 12 { // called every half hour
		s.sample.Waiting = 1 - min(1, s.sample.Desired)
		s.tick(1-s.sample.Waiting, 1)
		s.run(1799, 0, 0)
	}
	if got, want := s.Policy().Zero, (Rest{time.Minute, 27 * time.Minute, 34*time.Minute + 6*second}); got != want {
		t.Fatalf("got %v, want %v", got, want)
	}
	s.want("at the usual time it is awake", s.sample.Desired, 1)
	s.tick(1, 1)
	s.want("soon after it sleeps", s.run(61, 0, 0), 0)
	if got, want := s.Decide(s.sample.At).Again, s.IdleSince().Add(27*time.Minute); !got.Equal(want) {
		t.Errorf("it wants a look at %s, want %s", got, want)
	}
	s.want("ahead of the next time it is awake", s.run(26*60, 0, 0), 1)
	s.want("when no call came it sleeps", s.run(8*60, 0, 0), 0)
	s.want("until it is called", s.run(3600, 0, 0), 0)
}
