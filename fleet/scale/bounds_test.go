package scale

import (
	"errors"
	"strings"
	"testing"

	"faas-docker/function"
)

func TestParse_Bounds(t *testing.T) {
	tests := []struct {
		name   string
		labels map[string]string
		want   Bounds
		field  string // of the error; empty means none
	}{
		{"no labels", nil, Bounds{1, 20}, ""},
		{"min", map[string]string{LabelMin: "3"}, Bounds{3, 20}, ""},
		{"min beyond the default max", map[string]string{LabelMin: "30"}, Bounds{30, 30}, ""},
		{"min zero", map[string]string{LabelMin: "0"}, Bounds{0, 20}, ""},
		{"both", map[string]string{LabelMin: "2", LabelMax: "4"}, Bounds{2, 4}, ""},
		{"max below min", map[string]string{LabelMin: "5", LabelMax: "4"}, Bounds{}, LabelMax},
		{"max zero", map[string]string{LabelMax: "0"}, Bounds{}, LabelMax},
		{"negative", map[string]string{LabelMin: "-1"}, Bounds{}, LabelMin},
		{"not a number", map[string]string{LabelMin: "two"}, Bounds{}, LabelMin},
		{"too many", map[string]string{LabelMax: "100000"}, Bounds{}, LabelMax},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			policy, err := Parse(function.Spec{Labels: test.labels})
			got := policy.Bounds
			if got != test.want {
				t.Errorf("got %+v, want %+v", got, test.want)
			}
			if wantErr := test.field != ""; wantErr != errors.Is(err, function.ErrInvalid) {
				t.Fatalf("got error %v", err)
			}
			if err != nil && !strings.Contains(err.Error(), test.field) {
				t.Errorf("the error does not name %s: %v", test.field, err)
			}
		})
	}
}

func TestBounds_WokenAndDeployed(t *testing.T) {
	if got := (Bounds{Min: 0, Max: 5}).Woken(); got != 1 {
		t.Errorf("a call to a function with min 0 wakes %d, want 1", got)
	}
	if got := (Bounds{Min: 3, Max: 5}).Woken(); got != 3 {
		t.Errorf("a call to a function with min 3 wakes %d, want 3", got)
	}
	if got := (Bounds{Min: 1, Max: 5}).Deployed(4); got != 4 {
		t.Errorf("an update of 4 replicas leaves %d", got)
	}
	if got := (Bounds{Min: 1, Max: 3}).Deployed(9); got != 3 {
		t.Errorf("an update that lowers the maximum to 3 leaves %d", got)
	}
	if got := (Bounds{Min: 0, Max: 3}).Deployed(0); got != 0 {
		t.Errorf("a deployment of a function with min 0 starts %d", got)
	}
	if got := (Bounds{Min: 1, Max: 5}).Deployed(0); got != 1 {
		t.Errorf("a deployment of a function at zero leaves %d, want 1", got)
	}
}
