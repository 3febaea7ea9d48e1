package engine

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"faas-docker/function"
)

// slowMeter measures for a second, what the test says.
func slowMeter(answer func(n int64) (consumption, error)) (*Meter, *atomic.Int64) {
	count := new(atomic.Int64)
	return &Meter{measure: func(ctx context.Context, _ function.Name) (consumption, error) {
		n := count.Add(1)
		select {
		case <-time.After(time.Second):
			return answer(n)
		case <-ctx.Done():
			return consumption{}, ctx.Err()
		}
	}}, count
}

func steady(n int64) (consumption, error) {
	return consumption{Usage: function.Usage{Millicores: float64(n)}}, nil
}

func TestMeter_AnswersAtOnceWhileItIsAsked(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m, count := slowMeter(steady)
		name := function.Name{Name: "figlet"}
		if _, err := m.Usage(t.Context(), name); err != nil {
			t.Fatal(err)
		}
		for i := range 120 {
			time.Sleep(3 * time.Second)
			asked := time.Now()
			usage, err := m.Usage(t.Context(), name)
			if err != nil || time.Since(asked) > 0 {
				t.Fatalf("the %dth asking took %s: %v", i, time.Since(asked), err)
			}
			// Each measurement takes a second and comes five seconds after the one before.
			if age := float64(count.Load()) - usage.Millicores; age > 1 {
				t.Fatalf("the answer is %v measurements old", age)
			}
		}
		time.Sleep(2 * meterLinger)
		before := count.Load()
		time.Sleep(time.Hour)
		if count.Load() != before {
			t.Errorf("%d measurements that nobody asked for", count.Load()-before)
		}
		asked := time.Now()
		if usage, err := m.Usage(t.Context(), name); err != nil || usage.Millicores != float64(before+1) || time.Since(asked) != time.Second {
			t.Errorf("after an hour: %+v %v after %s", usage, err, time.Since(asked))
		}
		time.Sleep(2 * meterLinger)
	})
}

func TestMeter_ManyWhoAskTogetherCostOneMeasurement(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m, count := slowMeter(steady)
		done := make(chan error)
		for range 50 {
			go func() { _, err := m.Usage(t.Context(), function.Name{Name: "figlet"}); done <- err }()
		}
		for range 50 {
			if err := <-done; err != nil {
				t.Error(err)
			}
		}
		if count.Load() != 1 {
			t.Errorf("%d measurements", count.Load())
		}
		time.Sleep(2 * meterLinger)
	})
}

func TestMeter_CPUSecondsNeverGoBack(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		states := []map[string]time.Duration{
			{"a": 10 * time.Second},
			{"a": 12 * time.Second, "b": time.Second},
			{"b": 3 * time.Second}, // a is gone
			{},
			{"c": 5 * time.Second},
			{"c": time.Second}, // it was restarted
			{"c": 4 * time.Second},
		}
		want := []float64{10, 13, 15, 15, 20, 20, 23}
		m, _ := slowMeter(func(n int64) (consumption, error) { return consumption{used: states[n-1]}, nil })
		name := function.Name{Name: "figlet"}
		for i, seconds := range want {
			known := m.Usages(t.Context(), []function.Name{name})
			if got := known[name].CPUSeconds; got != seconds {
				t.Errorf("measurement %d: %v s, want %v", i, got, seconds)
			}
			time.Sleep(2 * meterFresh)
		}
	})
}

func TestMeter_WhatCannotBeMeasured(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		broken := errors.New("no engine")
		m, count := slowMeter(func(n int64) (consumption, error) {
			if n == 1 {
				return consumption{}, broken
			}
			return steady(n)
		})
		name := function.Name{Name: "figlet"}
		if _, err := m.Usage(t.Context(), name); !errors.Is(err, broken) {
			t.Errorf("got %v", err)
		}
		time.Sleep(meterFresh + 2*time.Second)
		if usage, err := m.Usage(t.Context(), name); err != nil || usage.Millicores != 2 {
			t.Errorf("later: %+v %v", usage, err)
		}
		impatient, cancel := context.WithTimeout(t.Context(), time.Millisecond)
		defer cancel()
		if known := m.Usages(impatient, []function.Name{name, {Name: "cows"}}); len(known) != 1 {
			t.Errorf("known: %v", known)
		}
		m.Forget(name)
		before := count.Load()
		time.Sleep(time.Hour)
		if count.Load() > before+1 {
			t.Errorf("%d measurements of a function that is gone", count.Load()-before)
		}
	})
}
