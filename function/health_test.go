package function

import (
	"errors"
	"strings"
	"testing"
	"time"
)

func TestHealthCheck(t *testing.T) {
	defaults := HealthCheck{Delay: 2 * time.Second, Period: 2 * time.Second, Timeout: time.Second, Failures: 3}
	with := func(change func(*HealthCheck)) HealthCheck {
		check := defaults
		check.Wanted = true
		change(&check)
		return check
	}
	tests := []struct {
		name        string
		annotations map[string]string
		want        HealthCheck
		ready       string
	}{
		{"none", nil, defaults, ""},
		{"path", map[string]string{AnnotationHealthPath: "/ok"}, with(func(h *HealthCheck) { h.Path = "/ok" }), "/ok"},
		{"another path for readiness", map[string]string{AnnotationHealthPath: "/ok", AnnotationReadyPath: "/ready"}, with(func(h *HealthCheck) { h.Path = "/ok" }), "/ready"},
		{"readiness only", map[string]string{AnnotationReadyPath: "/ready"}, defaults, "/ready"},
		{"seconds", map[string]string{AnnotationHealthPeriod: "10"}, with(func(h *HealthCheck) { h.Period, h.Delay = 10*time.Second, 10*time.Second }), ""},
		{"durations", map[string]string{AnnotationHealthDelay: "30s", AnnotationHealthTimeout: "500ms"}, with(func(h *HealthCheck) { h.Delay, h.Timeout = 30*time.Second, 500*time.Millisecond }), ""},
		{"threshold", map[string]string{AnnotationHealthFailures: "5"}, with(func(h *HealthCheck) { h.Failures = 5 }), ""},
		{"zero means the default", map[string]string{AnnotationHealthFailures: "0", AnnotationHealthPeriod: "0"}, with(func(*HealthCheck) {}), ""},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			s := Spec{Annotations: test.annotations}
			if got, err := s.HealthCheck(); err != nil || got != test.want {
				t.Errorf("got %+v, %v; want %+v", got, err, test.want)
			}
			if got := s.ReadyPath(); got != test.ready {
				t.Errorf("ready path %q, want %q", got, test.ready)
			}
		})
	}
	for key, text := range map[string]string{
		AnnotationHealthPath: "ok", AnnotationReadyPath: "/a b", AnnotationHealthDelay: "soon",
		AnnotationHealthPeriod: "-1s", AnnotationHealthTimeout: "x", AnnotationHealthFailures: "three",
	} {
		_, err := Spec{Annotations: map[string]string{key: text}}.HealthCheck()
		if !errors.Is(err, ErrInvalid) || !strings.Contains(err.Error(), key) {
			t.Errorf("%s=%q: %v, want that it is invalid", key, text, err)
		}
	}
	if got, want := defaults.Patience(), 6*time.Second; got != want {
		t.Errorf("patience %v, want %v", got, want)
	}
}
