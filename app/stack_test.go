package app

import (
	"strings"
	"testing"
	"time"

	"faas-docker/function"
	"faas-docker/stack"
)

// Until a function is deployed the keeper knows how it is, and then the fleet.
func TestStackFile_TellsHowFunctionsAre(t *testing.T) {
	name := function.Name{Name: "f", Namespace: function.DefaultNamespace}
	previous := &function.Previous{}
	over := &function.Previous{Until: time.Unix(1, 0)}
	ready := function.Load{Ready: 1}
	for _, tc := range []struct {
		what   string
		kept   stack.State
		reason string
		status function.Status
		err    error
		want   string
	}{
		{"not tried", stack.Pending, "", function.Status{}, nil, "deploying"},
		{"waiting", stack.Waiting, "secret", function.Status{}, nil, "waiting: secret"},
		{"failed", stack.Failed, "image", function.Status{}, nil, "failed: image"},
		{"starting", stack.Deployed, "", function.Status{Function: function.Function{Replicas: 1}, Reason: "starting"}, nil, "starting: starting"},
		{"crashing", stack.Deployed, "", function.Status{Function: function.Function{Replicas: 1}, Reason: "exited with code 7"}, nil, "starting: exited with code 7"},
		{"ready", stack.Deployed, "", function.Status{Function: function.Function{Replicas: 1, Answered: true}, Load: ready}, nil, "ready"},
		{"some of many replicas", stack.Deployed, "", function.Status{Function: function.Function{Replicas: 9}, Load: ready, Reason: "no room"}, nil, "ready"},
		{"frozen", stack.Deployed, "", function.Status{Function: function.Function{Replicas: 1, Answered: true}, Load: function.Load{Asleep: 1}}, nil, "ready"},
		{"at zero", stack.Deployed, "", function.Status{}, nil, "ready"},
		{"ready once, gone now", stack.Deployed, "", function.Status{Function: function.Function{Replicas: 1, Answered: true}, Reason: "exited"}, nil, "starting: exited"},
		{"the revision before serves", stack.Deployed, "", function.Status{Function: function.Function{Replicas: 1, Previous: previous}, Load: ready, Reason: "exited"}, nil, "starting: exited"},
		{"updated", stack.Deployed, "", function.Status{Function: function.Function{Replicas: 1, Answered: true, Previous: over}, Load: ready}, nil, "ready"},
		{"closed by its name", stack.Deployed, "", function.Status{Function: function.Function{Spec: annotated(function.KeyExpose, function.ExposeRoutes)}}, nil, "ready: by its name only functions can call it (com.openfaas.expose)"},
		{"open by its name", stack.Deployed, "", function.Status{Function: function.Function{Spec: annotated(function.KeyExpose, function.ExposeEverywhere)}}, nil, "ready"},
		{"with credentials", stack.Deployed, "", function.Status{Function: function.Function{Spec: annotated(function.KeyAuth, `basicAuth("users")`), Replicas: 1, Answered: true}, Load: ready}, nil, "ready: it asks for credentials (com.openfaas.auth)"},
		{"closed and starting", stack.Deployed, "", function.Status{Function: function.Function{Spec: annotated(function.KeyExpose, function.ExposeRoutes), Replicas: 1}, Reason: "exited"}, nil, "starting: exited"},
		{"deleted", stack.Deployed, "", function.Status{}, function.UnknownFunction(name), "ready: it was deleted since"},
	} {
		s := stackFile{status: func(function.Name) (function.Status, error) { return tc.status, tc.err }}
		f := s.shown(stack.Progress{Name: name, State: tc.kept, Reason: tc.reason})
		got := strings.TrimSuffix(f.State+": "+f.Reason, ": ")
		if got != tc.want {
			t.Errorf("%s: %q, want %q", tc.what, got, tc.want)
		}
	}
}

// annotated is a deployment with one annotation.
func annotated(key, value string) function.Spec {
	return function.Spec{Annotations: map[string]string{key: value}}
}
