package function

import (
	"errors"
	"testing"
)

func TestIsClosed_ReadsTheAnnotation(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		annotation, label string
		closed, invalid   bool
	}{
		{"", "", false, false},
		{"everywhere", "", false, false},
		{"routes", "", true, false},
		{"", "routes", true, false},
		{"everywhere", "routes", false, false},
		{"routes", "everywhere", true, false},
		{"Routes", "", true, true},
		{"route", "", true, true},
		{"none", "", true, true},
		{"false", "", true, true},
		{"routes,gateway", "", true, true},
		{" routes", "", true, true},
	} {
		spec := Spec{Annotations: map[string]string{}, Labels: map[string]string{}}
		if test.annotation != "" {
			spec.Annotations[KeyExpose] = test.annotation
		}
		if test.label != "" {
			spec.Labels[KeyExpose] = test.label
		}
		closed, err := spec.IsClosed()
		if closed != test.closed || errors.Is(err, ErrInvalid) != test.invalid {
			t.Errorf("%+v: got %t, %v", test, closed, err)
		}
	}
}
