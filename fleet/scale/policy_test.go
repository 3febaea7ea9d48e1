package scale

import (
	"errors"
	"strings"
	"testing"
	"time"

	"faas-docker/function"
)

// standard is the policy of a function without any scaling label.
func standard(change func(*Policy)) Policy {
	p := Policy{Bounds: Bounds{1, 20}, Rule: Capacity, Target: 50, Proportion: 0.9, Factor: 10}
	if change != nil {
		change(&p)
	}
	return p
}

func TestParse(t *testing.T) {
	type labels = map[string]string
	tests := []struct {
		name   string
		labels labels
		want   func(*Policy) // what differs from a function without labels
	}{
		{"no label", nil, nil},
		{"other labels", labels{"com.openfaas.scale.other": "x", "team": "a"}, nil},
		{"min alone is the gateway's rule", labels{LabelMin: "2"}, func(p *Policy) { p.Min, p.Rule = 2, Step }},
		{"max alone is the gateway's rule", labels{LabelMax: "5"}, func(p *Policy) { p.Max, p.Rule = 5, Step }},
		{"factor alone is the gateway's rule", labels{LabelFactor: "100"}, func(p *Policy) { p.Factor, p.Rule = 100, Step }},
		{"target alone is rps, as in Pro", labels{LabelTarget: "7.5"}, func(p *Policy) { p.Target, p.Rule = 7.5, RPS }},
		{"proportion alone is rps", labels{LabelProportion: "1.0"}, func(p *Policy) { p.Proportion, p.Rule = 1, RPS }},
		{"capacity", labels{LabelType: "capacity", LabelMax: "5"}, func(p *Policy) { p.Max = 5 }},
		{"rps", labels{LabelType: "rps"}, func(p *Policy) { p.Rule = RPS }},
		{"queue, of OpenFaaS Pro", labels{LabelType: "queue"}, func(p *Policy) { p.Foreign = "queue" }},
		{"queue with a target of messages", labels{LabelType: "queue", LabelTarget: "3", LabelProportion: "0.5"}, func(p *Policy) { p.Foreign = "queue" }},
		{"a rule that operators have added", labels{LabelType: "custom"}, func(p *Policy) { p.Foreign = "custom" }},
		{"memory with a target of bytes", labels{LabelType: "ram", LabelTarget: "1073741824"}, func(p *Policy) { p.Foreign = "ram" }},
		{"latency with a target in words", labels{LabelType: "latency", LabelTarget: "200ms"}, func(p *Policy) { p.Foreign = "latency" }},
		{"in capitals", labels{LabelType: "Queue"}, func(p *Policy) { p.Foreign = "Queue" }},
		{"of two words", labels{LabelType: "ram_used-2"}, func(p *Policy) { p.Foreign = "ram_used-2" }},
		{"not known, with bounds", labels{LabelType: "latency", LabelMin: "2", LabelMax: "4"}, func(p *Policy) { p.Min, p.Max, p.Foreign = 2, 4, "latency" }},
		{"not known, with scaling off", labels{LabelType: "queue", LabelMin: "2", LabelMax: "2"}, func(p *Policy) { p.Min, p.Max, p.Rule, p.Foreign = 2, 2, Off, "queue" }},
		{"cpu", labels{LabelType: "CPU", LabelTarget: "500"}, func(p *Policy) { p.Rule, p.Target = CPU, 500 }},
		{"min equal to max", labels{LabelMin: "3", LabelMax: "3", LabelType: "rps"}, func(p *Policy) { p.Min, p.Max, p.Rule = 3, 3, Off }},
		{"factor zero", labels{LabelFactor: "0"}, func(p *Policy) { p.Factor, p.Rule = 0, Off }},
		{"down window", labels{LabelDownWindow: "300s"}, func(p *Policy) { p.DownWindow = 5 * time.Minute }},
		{"no down window", labels{LabelDownWindow: "0"}, nil},
		{"zero", labels{LabelZero: "true"}, func(p *Policy) { p.Zero.After = 15 * time.Minute }},
		{"zero after", labels{LabelZero: "true", LabelZeroDuration: "90s"}, func(p *Policy) { p.Zero.After = 90 * time.Second }},
		{"zero after so many seconds", labels{LabelZero: "1", LabelZeroDuration: "90"}, func(p *Policy) { p.Zero.After = 90 * time.Second }},
		{"zero-duration without zero", labels{LabelZeroDuration: "5m"}, nil},
		{"zero=false", labels{LabelZero: "false", LabelZeroDuration: "5m"}, nil},
		{"freeze", labels{LabelFreezeDuration: "200ms"}, func(p *Policy) { p.Freeze.After = 200 * time.Millisecond }},
		{"never freeze", labels{LabelFreezeDuration: "0s"}, nil},
		{"reclaim", labels{LabelReclaim: "true"}, func(p *Policy) { p.ReclaimAfter = 5 * time.Minute }},
		{"reclaim after", labels{LabelReclaim: "10m"}, func(p *Policy) { p.ReclaimAfter = 10 * time.Minute }},
		{"reclaim=false", labels{LabelReclaim: "False"}, nil},
		{"standby", labels{LabelStandby: "2"}, func(p *Policy) { p.Standby = 2 }},
		{"learn", labels{LabelLearn: "true"}, func(p *Policy) { p.Learn = time.Minute }},
		{"learn by the second", labels{LabelLearn: "1s"}, func(p *Policy) { p.Learn = time.Second }},
		{"learn nothing", labels{LabelLearn: "FALSE"}, nil},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			for where, spec := range map[string]function.Spec{"labels": {Labels: test.labels}, "annotations": {Annotations: test.labels}} {
				got, err := Parse(spec)
				if want := standard(test.want); err != nil || got != want {
					t.Errorf("%s: got %+v and error %v, want %+v", where, got, err, want)
				}
			}
		})
	}
}

