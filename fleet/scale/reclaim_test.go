package scale

import (
	"strings"
	"testing"

	"faas-docker/function"
)

func TestReclaimTo(t *testing.T) {
	t.Parallel()
	const mib = 1 << 20
	host := function.Swap{Known: true, Total: 1000 * mib, Free: 1000 * mib, Accounted: true}
	with := func(change func(*function.Swap)) function.Swap {
		changed := host
		change(&changed)
		return changed
	}
	tests := []struct {
		name        string
		host        function.Swap
		limit, used int64
		want        int64
		refusal     string
	}{
		{"a fifth is left", host, 200 * mib, 100 * mib, 20 * mib, ""},
		{"but not less than Docker takes", host, 200 * mib, 30 * mib, 8 * mib, ""},
		{"the zero host", function.Swap{}, 200 * mib, 100 * mib, 0, "another machine"},
		{"no swap", with(func(s *function.Swap) { s.Total = 0 }), 200 * mib, 100 * mib, 0, "no swap"},
		{"no accounting", with(func(s *function.Swap) { s.Accounted = false }), 200 * mib, 100 * mib, 0, "swapaccount=1"},
		{"no limit", host, 0, 100 * mib, 0, "no memory limit"},
		{"too small to be worth it", host, 200 * mib, 7 * mib, 0, "uses only 7 MiB"},
		{"a limit that is lower already", host, 10 * mib, 100 * mib, 0, "uses only"},
		{"swap that is just enough", with(func(s *function.Swap) { s.Free = 160 * mib }), 200 * mib, 100 * mib, 20 * mib, ""},
		{"swap that is nearly full", with(func(s *function.Swap) { s.Free = 159 * mib }), 200 * mib, 100 * mib, 0, "159 MiB of swap are free, and 160 MiB would have to be"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			got, refusal := ReclaimTo(test.host, test.limit, test.used)
			if got != test.want || (refusal == "") != (test.refusal == "") || !strings.Contains(refusal, test.refusal) {
				t.Errorf("got %d, %q; want %d, %q", got, refusal, test.want, test.refusal)
			}
		})
	}
}
