package function

import (
	"errors"
	"maps"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"
)

// standard is how replicas are asked when nothing is said.
func standard() Probe {
	return Probe{Host: "localhost", Period: 2 * time.Second, Timeout: time.Second, Failures: 3, Successes: 1}
}

func TestProbes_EveryDocumentedKeyCounts(t *testing.T) {
	with := func(change func(*Probe)) Probe {
		check := standard()
		check.Delay = check.Period
		check.Wanted = true
		change(&check)
		return check
	}
	plain := standard()
	plain.Delay = plain.Period
	ready := func(change func(*Probe)) Probe {
		check := standard()
		change(&check)
		return check
	}
	tests := []struct {
		name          string
		keys          map[string]string
		health, ready Probe
	}{
		{"none", nil, plain, standard()},
		{"path", map[string]string{"health.http.path": "/ok"}, with(func(h *Probe) { h.Path = "/ok" }), ready(func(r *Probe) { r.Path = "/ok" })},
		{"another path for readiness", map[string]string{"health.http.path": "/ok", "ready.http.path": "/_/ready"},
			with(func(h *Probe) { h.Path = "/ok" }), ready(func(r *Probe) { r.Path, r.Wanted = "/_/ready", true })},
		{"seconds", map[string]string{"health.http.periodSeconds": "10"},
			with(func(h *Probe) { h.Period, h.Paced, h.Delay = 10*time.Second, true, 10*time.Second }), standard()},
		{"durations", map[string]string{"health.http.initialDelaySeconds": "30s", "health.http.timeoutSeconds": "500ms"},
			with(func(h *Probe) { h.Delay, h.Timeout = 30*time.Second, 500*time.Millisecond }), standard()},
		{"the documentation's initialDelay", map[string]string{"health.http.initialDelay": "30s", "ready.http.initialDelay": "1s"},
			with(func(h *Probe) { h.Delay = 30 * time.Second }), ready(func(r *Probe) { r.Delay, r.Wanted = time.Second, true })},
		{"both delays", map[string]string{"health.http.initialDelay": "30s", "health.http.initialDelaySeconds": "4"},
			with(func(h *Probe) { h.Delay = 4 * time.Second }), standard()},
		{"threshold", map[string]string{"health.http.failureThreshold": "5"}, with(func(h *Probe) { h.Failures = 5 }), standard()},
		{"one success", map[string]string{"health.http.successThreshold": "1"}, with(func(*Probe) {}), standard()},
		{"zero means the default", map[string]string{"health.http.failureThreshold": "0", "health.http.periodSeconds": "0", "ready.http.successThreshold": "0"},
			with(func(*Probe) {}), ready(func(r *Probe) { r.Wanted = true })},
		{"a pause too short to be one", map[string]string{"health.http.periodSeconds": "1ns", "ready.http.periodSeconds": "99ms"},
			with(func(h *Probe) { h.Delay, h.Period, h.Paced = 100*time.Millisecond, 100*time.Millisecond, true }),
			ready(func(r *Probe) { r.Period, r.Paced, r.Wanted = 100*time.Millisecond, true, true })},
		{"everything of readiness", map[string]string{
			"ready.http.path": "/ready", "ready.http.initialDelaySeconds": "2", "ready.http.periodSeconds": "1s",
			"ready.http.successThreshold": "3", "ready.http.failureThreshold": "2", "ready.http.timeoutSeconds": "4",
		}, plain, ready(func(r *Probe) {
			*r = Probe{Wanted: true, Path: "/ready", Host: "localhost", Delay: 2 * time.Second, Period: time.Second, Paced: true, Timeout: 4 * time.Second, Failures: 2, Successes: 3}
		})},
		{"hosts", map[string]string{"health.http.host": "shop.example.org"},
			with(func(h *Probe) { h.Host = "shop.example.org" }), ready(func(r *Probe) { r.Host = "shop.example.org" })},
		{"a host for readiness", map[string]string{"ready.http.host": "[::1]:8000"}, plain, ready(func(r *Probe) { r.Host, r.Wanted = "[::1]:8000", true })},
	}
	for _, test := range tests {
		for _, kind := range []string{"annotations", "labels"} {
			t.Run(test.name+" as "+kind, func(t *testing.T) {
				keys := map[string]string{}
				for key, text := range test.keys {
					keys["com.openfaas."+key] = text
				}
				s := Spec{Annotations: keys}
				if kind == "labels" {
					s = Spec{Labels: keys}
				}
				if got, err := s.With(nil).HealthCheck(); err != nil || got != test.health {
					t.Errorf("health: got %+v, %v; want %+v", got, err, test.health)
				}
				if got, err := s.With(nil).Readiness(); err != nil || got.Probe != test.ready {
					t.Errorf("readiness: got %+v, %v; want %+v", got.Probe, err, test.ready)
				}
				if unknown := s.Metadata().UnknownKeys(); len(unknown) != 0 {
					t.Errorf("%q are called unknown", unknown)
				}
			})
		}
	}
	if got, want := standard().Patience(), 6*time.Second; got != want {
		t.Errorf("patience %v, want %v", got, want)
	}
}

