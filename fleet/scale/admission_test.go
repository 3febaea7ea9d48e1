package scale

import (
	"slices"
	"strings"
	"testing"

	"faas-docker/function"
)

const core = 1_000_000_000

func TestReservation(t *testing.T) {
	resources := func(memory, cpu string) *function.Resources {
		return &function.Resources{Memory: memory, CPU: cpu}
	}
	tests := []struct {
		name             string
		requests, limits *function.Resources
		want             Resources
	}{
		{"nothing said", nil, nil, Resources{Memory: 32 << 20}},
		{"empty", resources("", ""), resources("", ""), Resources{Memory: 32 << 20}},
		{"limits", nil, resources("128Mi", "500m"), Resources{CPU: core / 2, Memory: 128 << 20}},
		{"requests", resources("64Mi", "100m"), nil, Resources{CPU: core / 10, Memory: 64 << 20}},
		{"requests before limits", resources("64Mi", "100m"), resources("128Mi", "1"), Resources{CPU: core / 10, Memory: 64 << 20}},
		{"one of each", resources("64Mi", ""), resources("", "1"), Resources{CPU: core, Memory: 64 << 20}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			if got := Reservation(function.Spec{Requests: test.requests, Limits: test.limits}); got != test.want {
				t.Errorf("got %+v, want %+v", got, test.want)
			}
		})
	}
}

func TestReservable_LeavesATenthOfTheMemoryToTheHost(t *testing.T) {
	t.Parallel()
	if got, want := Reservable(Resources{CPU: 2 * core, Memory: 1000}), (Resources{CPU: 2 * core, Memory: 900}); got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
}

func TestAdmit(t *testing.T) {
	live := func(id string, memory, cpu int64) Reserved {
		return Reserved{ID: id, Resources: Resources{CPU: cpu * core, Memory: memory << 20}}
	}
	spare := func(id string, memory, cpu int64, frozen float64) Reserved {
		r := live(id, memory, cpu)
		r.Spare, r.Since = Standby, at(frozen)
		return r
	}
	kind := func(kind Spare, id string, frozen float64) Reserved {
		r := spare(id, 200, 0, frozen)
		r.Spare = kind
		return r
	}
	host := Resources{CPU: 4 * core, Memory: 1000 << 20}
	tests := []struct {
		name     string
		capacity Resources
		replicas []Reserved
		request  Resources
		spare    bool
		want     Admission // Reason: what it must contain
	}{
		{"an empty host", host, nil, Resources{Memory: 1000 << 20}, false, Admission{}},
		{"too much for it", host, nil, Resources{Memory: 1001 << 20}, false, Admission{Reason: "reserves 1001 MiB of memory: 1000 MiB of 1000 MiB are free"}},
		{"beside others", host, []Reserved{live("a", 600, 1), live("b", 300, 1)}, Resources{Memory: 100 << 20, CPU: 2 * core}, false, Admission{}},
		{"no memory left", host, []Reserved{live("a", 600, 1), live("b", 300, 1)}, Resources{Memory: 101 << 20}, false, Admission{Reason: "100 MiB of 1000 MiB are free"}},
		{"no CPU left", host, []Reserved{live("a", 1, 3)}, Resources{Memory: 1, CPU: core + core/2}, false, Admission{Reason: "reserves 1.50 cores: 1.00 cores of 4.00 cores are free"}},
		{"more reserved than there is", host, []Reserved{live("a", 2000, 9)}, Resources{Memory: 1 << 20}, false, Admission{Reason: ": 0 MiB of 1000 MiB are free"}},
		{"who asks for no CPU needs none", host, []Reserved{live("a", 1, 9)}, Resources{Memory: 1 << 20}, false, Admission{}},
		{"gibibytes", Resources{Memory: 3 << 30}, nil, Resources{Memory: 4 << 30}, false, Admission{Reason: "4.0 GiB of memory: 3.0 GiB of 3.0 GiB"}},
		{"an unknown host has no end", Resources{}, []Reserved{live("a", 600, 100)}, Resources{CPU: 9 * core, Memory: 9 << 40}, false, Admission{}},
		{"the spare that was frozen longest goes", host, []Reserved{live("a", 600, 0), spare("new", 200, 0, 9), spare("old", 200, 0, 1)}, Resources{Memory: 100 << 20}, false, Admission{Evict: []string{"old"}}},
		{"and the next, if it takes two", host, []Reserved{live("a", 600, 0), spare("new", 200, 0, 9), spare("old", 200, 0, 1)}, Resources{Memory: 300 << 20}, false, Admission{Evict: []string{"old", "new"}}},
		{"none, if all are not enough", host, []Reserved{live("a", 600, 0), spare("new", 200, 0, 9), spare("old", 200, 0, 1)}, Resources{Memory: 500 << 20}, false, Admission{Reason: "0 MiB of 1000 MiB are free"}},
		{"none, if there is room", host, []Reserved{spare("old", 200, 0, 1)}, Resources{Memory: 500 << 20}, false, Admission{}},
		{"not one that would not help", host, []Reserved{live("a", 1, 3), spare("old", 500, 0, 1), spare("new", 1, 1, 9)}, Resources{CPU: core}, false, Admission{Evict: []string{"new"}}},
		{"of those frozen at once, the first by name", host, []Reserved{spare("b", 500, 0, 1), spare("a", 500, 0, 1)}, Resources{Memory: 1 << 20}, false, Admission{Evict: []string{"a"}}},
		{"what is kept for a rollback goes first, then what is on standby", host, []Reserved{kind(BeyondMin, "min", 1), kind(Standby, "standby", 2), kind(WayBack, "back", 9), live("a", 400, 0)}, Resources{Memory: 300 << 20}, false, Admission{Evict: []string{"back", "standby"}}},
		{"and what is beyond a minimum last", host, []Reserved{kind(BeyondMin, "min", 1), kind(Standby, "standby", 2), kind(WayBack, "back", 9), live("a", 400, 0)}, Resources{Memory: 500 << 20}, false, Admission{Evict: []string{"back", "standby", "min"}}},
		{"never a replica that is no spare", host, []Reserved{live("a", 1000, 0)}, Resources{Memory: 1 << 20}, false, Admission{Reason: "scale other functions down"}},
		{"a spare takes what is free", host, []Reserved{live("a", 600, 0)}, Resources{Memory: 400 << 20}, true, Admission{}},
		{"a spare evicts no other", host, []Reserved{live("a", 600, 0), spare("old", 400, 0, 1)}, Resources{Memory: 1 << 20}, true, Admission{Reason: "no room"}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			got := Admit(test.request, test.spare, Budget{Capacity: test.capacity, Replicas: test.replicas})
			if !slices.Equal(got.Evict, test.want.Evict) {
				t.Errorf("got %+v, want %+v", got, test.want)
			}
			if (got.Reason == "") != (test.want.Reason == "") || !strings.Contains(got.Reason, test.want.Reason) {
				t.Errorf("got reason %q, want %q", got.Reason, test.want.Reason)
			}
		})
	}
}