func TestParse_RefusesWhatCannotBeUsed(t *testing.T) {
	tests := []struct{ key, value, says string }{
		{LabelMin, "-1", "want a whole number from 0 to 1000"},
		{LabelMin, "1001", "want a whole number"},
		{LabelMax, "0", "want a whole number from 1 to 1000"},
		{LabelFactor, "101", "want a whole number from 0 to 100"},
		{LabelFactor, "ten", "want a whole number"},
		{LabelType, "queue depth", "want capacity, rps or cpu"},
		{LabelType, "rps,cpu", "want capacity, rps or cpu"},
		{LabelType, "{{ .Values.type }}", "want capacity, rps or cpu"},
		{LabelType, "", "want capacity, rps or cpu"},
		{LabelType, "step", "want capacity, rps or cpu"},
		{LabelTarget, "0", "more than 0"},
		{LabelTarget, "-5", "more than 0"},
		{LabelTarget, "NaN", "more than 0"},
		{LabelTarget, "+Inf", "at most 1e+06"},
		{LabelTarget, "fifty", "want a number"},
		{LabelProportion, "90", "at most 1"},
		{LabelProportion, "90%", "want a number"},
		{LabelZero, "yes", "want true or false"},
		{LabelZeroDuration, "0", "want a duration from 1s to 720h"},
		{LabelZeroDuration, "15 minutes", "want a duration"},
		{LabelZeroDuration, "-5m", "want a duration"},
		{LabelZeroDuration, "9223372036854775807", "want a duration"},
		{LabelDownWindow, "10m", "want a duration from 1s to 5m, or 0"},
		{LabelFreezeDuration, "1ms", "want a duration from 10ms to 720h, or 0"},
		{LabelReclaim, "on", "want true, false or a duration from 1s to 720h"},
		{LabelReclaim, "10ms", "want true, false or a duration"},
		{LabelStandby, "-1", "want a whole number"},
		{LabelStandby, "990", "990 spares and at most 20 replicas are more than a function can have, 1000"},
		{LabelLearn, "maybe", "want true, false or a duration from 1s to 1m"},
		{LabelLearn, "2m", "want true, false or a duration from 1s to 1m"},
	}
	for _, test := range tests {
		t.Run(test.key+"="+test.value, func(t *testing.T) {
			t.Parallel()
			setting := map[string]string{test.key: test.value}
			for field, spec := range map[string]function.Spec{"labels": {Labels: setting}, "annotations": {Annotations: setting}} {
				p, err := Parse(spec)
				if !errors.Is(err, function.ErrInvalid) || p != (Policy{}) {
					t.Fatalf("got %+v and error %v, want none and an ErrInvalid", p, err)
				}
				if want := field + `["` + test.key + `"]: `; !strings.HasPrefix(err.Error(), want) || !strings.Contains(err.Error(), test.says) {
					t.Errorf("got %q, want %q and then %q", err, want, test.says)
				}
			}
		})
	}
}

func TestParse_AnnotationCountsBeforeLabel(t *testing.T) {
	t.Parallel()
	p, err := Parse(function.Spec{
		Labels:      map[string]string{LabelMax: "none", LabelMin: "2"},
		Annotations: map[string]string{LabelMax: "7"},
	})
	if err != nil || p.Bounds != (Bounds{2, 7}) {
		t.Errorf("got %+v and error %v, want 2 to 7", p.Bounds, err)
	}
}

