package function

import (
	"fmt"
	"strings"
	"testing"
)

// keyOf is a key that a known one stands for: families have any number.
func keyOf(known string) string {
	if strings.HasSuffix(known, ".") {
		return known + "x"
	}
	return known
}

func TestMetadata_OfEverySettingTheAnnotationCounts(t *testing.T) {
	for _, known := range settingKeys() {
		key := keyOf(known)
		annotation, label := map[string]string{key: "annotation"}, map[string]string{key: "label"}
		for want, s := range map[string]Spec{
			`annotation annotations["` + key + `"] true`: {Annotations: annotation, Labels: label},
			`label labels["` + key + `"] true`:           {Labels: label},
			"  false":                                    {},
		} {
			text, field, found := s.Metadata().Find(key)
			if got := fmt.Sprint(text, " ", field, " ", found); got != want {
				t.Errorf("%s: got %q, want %q", key, got, want)
			}
			if s.Metadata().Has(key) != found {
				t.Errorf("%s: found is %v, Has says otherwise", key, found)
			}
		}
		empty := Spec{Annotations: map[string]string{key: ""}, Labels: label}
		if text, _, found := empty.Metadata().Find(key); text != "" || !found {
			t.Errorf("%s: got %q beside an empty annotation, which counts as well", key, text)
		}
	}
}

// What each setting of this package is read for; packages scale and routes have such a
// test for theirs.
func TestMetadata_ReadersHeedTheAnnotation(t *testing.T) {
	readers := map[string]struct {
		texts [2]string
		read  func(Spec) any
	}{
		KeyExpose:              {[2]string{ExposeRoutes, ExposeEverywhere}, func(s Spec) any { closed, err := s.IsClosed(); return fmt.Sprint(closed, err) }},
		KeyAuth:                {[2]string{"a()", "b()"}, func(s Spec) any { text, _ := s.AuthFilters(); return text }},
		AnnotationUpdateOrder:  {[2]string{orderStopFirst, orderStartFirst}, func(s Spec) any { return s.StopsFirst() }},
		AnnotationRollback:     {[2]string{"1h", "2h"}, func(s Spec) any { window, err := s.RollbackWindow(); return fmt.Sprint(window, err) }},
		AnnotationPullPolicy:   {[2]string{"Never", "Always"}, func(s Spec) any { policy, err := s.PullPolicy(""); return fmt.Sprint(policy, err) }},
		AnnotationCapabilities: {[2]string{"CHOWN", "KILL"}, func(s Spec) any { return fmt.Sprint(s.Capabilities()) }},
		PolicyProtocol:         {[2]string{ProtocolHTTP1, ProtocolH2C}, readCallPolicy},
		PolicyMaxRequestBody:   {[2]string{"1Mi", "2Mi"}, readCallPolicy},
	}
	for _, key := range []string{PolicyTimeout, PolicyHeadTimeout, PolicyIdleTimeout, PolicyMaxInFlight, PolicyMaxInFlightShort, PolicyMaxWaiting} {
		readers[key] = struct {
			texts [2]string
			read  func(Spec) any
		}{[2]string{"1", "2"}, readCallPolicy}
	}
	readers[PolicyPrefix+PolicyTryTimeout] = struct {
		texts [2]string
		read  func(Spec) any
	}{[2]string{"1s", "2s"}, func(s Spec) any { p, err := readPolicies(s.Metadata()); return fmt.Sprintf("%+v %v", *p, err) }}
	for _, known := range settingKeys() {
		if _, has := readers[known]; !has && !isReadElsewhere(known) {
			t.Errorf("%s has no reader in this table", known)
		}
	}
	for key, r := range readers {
		annotation, label := map[string]string{key: r.texts[0]}, map[string]string{key: r.texts[1]}
		first, second := r.read(Spec{Annotations: annotation}), r.read(Spec{Annotations: label})
		if first == second {
			t.Errorf("%s: %v tells nothing", key, first)
		}
		if got := r.read(Spec{Annotations: annotation, Labels: label}); got != first {
			t.Errorf("%s: got %v from both, want %v", key, got, first)
		}
		if got := r.read(Spec{Labels: label}); got != second {
			t.Errorf("%s: got %v from a label, want %v", key, got, second)
		}
	}
}

func readCallPolicy(s Spec) any {
	p, err := s.With(nil).CallPolicy()
	return fmt.Sprintf("%+v %v", p, err)
}

// isReadElsewhere names the settings that have a test of their own.
func isReadElsewhere(key string) bool {
	for _, prefix := range []string{"com.openfaas.scale.", "com.openfaas.route.", "com.openfaas.host", "com.openfaas.path", HealthPrefix, ReadyPrefix, PolicyPrefix} {
		if strings.HasPrefix(key, prefix) {
			return true
		}
	}
	return false
}

func TestMetadata_ProbesHeedTheAnnotation(t *testing.T) {
	read := func(prefix string, s Spec) string {
		p, err := readProbe(s.Metadata(), prefix, Probe{Failures: 3, Successes: 1})
		return fmt.Sprintf("%+v %v", p, err)
	}
	for _, prefix := range []string{HealthPrefix, ReadyPrefix} {
		for _, key := range probeKeys(prefix) {
			texts := [2]string{"5", "6"}
			switch strings.TrimPrefix(key, prefix) {
			case ProbePath:
				texts = [2]string{"/a", "/b"}
			case ProbeHost:
				texts = [2]string{"a", "b"}
			}
			annotation, label := map[string]string{key: texts[0]}, map[string]string{key: texts[1]}
			first, second := read(prefix, Spec{Annotations: annotation}), read(prefix, Spec{Annotations: label})
			if both := read(prefix, Spec{Annotations: annotation, Labels: label}); both != first || first == second {
				t.Errorf("%s: got %s from both, want %s", key, both, first)
			}
			if alone := read(prefix, Spec{Labels: label}); alone != second {
				t.Errorf("%s: got %s from a label, want %s", key, alone, second)
			}
		}
	}
}

func TestMetadata_DifferencesAreListed(t *testing.T) {
	annotations, labels := map[string]string{}, map[string]string{}
	for _, known := range settingKeys() {
		annotations[keyOf(known)], labels[keyOf(known)] = "1", "2"
	}
	s := Spec{Annotations: annotations, Labels: labels}
	if got := s.Metadata().Differences(); len(got) != len(settingKeys()) {
		t.Errorf("got %d differences of %d settings: %v", len(got), len(settingKeys()), got)
	}
	same := Spec{Annotations: annotations, Labels: annotations}
	others := Spec{Annotations: map[string]string{"topic": "a", "com.openfaas.topic": "a"}, Labels: map[string]string{"topic": "b", "com.openfaas.topic": "b"}}
	for _, s := range []Spec{same, others, {Annotations: annotations}, {Labels: labels}} {
		if got := s.Metadata().Differences(); got != nil {
			t.Errorf("got %v of settings that do not differ", got)
		}
	}
	d := Difference{Key: "com.openfaas.scale.max", Annotation: "7", Label: "5"}
	const want = `com.openfaas.scale.max is "7" in the annotations and "5" in the labels: the annotation counts`
	if d.String() != want {
		t.Errorf("got %q, want %q", d, want)
	}
}