func TestProbes_ABadValueIsRefusedByKeyAndValue(t *testing.T) {
	for key, texts := range map[string][]string{
		ProbePath:         {"ok", "", "/a b", "http://localhost/ok", "/\x7f"},
		ProbeHost:         {"", "a b", "user@host", "host/path"},
		ProbeDelay:        {"soon", "-1", "1,5", " 5", "10 s"},
		ProbeDelaySeconds: {"soon", "-1s", "1e3", "99999999999999"},
		ProbePeriod:       {"-1s", "", "2.5", "two"},
		ProbeTimeout:      {"x", "1min", "-0.5"},
		ProbeFailures:     {"three", "-1", "1.0", "3s", ""},
		ProbeSuccesses:    {"one", "-2", "0x2"},
	} {
		for _, prefix := range []string{HealthPrefix, ReadyPrefix} {
			for _, text := range texts {
				for kind, s := range map[string]Spec{
					"annotations": {Annotations: map[string]string{prefix + key: text}},
					"labels":      {Labels: map[string]string{prefix + key: text}},
				} {
					err := s.validateProbes()
					if !errors.Is(err, ErrInvalid) || !strings.Contains(err.Error(), kind+`["`+prefix+key) || !strings.Contains(err.Error(), strings.TrimSuffix(text, "\x7f")) {
						t.Errorf("%s %s%s=%q: %v, want that key and value are named", kind, prefix, key, text, err)
					}
				}
			}
		}
	}
	twice := Spec{Annotations: map[string]string{HealthPrefix + ProbeSuccesses: "2"}}
	if err := twice.validateProbes(); !errors.Is(err, ErrInvalid) || !strings.Contains(err.Error(), ProbeSuccesses) {
		t.Errorf("two successes for a health check: %v, want that it is invalid", err)
	}
}

func TestProbes_UnknownKeysAreNamed(t *testing.T) {
	misspelt := map[string]string{
		"com.openfaas.health.http.timeout": "5s", "com.openfaas.health.http.period": "1", "com.openfaas.ready.http.Path": "/", "com.openfaas.ready.http.": "",
		"com.openfaas.ready.path": "/ready", "com.openfaas.health.path": "/", "com.openfaas.ready.tcp.port": "1", "com.openfaas.health.http.initialDelaySecond": "1",
		"com.openfaas.ready.http.successTreshold": "1", "com.openfaas.health.grpc.service": "x", "com.openfaas.healthy": "1",
	}
	all := maps.Clone(misspelt)
	all["com.openfaas.scale.min"], all[AnnotationReadyPath] = "1", "/ready"
	want := slices.Sorted(maps.Keys(misspelt))
	for kind, s := range map[string]Spec{"annotations": {Annotations: all}, "labels": {Labels: all}, "both": {Annotations: all, Labels: all}} {
		var got []string
		for _, unknown := range s.Metadata().UnknownKeys() {
			got = append(got, unknown.Key)
		}
		if !reflect.DeepEqual(got, want) {
			t.Errorf("%s: got %q, want %q", kind, got, want)
		}
		if err := s.validateProbes(); err != nil {
			t.Errorf("%s: %v, want that unknown keys do no harm", kind, err)
		}
	}
}

func TestProbes_AndSettingsAreDocumented(t *testing.T) {
	text, err := os.ReadFile("../docs/readiness.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, key := range probeKeys("") {
		if !strings.Contains(string(text), "`"+key+"`") {
			t.Errorf("docs/readiness.md says nothing of %s", key)
		}
	}
	for _, name := range settingNames() {
		if !strings.Contains(string(text), "`"+name+"`") {
			t.Errorf("docs/readiness.md says nothing of the variable %s", name)
		}
	}
}
