package main

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func TestServe_SleepsAsLongAsToldThenAnswers(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name, query, body string
		want              time.Duration
		code              int
	}{
		{"query", "?d=150ms", "", 150 * time.Millisecond, http.StatusOK},
		{"body", "", "2s\n", 2 * time.Second, http.StatusOK},
		{"query before body", "?d=1s", "2s", time.Second, http.StatusOK},
		{"nothing", "", "", 0, http.StatusOK},
		{"nonsense", "?d=soon", "", 0, http.StatusBadRequest},
	} {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				began := time.Now()
				answer := httptest.NewRecorder()
				serve(answer, httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/"+tc.query, strings.NewReader(tc.body)))
				if answer.Code != tc.code {
					t.Errorf("status %d, want %d", answer.Code, tc.code)
				}
				if took := time.Since(began); took != tc.want {
					t.Errorf("took %s, want %s", took, tc.want)
				}
			})
		})
	}
}

func TestServe_StopsWhenCallerGoes(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		answer := httptest.NewRecorder()
		serve(answer, httptest.NewRequestWithContext(ctx, http.MethodPost, "/?d=1h", nil))
		if took := time.Since(began); took != time.Second {
			t.Errorf("slept %s after the caller had gone at 1s", took)
		}
		if answer.Body.Len() != 0 {
			t.Errorf("answered %q to a caller who has left", answer.Body)
		}
	})
}
