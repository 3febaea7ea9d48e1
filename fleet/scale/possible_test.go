package scale

import (
	"errors"
	"strings"
	"testing"

	"faas-docker/function"
)

func TestPossible_RefusesWhatTheHostCanNeverGive(t *testing.T) {
	t.Parallel()
	small := Resources{CPU: 2e9, Memory: 1 << 30} // of which functions may reserve 922 MiB
	limits := func(memory, cpu string) function.Spec {
		return function.Spec{Limits: &function.Resources{Memory: memory, CPU: cpu}}
	}
	requests := func(memory, cpu string) function.Spec {
		return function.Spec{Requests: &function.Resources{Memory: memory, CPU: cpu}}
	}
	for _, test := range []struct {
		name string
		spec function.Spec
		host Resources
		want string // empty means no objection
	}{
		{"nothing stated", function.Spec{}, small, ""},
		{"all processors", limits("", "2"), small, ""},
		{"most of the memory", limits("900Mi", ""), small, ""},
		{"both", limits("900Mi", "2000m"), small, ""},
		{"a hundred thousand processors", limits("", "100000"), small, `limits.cpu: "100000" is more than the 2.00 cores`},
		{"the same in thousandths", limits("", "100000000m"), small, "limits.cpu: "},
		{"one processor too many", limits("", "3"), small, "limits.cpu: "},
		{"a thousandth too many", limits("", "2001m"), small, "limits.cpu: "},
		{"a request for more processors", requests("", "4"), small, "requests.cpu: "},
		{"a terabyte", limits("1Ti", ""), small, `limits.memory: "1Ti" is more than the 1.0 GiB`},
		{"a request for a terabyte", requests("1T", ""), small, "requests.memory: "},
		{"a byte too many", limits("1073741825", ""), small, "limits.memory: "},
		{"a limit beyond, a request within", function.Spec{Limits: &function.Resources{Memory: "2Gi"}, Requests: &function.Resources{Memory: "64Mi"}}, small, "limits.memory: "},
		{"all of the memory", limits("1Gi", ""), small, "limits.memory: a replica reserves 1.0 GiB, and functions may reserve 921 MiB"},
		{"a limit of all, a request for some", function.Spec{Limits: &function.Resources{Memory: "1Gi"}, Requests: &function.Resources{Memory: "64Mi"}}, small, ""},
		{"a request for all", requests("1Gi", ""), small, "requests.memory: a replica reserves"},
		{"a host that is not known", limits("1Ti", "1000"), Resources{}, ""},
		{"a host whose memory is not known", limits("1Ti", "1"), Resources{CPU: 2e9}, ""},
	} {
		err := Possible(test.spec, test.host)
		if test.want == "" {
			if err != nil {
				t.Errorf("%s: got %v, want no objection", test.name, err)
			}
			continue
		}
		if !errors.Is(err, function.ErrInvalid) || !strings.HasPrefix(err.Error(), test.want) {
			t.Errorf("%s: got %v, want an ErrInvalid that begins with %q", test.name, err, test.want)
		}
	}
}
