package engine

import (
	"strings"
	"testing"

	"faas-docker/function"
)

func TestReadSwap(t *testing.T) {
	tests := []struct {
		text string
		want function.Swap
		ok   bool
	}{
		{"MemTotal:       24684044 kB\nSwapCached:            0 kB\nSwapTotal:       2097148 kB\nSwapFree:        1048576 kB\n", function.Swap{Known: true, Total: 2097148 << 10, Free: 1 << 30}, true},
		{"SwapTotal:             0 kB\nSwapFree:              0 kB\n", function.Swap{Known: true}, true},
		{"", function.Swap{Known: true}, true},
		{"SwapTotal: much\n", function.Swap{}, false},
	}
	for _, test := range tests {
		got, err := readSwap(strings.NewReader(test.text))
		if got != test.want || (err == nil) != test.ok {
			t.Errorf("%q: got %+v, %v; want %+v", test.text, got, err, test.want)
		}
	}
}
