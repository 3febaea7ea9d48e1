package handlers

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"faas-docker/function"
)

func TestRollback_SaysWhatBecameOfIt(t *testing.T) {
	tests := []struct {
		request string
		err     error
		status  int
		text    string
	}{
		{"POST /system/rollback/figlet.dev", nil, http.StatusOK, ""},
		{"POST /system/rollback/figlet?namespace=dev", nil, http.StatusOK, ""},
		{"POST /system/rollback/figlet.dev", function.Conflict("nothing is kept"), http.StatusConflict, "nothing is kept"},
		{"POST /system/rollback/figlet.dev", function.UnknownFunction(function.Name{Name: "figlet", Namespace: "dev"}), http.StatusNotFound, "not deployed"},
		{"POST /system/rollback/figlet.dev?namespace=prod", nil, http.StatusBadRequest, "namespace"},
	}
	for _, test := range tests {
		s := newScene()
		var asked []string
		s.fleet.rollback = func(name function.Name) error {
			asked = append(asked, name.String())
			return test.err
		}
		w := s.call(t, test.request, "")
		if w.Code != test.status || !strings.Contains(w.Body.String(), test.text) {
			t.Errorf("%s: %d %q, want %d with %q", test.request, w.Code, w.Body, test.status, test.text)
		}
		if test.status != http.StatusBadRequest && (len(asked) != 1 || asked[0] != "figlet.dev") {
			t.Errorf("%s: asked to roll back %v", test.request, asked)
		}
	}
}

func TestStatus_SaysWhatCanBeGoneBackTo(t *testing.T) {
	until := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	tests := []struct {
		name   string
		status function.Status
		want   string
	}{
		{"nothing", function.Status{}, `null`},
		{"no replica left", function.Status{Function: function.Function{Previous: &function.Previous{Until: until}}}, `null`},
		{"kept", function.Status{Kept: 2, Function: function.Function{Previous: &function.Previous{Spec: function.Spec{Image: "figlet:1"}, Until: until}}},
			`{"image":"figlet:1","replicas":2,"until":"2026-01-02T03:04:05Z"}`},
		{"still serving", function.Status{Kept: 1, Function: function.Function{Previous: &function.Previous{Spec: function.Spec{Image: "figlet:1"}}}},
			`{"image":"figlet:1","replicas":1}`},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			text, err := json.Marshal(encodeStatus(test.status).Rollback)
			if err != nil || string(text) != test.want {
				t.Errorf("%s, %v; want %s", text, err, test.want)
			}
		})
	}
}
