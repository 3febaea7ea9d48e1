package function_test

import (
	"testing"

	"faas-docker/function"
)

func TestProcessors_Busy(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		before, now function.Processors
		want        float64
	}{
		"not known before":         {function.Processors{}, function.Processors{Idle: 10, Total: 100}, 0},
		"not known now":            {function.Processors{Idle: 10, Total: 100}, function.Processors{}, 0},
		"no time has passed":       {function.Processors{Idle: 10, Total: 100}, function.Processors{Idle: 10, Total: 100}, 0},
		"all of them":              {function.Processors{Idle: 10, Total: 100}, function.Processors{Idle: 10, Total: 300}, 1},
		"three quarters":           {function.Processors{Idle: 10, Total: 100}, function.Processors{Idle: 60, Total: 300}, 0.75},
		"none":                     {function.Processors{Idle: 10, Total: 100}, function.Processors{Idle: 210, Total: 300}, 0},
		"idle by more than passed": {function.Processors{Idle: 10, Total: 100}, function.Processors{Idle: 410, Total: 300}, 0},
		"a counter that fell":      {function.Processors{Idle: 10, Total: 100}, function.Processors{Idle: 9, Total: 300}, 0},
	} {
		if got := test.now.Busy(test.before); got != test.want {
			t.Errorf("%s: got %g, want %g", name, got, test.want)
		}
	}
}
