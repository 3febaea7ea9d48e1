package function

import (
	"errors"
	"strings"
	"testing"
	"time"
)

func TestCallPolicy_ReadsLabelsAndAnnotations(t *testing.T) {
	spec := Spec{
		Labels: map[string]string{
			"com.openfaas.call.timeout":      "1m30s",
			"com.openfaas.call.head_timeout": "5",
			"max_inflight":                   "7",
			"com.openfaas.protocol":          "http1",
		},
		Annotations: map[string]string{
			"com.openfaas.call.idle_timeout":     "250ms",
			"com.openfaas.call.max_waiting":      "100",
			"com.openfaas.call.max_request_body": "10Mi",
			"com.openfaas.protocol":              "h2c",
		},
	}
	want := CallPolicy{Timeout: 90 * time.Second, HeadTimeout: 5 * time.Second, IdleTimeout: 250 * time.Millisecond,
		MaxInFlight: 7, MaxWaiting: 100, Protocol: ProtocolH2C, MaxRequestBody: 10 << 20}
	got, err := spec.With(nil).CallPolicy()
	if err != nil || got != want {
		t.Errorf("got %+v, %v; want %+v", got, err, want)
	}
	unbounded := Spec{Labels: map[string]string{"com.openfaas.call.max_request_body": "0"}}
	if got, err := unbounded.With(nil).CallPolicy(); err != nil || got.MaxRequestBody >= 0 {
		t.Errorf("a body without a bound: got %+v, %v", got, err)
	}
	if got, err := (Spec{}).With(nil).CallPolicy(); err != nil || got != (CallPolicy{}) {
		t.Errorf("nothing said: got %+v, %v", got, err)
	}
}

func TestCallPolicy_RefusesWhatItCannotUnderstand(t *testing.T) {
	for key, text := range map[string]string{
		"com.openfaas.call.timeout":          "soon",
		"com.openfaas.call.head_timeout":     "-1s",
		"com.openfaas.call.idle_timeout":     "",
		"com.openfaas.call.max_inflight":     "-1",
		"max_inflight":                       "many",
		"com.openfaas.call.max_waiting":      "1.5",
		"com.openfaas.call.max_request_body": "big",
		"com.openfaas.protocol":              "spdy",
	} {
		_, err := Spec{Labels: map[string]string{key: text}}.With(nil).CallPolicy()
		if !errors.Is(err, ErrInvalid) || !strings.Contains(err.Error(), key) {
			t.Errorf("%s=%q: got %v, want an ErrInvalid that names it", key, text, err)
		}
		spec := Spec{Name: "f", Namespace: "n", Image: "i", Annotations: map[string]string{key: text}}
		if err := spec.Validate(); !errors.Is(err, ErrInvalid) {
			t.Errorf("%s=%q: Validate says %v", key, text, err)
		}
	}
}