func TestParse_OfEverySettingTheAnnotationCounts(t *testing.T) {
	t.Parallel()
	for key, texts := range map[string][2]string{
		LabelMin: {"2", "3"}, LabelMax: {"5", "6"}, LabelFactor: {"20", "30"}, LabelType: {"rps", "cpu"},
		LabelTarget: {"7", "8"}, LabelProportion: {"0.5", "0.6"}, LabelDownWindow: {"1m", "2m"},
		LabelZero: {"true", "false"}, LabelZeroDuration: {"1m", "2m"}, LabelFreezeDuration: {"1s", "2s"},
		LabelReclaim: {"1m", "2m"}, LabelStandby: {"1", "2"}, LabelLearn: {"10s", "20s"},
	} {
		parse := func(annotation, label string) Policy {
			s := function.Spec{Annotations: map[string]string{}, Labels: map[string]string{}}
			if key == LabelZeroDuration {
				s.Labels[LabelZero] = "true"
			}
			for _, given := range []struct {
				to   map[string]string
				text string
			}{{s.Annotations, annotation}, {s.Labels, label}} {
				if given.text != "" {
					given.to[key] = given.text
				}
			}
			p, err := Parse(s)
			if err != nil {
				t.Fatalf("%s: %v", key, err)
			}
			return p
		}
		if both, alone := parse(texts[0], texts[1]), parse(texts[0], ""); both != alone {
			t.Errorf("%s: got %+v beside a label, %+v without one", key, both, alone)
		}
		if label, annotation := parse("", texts[1]), parse(texts[1], ""); label != annotation || label == parse(texts[0], "") {
			t.Errorf("%s: got %+v from a label, %+v from an annotation", key, label, annotation)
		}
	}
}

func TestParse_TellsTheFirstOfSeveralFaults(t *testing.T) {
	t.Parallel()
	_, err := Parse(function.Spec{Labels: map[string]string{LabelMin: "5", LabelMax: "4", LabelLearn: "x"}})
	if err == nil || !strings.Contains(err.Error(), "4 is less than "+LabelMin+", 5") {
		t.Errorf("got %v", err)
	}
}

func TestPolicy_Need(t *testing.T) {
	tests := []struct {
		name              string
		rule              Rule
		target            float64
		inFlight, waiting int
		want              int
	}{
		{"nothing", Capacity, 10, 0, 0, 0},
		{"one call", Capacity, 10, 1, 0, 1},
		{"a full replica", Capacity, 10, 10, 0, 1},
		{"one more", Capacity, 10, 11, 0, 2},
		{"those in line count", Capacity, 10, 11, 20, 4},
		{"at most max", Capacity, 10, 10_000, 0, 20},
		{"a target below one", Capacity, 0.5, 3, 0, 6},
		{"rps", RPS, 50, 51, 0, 2},
		{"cpu", CPU, 50, 51, 0, 1},
		{"step", Step, 50, 51, 9, 1},
		{"off", Off, 50, 51, 9, 1},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			p := standard(func(p *Policy) { p.Rule, p.Target = test.rule, test.target })
			if got := p.Need(Sample{InFlight: test.inFlight, Waiting: test.waiting}); got != test.want {
				t.Errorf("got %d, want %d", got, test.want)
			}
		})
	}
}

func TestPolicy_CarriesNoMoreThanItsReplicasAreMeantFor(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		rule     Rule
		target   float64
		replicas int
		want     int
	}{
		{Capacity, 10, 1, 10},
		{Capacity, 10, 3, 30},
		{Capacity, 10, 0, 10}, // the first call wakes it, and more are on their way
		{Capacity, 0.5, 1, 1},
		{RPS, 10, 2, 20},
		{Capacity, 10, 20, 0}, // there are no more to be had
		{Step, 10, 1, 0},
		{Off, 10, 1, 0},
	} {
		p := standard(func(p *Policy) { p.Rule, p.Target, p.Max = test.rule, test.target, 20 })
		if got := p.Carries(test.replicas); got != test.want {
			t.Errorf("%v at %v each: %d replicas carry %d, want %d", test.rule, test.target, test.replicas, got, test.want)
		}
	}
}

func TestReplicasFor(t *testing.T) {
	t.Parallel()
	three := 0.1
	three += 0.2 // a little more than 0.3
	tests := []struct {
		load, each float64
		want       int
	}{
		{0, 45, 0}, {-3, 45, 0}, {0.1, 45, 1}, {45, 45, 1}, {45.1, 45, 2},
		{three, 0.3, 1},
		{90, 100 * 0.9, 1}, {1, 0, 1e9}, {0, 0, 0},
	}
	for _, test := range tests {
		if got := replicasFor(test.load, test.each); got != test.want {
			t.Errorf("load %v at %v each: got %d, want %d", test.load, test.each, got, test.want)
		}
	}
}

func TestRule_String(t *testing.T) {
	t.Parallel()
	for rule, want := range map[Rule]string{Off: "off", Capacity: "capacity", RPS: "rps", CPU: "cpu", Step: "step"} {
		if rule.String() != want {
			t.Errorf("got %q, want %q", rule, want)
		}
	}
}
