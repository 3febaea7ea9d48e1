package main

import (
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
)

func TestHandler_PrintsVariablesSorted(t *testing.T) {
	t.Setenv("ENV_SAMPLE", "b=c")
	lines := strings.Split(strings.TrimSuffix(get(t, "/").Body.String(), "\n"), "\n")
	if !slices.Contains(lines, "ENV_SAMPLE=b=c") {
		t.Errorf("ENV_SAMPLE is missing in %q", lines)
	}
	if !slices.IsSorted(lines) {
		t.Errorf("not sorted: %q", lines)
	}
}

func TestHandler_ServesSecretsAndNothingBesideThem(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		path string
		code int
		body string
	}{
		{"/secrets/api-key", http.StatusOK, "s3cr3t\n"},
		{"/secrets/missing", http.StatusNotFound, ""},
		{"/secrets/..%2Fpasswd", http.StatusNotFound, ""},
	} {
		got := get(t, tc.path)
		if got.Code != tc.code || (tc.body != "" && got.Body.String() != tc.body) {
			t.Errorf("%s: %d %q, want %d %q", tc.path, got.Code, got.Body, tc.code, tc.body)
		}
	}
}

func get(t *testing.T, path string) *httptest.ResponseRecorder {
	t.Helper()
	secrets := fstest.MapFS{"api-key": {Data: []byte("s3cr3t\n")}}
	answer := httptest.NewRecorder()
	handler(secrets).ServeHTTP(answer, httptest.NewRequestWithContext(t.Context(), http.MethodGet, path, nil))
	return answer
}
