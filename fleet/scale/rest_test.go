package scale

import (
	"testing"
	"time"
)

func TestRest(t *testing.T) {
	never, fixed := Rest{}, Rest{After: 10 * time.Minute}
	learned := Rest{After: time.Minute, Wake: 27 * time.Minute, Until: 35 * time.Minute}
	tests := []struct {
		name           string
		rest           Rest
		idle           time.Duration
		resting, ahead bool
		next           time.Duration
	}{
		{"never", never, time.Hour, false, false, 0},
		{"in use", fixed, 0, false, false, 10 * time.Minute},
		{"just before", fixed, 10*time.Minute - 1, false, false, 10 * time.Minute},
		{"at rest", fixed, 10 * time.Minute, true, false, 0},
		{"learned, in use", learned, 0, false, false, time.Minute},
		{"learned, at rest", learned, time.Minute, true, false, 27 * time.Minute},
		{"learned, awake ahead", learned, 27 * time.Minute, false, true, 35 * time.Minute},
		{"learned, no call came", learned, 35 * time.Minute, true, false, 0},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			if got := test.rest.Resting(test.idle); got != test.resting {
				t.Errorf("resting: got %t", got)
			}
			if got := test.rest.Ahead(test.idle); got != test.ahead {
				t.Errorf("ahead: got %t", got)
			}
			if got := test.rest.Next(test.idle); got != test.next {
				t.Errorf("next: got %s, want %s", got, test.next)
			}
		})
	}
}

func TestEarlierAndLater(t *testing.T) {
	t.Parallel()
	var none time.Time
	a := time.Unix(1000, 0)
	b := a.Add(time.Second)
	tests := []struct{ got, want time.Time }{
		{Earlier(none, a), a}, {Earlier(a, none), a}, {Earlier(a, b), a}, {Earlier(b, a), a}, {Earlier(none, none), none},
		{later(a, b), b}, {later(b, a), b}, {later(none, a), a},
	}
	for i, test := range tests {
		if !test.got.Equal(test.want) {
			t.Errorf("%d: got %s, want %s", i, test.got, test.want)
		}
	}
}

func TestBrief(t *testing.T) {
	t.Parallel()
	for d, want := range map[time.Duration]string{
		5 * time.Minute: "5m", 720 * time.Hour: "720h", 90 * time.Second: "1m30s",
		10 * time.Millisecond: "10ms", time.Second: "1s", 0: "0s", 90 * time.Minute: "1h30m", 70 * time.Minute: "1h10m",
	} {
		if got := brief(d); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}
