package function

import (
	"testing"
	"time"
)

func TestSettings_DrainTimeoutAndStopGraceFollowTheFunctionsOwnTimes(t *testing.T) {
	const standard = time.Minute
	tests := []struct {
		name         string
		spec         Spec
		drain, grace time.Duration
	}{
		{"nothing said", Spec{}, standard, 10 * time.Second},
		{"call policy", Spec{Annotations: map[string]string{PolicyTimeout: "5m"}}, 5 * time.Minute, 10 * time.Second},
		{"call policy as a label, in seconds", Spec{Labels: map[string]string{PolicyTimeout: "90"}}, 90 * time.Second, 10 * time.Second},
		{"the call policy counts for more than the watchdog", Spec{Annotations: map[string]string{PolicyTimeout: "2s"}, EnvVars: map[string]string{"exec_timeout": "1h"}}, 2 * time.Second, 10 * time.Second},
		{"write_timeout", Spec{EnvVars: map[string]string{"write_timeout": "30s"}}, 30 * time.Second, 31 * time.Second},
		{"the longer of write_timeout and exec_timeout", Spec{EnvVars: map[string]string{"write_timeout": "30", "exec_timeout": "2m"}}, 2 * time.Minute, 31 * time.Second},
		{"the watchdog sleeps for its healthcheck_interval first", Spec{EnvVars: map[string]string{"write_timeout": "30s", "healthcheck_interval": "45s"}}, 30 * time.Second, 46 * time.Second},
		{"a process that would never end", Spec{EnvVars: map[string]string{"write_timeout": "87600h"}}, 87600 * time.Hour, 15 * time.Minute},
		{"no bound", Spec{EnvVars: map[string]string{"exec_timeout": "0", "write_timeout": "0s"}}, standard, 10 * time.Second},
		{"nonsense", Spec{EnvVars: map[string]string{"exec_timeout": "soon", "write_timeout": "-3s"}}, standard, 10 * time.Second},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			if got := test.spec.With(nil).DrainTimeout(standard); got != test.drain {
				t.Errorf("drain timeout %v, want %v", got, test.drain)
			}
			if got := test.spec.With(nil).StopGrace(); got != test.grace {
				t.Errorf("grace %v, want %v", got, test.grace)
			}
		})
	}
}
