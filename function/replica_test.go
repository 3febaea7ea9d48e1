package function

import "testing"

func TestStatus_AvailableCountsTheFrozenButNoSpares(t *testing.T) {
	for _, test := range []struct{ replicas, ready, asleep, want int }{
		{1, 1, 0, 1}, {1, 0, 1, 1}, {1, 1, 2, 1}, {10, 6, 4, 10}, {10, 6, 8, 10}, {3, 1, 1, 2}, {1, 2, 0, 2}, {0, 0, 0, 0},
	} {
		s := Status{Function: Function{Replicas: test.replicas}, Load: Load{Ready: test.ready, Asleep: test.asleep}}
		if got := s.Available(); got != test.want {
			t.Errorf("%+v: %d available", test, got)
		}
	}
}
