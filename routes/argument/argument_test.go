package argument

import (
	"testing"
	"time"

	"faas-docker/routes/eskip"
)

func TestMatch_KnowsTheShapesOfArguments(t *testing.T) {
	t.Parallel()
	text, number, expression := any("a"), any(1.5), any(eskip.Regexp("a"))
	for _, test := range []struct {
		shape string
		args  []any
		want  bool
	}{
		{"", nil, true}, {"", []any{text}, false},
		{"s", []any{text}, true}, {"s", nil, false}, {"s", []any{number}, false}, {"s", []any{expression}, false},
		{"n", []any{number}, true}, {"n", []any{text}, false}, {"n", []any{expression}, false},
		{"r", []any{expression}, true}, {"r", []any{text}, true}, {"r", []any{number}, false},
		{"t", []any{number}, true}, {"t", []any{text}, true}, {"t", []any{expression}, false},
		{"s?n", []any{text}, true}, {"s?n", []any{text, number}, true}, {"s?n", []any{text, text}, false}, {"s?n", []any{text, number, number}, false},
		{"s+", []any{text, text, text}, true}, {"s+", nil, false}, {"s+", []any{text, number}, false},
		{"ns?s+", []any{number, text}, true}, {"ns?s+", []any{number, text, text, text}, true}, {"ns?s+", []any{number}, false},
	} {
		if got := Match(test.shape, test.args); got != test.want {
			t.Errorf("%q, %v: got %t", test.shape, test.args, got)
		}
	}
}

func TestSpec_SaysWhatIsWanted(t *testing.T) {
	t.Parallel()
	spec := Spec("wait", "t", `wait("1s")`, func(args []any) (time.Duration, error) { return DurationIn(args[0], time.Second) })
	if got, err := spec.Create([]any{2.0}); spec.Name() != "wait" || got != 2*time.Second || err != nil {
		t.Errorf("got %s, %v", got, err)
	}
	for _, test := range []struct {
		args []any
		want string
	}{
		{nil, `want wait("1s")`},
		{[]any{eskip.Regexp("a")}, `want wait("1s")`},
		{[]any{"soon"}, `"soon" is not a length of time: want "200ms", "10s" or "1m30s"`},
		{[]any{0.0}, "0: want at least 1"},
	} {
		if _, err := spec.Create(test.args); err == nil || err.Error() != test.want {
			t.Errorf("%v: got %v, want %s", test.args, err, test.want)
		}
	}
}
